"""How far a configuration can reach: requests per second and series, before anything runs.

Nothing is counted here that another part knows: intervals are the cadence's, families are the catalogue's, named label
sets are those that start at 0. All figures are upper bounds, but for two things that no file tells: tasks that are
found elsewhere make requests too, and a ledger may remember label sets that an earlier configuration named.
"""

import math
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from exporter.discovery.source import Mechanism
from exporter.metrics.catalogue import FAMILIES
from exporter.metrics.exposition import standard_collectors
from exporter.metrics.family import Family, Histogram, Scope, Type
from exporter.polling.cadence import PublishedCadence
from exporter.service.reload import configured_labels
from exporter.settings.fields import Strategy
from exporter.settings.model import AccountSettings, GroupSettings, Settings
from exporter.tasks.observation import Status

UNFORESEEN: Mapping[str, int] = {"type": 1, "reason": 1}
"""How many values of a label may join those that a family starts with: ``other``, and a reason nobody has foreseen."""

FREE_CODES = 2
"""Error codes that no limit holds back: ``other`` and ``unknown``. What the family starts with counts as aggregate."""


@dataclass(frozen=True, slots=True)
class AccountEstimate:
    """Requests per second of one account while every task that the file names is open.

    ``wanted`` is at ``default_eta``, and ``adaptive`` is the part of it that is placed by what was learnt: as many
    requests in the mean, though more at some moments and fewer at others. ``least`` and ``most`` are at the longest and
    the shortest interval allowed. ``allowed`` is the hard limit; ``when_slow`` is what is left of it while each request
    takes its whole timeout. ``interval`` is the best mean interval (seconds) between two polls of one task under the
    limit.
    """

    name: str
    tasks: int
    wanted: float
    least: float
    most: float
    allowed: float
    when_slow: float
    interval: float
    adaptive: float = 0.0

    @property
    def fits(self) -> bool:
        """Whether the limit lets every task be polled as often as wanted."""
        return self.wanted <= self.allowed


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a configuration can reach. ``open_groups`` also take tasks from elsewhere.

    Their series are counted up to the limits: ``label_sets`` are those that the file names, but in an open group as
    many as ``label_sets.limit`` says and the one into which all others fold. Their requests are not counted.
    """

    accounts: tuple[AccountEstimate, ...]
    label_sets: int
    aggregate_series: int
    error_code_series: int
    task_series: int
    exporter_series: int
    open_groups: tuple[str, ...] = ()

    @property
    def series(self) -> int:
        """All series of one scrape, at most."""
        return self.aggregate_series + self.error_code_series + self.task_series + self.exporter_series


def estimate(settings: Settings) -> Estimate:
    """How many series and requests per second these settings can reach."""
    open_groups = tuple(group.name for group in settings.task_groups if _is_open(group))
    label_sets = list(_label_sets(settings))
    listed = settings.globals.task_series.limit
    return Estimate(
        accounts=tuple(_account(account, settings) for account in settings.accounts),
        label_sets=sum(label_sets),
        aggregate_series=sum(label_sets) * _series(Scope.TASKS),
        error_code_series=sum(_error_codes(sets, settings) for sets in label_sets),
        task_series=_series(Scope.TASK) * (listed if open_groups else min(listed, _tasks(settings.task_groups))),
        exporter_series=_exporter_series(settings),
        open_groups=open_groups,
    )


# ---- requests --------------------------------------------------------------------------------------------------------


def _account(account: AccountSettings, settings: Settings) -> AccountEstimate:
    groups = [group for group in settings.task_groups if group.account == account.name]
    tasks = _tasks(groups)
    allowed = account.max_requests_per_second
    return AccountEstimate(
        name=account.name,
        tasks=tasks,
        wanted=_rate(groups, eta_seconds=None),
        least=_rate(groups, eta_seconds=math.inf),
        most=_rate(groups, eta_seconds=sys.float_info.min),
        allowed=allowed,
        when_slow=min(allowed, account.max_in_flight / account.timeout),
        interval=tasks / allowed,
        adaptive=_rate([group for group in groups if group.poll.strategy is Strategy.ADAPTIVE], eta_seconds=None),
    )


def _rate(groups: list[GroupSettings], *, eta_seconds: float | None) -> float:
    """Requests per second while every task of the groups has this ETA."""
    return sum(_tasks([group]) / PublishedCadence(group.poll).interval(eta_seconds) for group in groups)


def _tasks(groups: Iterable[GroupSettings]) -> int:
    targets = (target for group in groups for target in group.static_configs)
    return sum(len(target.task_ids) + len(target.out_task_ids) for target in targets)


# ---- series ----------------------------------------------------------------------------------------------------------


def _label_sets(settings: Settings) -> Iterator[int]:
    """How many label sets each group can have; those that the file names take their places first."""
    named = Counter(labels.group for labels in set(configured_labels(settings)))
    limit = settings.globals.label_sets.limit
    for group in settings.task_groups:
        yield max(named[group.name], limit) + 1 if _is_open(group) else named[group.name]


def _error_codes(label_sets: int, settings: Settings) -> int:
    """How many series a group can have for error codes: pairs of a label set and a code have a limit too."""
    pairs = min(label_sets * settings.globals.label_values.limit, settings.globals.label_sets.limit)
    return pairs + label_sets * FREE_CODES


def _exporter_series(settings: Settings) -> int:
    streaming = {group.account for group in settings.task_groups if group.stream}
    sources = sum(len(list(_mechanisms(group))) for group in settings.task_groups)
    return (
        len(settings.accounts) * _series(Scope.ACCOUNT)
        # an account that streams has a second endpoint
        + len(streaming) * _series(Scope.ACCOUNT, label="endpoint")
        + sources * _series(Scope.SOURCE)
        # and one for the keys that are not configured
        + (len(settings.accounts) + 1 if settings.proxy else 0) * _series(Scope.PROXIED)
        + _series(Scope.EXPORTER)
        + sum(len(metric.samples) for collector in standard_collectors() for metric in collector.collect())
    )


def _series(scope: Scope, *, label: str = "") -> int:
    """The series that one thing of a scope has at most, in all families or in those that have this label too."""
    families = (family for family in FAMILIES if family.scope is scope and (not label or label in family.labels))
    return sum(_combinations(family) * _samples(family) for family in families)


def _combinations(family: Family) -> int:
    """How many values the labels of a family can take together while the labels of its scope stay the same.

    Those it starts with, and what is not foreseen. An info has one at a time. A family with ``status`` and without a
    start shows some or all statuses.
    """
    if family.type is Type.INFO:
        return 1
    if not family.starts:
        return len(Status) if "status" in family.labels else 1
    return len(family.starts) + sum(UNFORESEEN.get(label, 0) for label in family.labels)


def _samples(family: Family) -> int:
    """A histogram has its buckets, +Inf, sum and count."""
    return len(family.buckets) + 3 if isinstance(family, Histogram) else 1


def _is_open(group: GroupSettings) -> bool:
    return any(_mechanisms(group))


def _mechanisms(group: GroupSettings) -> Iterator[Mechanism]:
    """What finds tasks for a group besides the file itself, by the name that its series carry."""
    if group.file_sd_configs:
        yield Mechanism.FILE
    if group.http_sd_configs:
        yield Mechanism.HTTP
    if group.api_config or group.callback_config:
        yield Mechanism.API
