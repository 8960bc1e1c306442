"""Whether a soak went well: trends that must be flat, books that must be equal, bounds. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from statistics import median
from typing import Any, Protocol

from benchmarks._verdict import Verdict
from benchmarks.soak.plan import Plan
from benchmarks.soak.sample import Sample

WARM_UP = 0.1
"""The share of the run after which nothing may grow any more."""

MEMORY_SHARE, MEMORY_MB = 0.05, 2.0
"""Memory is flat if its trend over the rest of the run comes to no more than this share of it and so many megabytes."""

HANDLES = 2.0
"""Descriptors and threads are flat if what is never given back grows by fewer than so many over the rest of the run."""

PARTS = 9
"""What is not given back in one of so many parts of the rest of the run counts: connections come and go."""

STALL_MS = 50.0
RATE_SHARE = 0.9
CENT = 0.005


class Page(Protocol):
    """What the exporter has counted."""

    def by(self, label: str, name: str, **labels: str) -> dict[str, float]: ...

    def sum(self, name: str, **labels: str) -> float: ...


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The median of the slopes between all pairs (Theil and Sen): what stands out does not bend it."""
    slopes = [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2) if x2 > x1]
    return median(slopes) if slopes else 0.0


def growth(points: Sequence[tuple[float, float]]) -> float:
    """What the trend comes to from the first point to the last."""
    return slope(points) * (points[-1][0] - points[0][0]) if len(points) > 1 else 0.0


def lowest(points: Sequence[tuple[float, float]], parts: int = PARTS) -> Sequence[tuple[float, float]]:
    """The lowest point of each part, all parts of as many points."""
    size = max(1, len(points) // parts)
    return [min(points[at : at + size], key=lambda point: point[1]) for at in range(0, len(points), size)]


def warm(samples: Sequence[Sample], plan: Plan) -> Sequence[Sample]:
    """Those after the first tenth."""
    return [sample for sample in samples if sample.at >= WARM_UP * plan.seconds]


def judged(samples: Sequence[Sample], plan: Plan) -> Iterator[Verdict]:
    """Whether nothing grows, the loop never stands, and the polls are as many as they should be."""
    later = warm(samples, plan)
    memory = [(sample.at, sample.rss_mb) for sample in later]
    usual = median(value for _, value in memory)
    most = MEMORY_SHARE * usual + MEMORY_MB
    found = growth(memory)
    yield Verdict("memory is flat", found <= most, f"{found:+.1f} MB of {usual:.0f} MB", f"at most {most:+.1f} MB")
    yield _few("descriptors are flat", [(sample.at, sample.descriptors) for sample in later])
    yield _few("threads are flat", [(sample.at, sample.threads) for sample in later])
    most_connections = plan.accounts * plan.in_flight
    connections = max(sample.connections for sample in samples)
    yield Verdict(
        "connections have a limit",
        connections <= most_connections,
        f"{connections} at most",
        f"at most {most_connections}",
    )
    yield _stands(samples)
    yield _polls(later, plan)
    failures = samples[-1].failures
    yield Verdict("faults were met", failures > 0, f"{failures:.0f} failed requests", "some")


def _few(name: str, points: Sequence[tuple[float, float]]) -> Verdict:
    found = growth(lowest(points))
    usual = f"{found:+.1f} of {median(value for _, value in points):.0f}"
    return Verdict(name, found < HANDLES, usual, f"fewer than {HANDLES:+.0f}")


def _stands(samples: Sequence[Sample]) -> Verdict:
    longest = max(samples, key=lambda sample: sample.stall_ms)
    late = max(sample.late_ms for sample in samples)
    found = f"{longest.stall_ms:.0f} ms ({late:.0f} ms with waiting for a core)"
    if longest.where:
        found += f", in {longest.where.partition(' < ')[0]}"
    return Verdict("the loop never stands", longest.stall_ms <= STALL_MS, found, f"at most {STALL_MS:.0f} ms")


def _polls(samples: Sequence[Sample], plan: Plan) -> Verdict:
    """Whether there were as many as there should be; where no fault ever let go, nobody knows."""
    calm, least = [sample.polls_per_second for sample in samples if not sample.is_disturbed], RATE_SHARE * plan.rate
    found = f"{median(calm):.0f}" if calm else "no undisturbed sample"
    return Verdict("polls a second, undisturbed", bool(calm) and median(calm) >= least, found, f"at least {least:.0f}")


def differences(page: Page, books: Mapping[str, Any], *, account: str) -> Iterator[str]:
    """Where what the exporter has counted for an account is not what its simulator did."""
    told = {
        # a task that never answers does not count as followed
        "tasks": (
            {"": page.sum("bytespike_tasks_followed_total", account=account)},
            {"": sum(books["outcomes"].values())},
        ),
        "outcomes": (page.by("status", "bytespike_tasks_finished_total", account=account), books["outcomes"]),
        "durations": (page.by("status", "bytespike_tasks_duration_seconds_count", account=account), books["outcomes"]),
        "error codes": (page.by("error_code", "bytespike_tasks_failed_total", account=account), books["error_codes"]),
        "outputs": (page.by("type", "bytespike_tasks_outputs_total", account=account), books["outputs"]),
        "credits": (
            page.by("status", "bytespike_tasks_credits_used_total", account=account),
            books["credits_used_by_status"],
        ),
    }
    for what, (counted, truth) in told.items():
        for key in sorted({*counted, *truth}):
            ours, its = counted.get(key, 0.0), truth.get(key, 0.0)
            if abs(ours - its) > CENT:
                yield f"{account}: {what} {key}: counted {ours:g}, in the books {its:g}"
