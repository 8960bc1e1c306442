"""Every family there is, each declared once: collector, documentation and checks are driven by this table.

To add one, declare it in ``exporter/metrics/families/``; what counts it stands in ``events.py``, what reads it in
``gauges.py``.
"""

from collections.abc import Mapping
from types import MappingProxyType

from exporter.accounting.series import Series
from exporter.metrics.families import api, own, proxy, task, tasks
from exporter.metrics.family import Family, Scope, declared

FAMILIES: tuple[Family, ...] = (*declared(tasks), *declared(task), *declared(api), *declared(proxy), *declared(own))

BY_NAME: Mapping[str, Family] = MappingProxyType({family.name: family for family in FAMILIES})


OF_ACCOUNTS: frozenset[str] = frozenset(
    family.name for family in FAMILIES if family.scope in (Scope.TASKS, Scope.TASK, Scope.ACCOUNT)
)
"""The families that speak of accounts: what is counted for one goes with it from owner to owner."""


def account_of(series: Series) -> str | None:
    """The account that a stored series is counted for; None where each exporter counts its own."""
    if series.family not in OF_ACCOUNTS:
        return None
    return next((value for name, value in series.labels if name == "account"), None)


def lines_of(scope: Scope) -> int:
    """How many lines of a page one thing of this scope takes at most, its error codes beyond the first aside.

    One set of task labels, one listed task, one account, one mechanism of discovery in a group, one exporter.
    """
    return sum(family.lines for family in FAMILIES if family.scope is scope)
