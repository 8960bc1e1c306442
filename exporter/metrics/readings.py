"""What is remembered of a snapshot: numbers by group and by account, and how such numbers are added up. Pure."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from exporter.accounting.series import Series, bucket
from exporter.metrics.families import api, tasks
from exporter.metrics.snapshot import AccountView, Snapshot
from exporter.tasks.census import Census
from exporter.tasks.observation import TERMINAL, Status

BOUNDS = (*tasks.GENERATION_BUCKETS, math.inf)
_POSITIONS = {bucket(bound): position for position, bound in enumerate(BOUNDS)}


@dataclass(frozen=True, slots=True)
class Open:
    """Open tasks. ``known`` are those last seen pending or running, ``unobserved`` those not asked about yet,
    ``unknown`` those whose status was not understood.
    """

    known: int = 0
    unobserved: int = 0
    unknown: int = 0

    @property
    def all(self) -> int:
        return self.known + self.unobserved + self.unknown


@dataclass(frozen=True, slots=True)
class Ended:
    """Tasks that ended, and what they took. ``other`` were cancelled or not found; ``durations`` are those of completed
    tasks, a count for each of ``BOUNDS``, and empty where there is none.
    """

    completed: float = 0.0
    failed: float = 0.0
    other: float = 0.0
    credits: float = 0.0
    durations: tuple[float, ...] = ()

    @property
    def all(self) -> float:
        return self.completed + self.failed + self.other

    def since(self, earlier: "Ended") -> "Ended":
        """What has been added since then; nothing has where a number is lower."""
        durations = tuple(map(grown, self.durations, earlier.durations or (0.0,) * len(self.durations)))
        return Ended(
            grown(self.completed, earlier.completed),
            grown(self.failed, earlier.failed),
            grown(self.other, earlier.other),
            grown(self.credits, earlier.credits),
            durations if any(durations) else (),
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """Requests of an account, and those of them that got no validated answer."""

    requests: float = 0.0
    failures: float = 0.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What one snapshot tells. ``ended`` and ``asked`` only grow; ``places`` has the account of each group."""

    at: float
    places: Mapping[str, str]
    groups: Mapping[str, Open]
    ended: Mapping[str, Ended]
    accounts: tuple[AccountView, ...]
    open_of_account: Mapping[str, int]
    asked: Mapping[str, Asked]


def added(parts: Sequence[Ended]) -> Ended:
    """All of these together."""
    durations = [part.durations for part in parts if part.durations]
    return Ended(
        math.fsum(part.completed for part in parts),
        math.fsum(part.failed for part in parts),
        math.fsum(part.other for part in parts),
        math.fsum(part.credits for part in parts),
        tuple(map(math.fsum, zip(*durations, strict=True))) if durations else (),
    )


def quantile(share: float, durations: Sequence[float]) -> float | None:
    """As Prometheus estimates it from buckets; None where nothing was observed."""
    total = math.fsum(durations)
    if not total:
        return None
    rank, below, lower = share * total, 0.0, 0.0
    for bound, count in zip(BOUNDS, durations, strict=True):
        if below + count >= rank and count:
            return lower + (bound - lower) * (rank - below) / count if bound < math.inf else lower
        below, lower = below + count, min(bound, BOUNDS[-2])
    return lower


def grown(now: float, before: float) -> float:
    """By how much a total has grown. Whatever is no number is no growth."""
    by = now - before
    return by if 0.0 < by < math.inf else 0.0


# ---- from a snapshot to a reading ------------------------------------------------------------------------------------


def read(snapshot: Snapshot) -> Reading:
    """What is remembered of a snapshot: every label set and series is looked at once."""
    open_of_account: Counter[str] = Counter()
    for (labels, status), count in snapshot.census.counts.items():
        open_of_account[labels.account] += 0 if status in TERMINAL else count
    accounts = {account.name for account in snapshot.accounts}
    places = places_of(snapshot)
    ended, asked = _counted(snapshot.totals, places, accounts)
    return Reading(
        at=snapshot.census.at,
        places=places,
        groups=open_tasks(snapshot, places),
        ended=ended,
        accounts=snapshot.accounts,
        open_of_account=open_of_account,
        asked=asked,
    )


def open_tasks(snapshot: Snapshot, places: Mapping[str, str]) -> Mapping[str, Open]:
    """The open tasks of each of these groups."""
    counts = _open_counts(snapshot.census, places)
    return {group: _open(counts[group]) for group in places}


def places_of(snapshot: Snapshot) -> Mapping[str, str]:
    """Each group of the configuration with its account, in its order. The totals may remember more: it is not shown."""
    return {labels.group: labels.account for labels in snapshot.known}


def _open_counts(census: Census, places: Mapping[str, str]) -> Mapping[str, Counter[Status]]:
    counts: Mapping[str, Counter[Status]] = {group: Counter() for group in places}
    for (labels, status), count in census.counts.items():
        if labels.group in counts:
            counts[labels.group][status] += count
    return counts


def _open(counts: Mapping[Status, int]) -> Open:
    known = counts[Status.PENDING] + counts[Status.RUNNING]
    return Open(known, counts[Status.UNOBSERVED], counts[Status.UNKNOWN])


def _counted(
    totals: Mapping[Series, float], places: Mapping[str, str], accounts: Iterable[str]
) -> tuple[dict[str, Ended], dict[str, Asked]]:
    groups = {group: _Sums() for group in places}
    requests, failures = dict.fromkeys(accounts, 0.0), dict.fromkeys(accounts, 0.0)
    for series, amount in totals.items():
        match series.family:
            case tasks.FINISHED.name | tasks.CREDITS_USED.name | tasks.DURATION.name:
                labels = dict(series.labels)
                group = labels.get("group", "")
                if places.get(group) == labels.get("account") and group in groups:
                    groups[group].add(series, labels.get("status", ""), amount)
            case api.REQUESTS.name | api.REQUEST_FAILURES.name:
                account = dict(series.labels).get("account", "")
                numbers = requests if series.family == api.REQUESTS.name else failures
                if account in numbers:
                    numbers[account] += amount
    asked = {account: Asked(requests[account], failures[account]) for account in requests}
    return {group: sums.ended() for group, sums in groups.items()}, asked


class _Sums:
    """What is added up for one group."""

    def __init__(self) -> None:
        self._finished: dict[str, float] = defaultdict(float)
        self._credits = 0.0
        self._durations = [0.0] * len(BOUNDS)

    def add(self, series: Series, status: str, amount: float) -> None:
        if series.family == tasks.FINISHED.name:
            self._finished[status] += amount
        elif series.family == tasks.CREDITS_USED.name:
            self._credits += amount
        elif status == Status.COMPLETED and series.part in _POSITIONS:
            self._durations[_POSITIONS[series.part]] += amount

    def ended(self) -> Ended:
        completed, failed = self._finished[Status.COMPLETED], self._finished[Status.FAILED]
        other = sum(self._finished.values()) - completed - failed
        return Ended(completed, failed, other, self._credits, tuple(self._durations))
