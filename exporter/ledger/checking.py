"""Whether the sums of a ledger hold what its outcomes say: nothing that has ended may be missing in them.

Outcomes leave after their retention, and what they added stays: so a sum may be more than what is still there to be
added up, and never less, unless it was retired.
"""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from exporter.accounting.series import VALUE, Series
from exporter.ledger.opening import beside
from exporter.ledger.rows import SUM_COLUMNS, numbers_of

CENT = 0.005
"""Sums of many credits differ in their last bits, by the order of what was added."""

OF_ACCOUNTS = "SELECT account, status, count(*), sum(coalesce(credits_used, 0)) FROM outcomes GROUP BY account, status"

Key = tuple[str, str]
"""An account and a status."""


@dataclass(frozen=True, slots=True)
class Held:
    """What was found of one account's tasks that ended in one status: still there to be added up, and counted."""

    account: str
    status: str
    outcomes: int
    counted: int
    credits: float
    credits_counted: float

    @property
    def is_whole(self) -> bool:
        """Whether whatever is there was counted."""
        return self.outcomes <= self.counted and self.credits <= self.credits_counted + CENT


def check(url: str, *, finished: str, credits_used: str) -> list[Held]:
    """Hold the totals of these two families against the outcomes; an exporter may be running.

    Raises LedgerError where the ledger cannot be read, or where a sum is damaged.
    """
    with beside(url) as (tx, statements):
        kept = {(row[0], row[1]): (row[2], row[3]) for row in statements.fetched(tx, OF_ACCOUNTS)}
        totals = numbers_of("totals", statements.rows(tx, "totals", SUM_COLUMNS))
    counted, credited = (_by_account_and_status(totals, family) for family in (finished, credits_used))
    return [_held(key, kept, counted, credited) for key in sorted({*kept, *counted})]


def _held(
    key: Key, kept: Mapping[Key, tuple[int, float]], counted: Mapping[Key, float], credited: Mapping[Key, float]
) -> Held:
    outcomes, credits_kept = kept.get(key, (0, 0.0))
    return Held(*key, outcomes, round(counted.get(key, 0.0)), credits_kept, credited.get(key, 0.0))


def _by_account_and_status(totals: Mapping[Series, float], family: str) -> dict[Key, float]:
    values: defaultdict[Key, list[float]] = defaultdict(list)
    for series, value in totals.items():
        if series.family == family and series.part == VALUE:
            labels = dict(series.labels)
            values[labels.get("account", ""), labels.get("status", "")].append(value)
    return {key: math.fsum(each) for key, each in values.items()}
