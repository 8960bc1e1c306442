"""The learned cadence beside the published one, and beside the best that can be done: polls a task, and mean delay.

``python -m benchmarks.cadence`` prints the tables, in about a minute; ``--json`` prints what
``scripts/draw_cadence.py`` draws the picture of ``docs/cadence.md`` from. Seeds are fixed: it prints the same anywhere.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from benchmarks._figures import Figure, Goal
from benchmarks._lives import (
    EVERY_5_SECONDS,
    LABELS,
    Life,
    Means,
    Optimum,
    adaptive,
    log_normal,
    means,
    published,
)
from exporter.polling.learning import Learning
from exporter.settings.model import PollSettings

SIGMAS = (0.15, 0.25, 0.35, 0.5)
LEARNT = 200
TASKS = LEARNT + 1000
SEEDS = 4
"""So many runs are taken together: the mean delay of a thousand tasks is known to a few per cent only."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What could make a learned cadence worse than none: some runs, each beginning without knowledge.

    ``last`` tasks of each count, where not all do; so many are submitted ``together``.
    """

    name: str
    runs: Sequence[Sequence[Life]]
    last: int | None = None
    together: int = 1

    def both(self) -> tuple[Means, Means]:
        """How the published and the learned cadence do."""
        theirs, ours = (
            means(
                [
                    seen
                    for seed, lives in enumerate(self.runs)
                    for seen in cadence(lives, seed=seed, together=self.together)[-(self.last or 0) :]
                ]
            )
            for cadence in (published, adaptive)
        )
        return theirs, ours


def scenarios() -> Iterator[Scenario]:
    """All of them, the same each time."""
    for what, to in (("double", 70.0), ("halve", 17.5), ("grow by 40 %", 49.0), ("shrink by 30 %", 24.5)):
        yield Scenario(f"durations {what}: the first 30", [_changed(to, 30, seed) for seed in range(8)], last=30)
        yield Scenario(f"durations {what}: the first 200", [_changed(to, 200, seed) for seed in range(3)], last=200)
    for what, to in (("double", 70.0), ("halve", 17.5)):
        runs = [_changed(to, 240, seed) for seed in range(3)]
        yield Scenario(f"durations {what}, 20 at a time", runs, last=240, together=20)
    yield Scenario("they double over 300 tasks", [_drifting(seed, 2.0) for seed in range(3)])
    yield Scenario("they halve over 300 tasks", [_drifting(seed, 0.5) for seed in range(3)])
    yield Scenario("10 s or 60 s", [_either(Random(seed), 10.0, 60.0) for seed in range(3)])
    yield Scenario("10 s or 60 s by turns of 50", [_by_turns(seed) for seed in range(3)])
    yield Scenario("the ETA is a third of it", [log_normal(300, sigma=0.25, median=105.0)])
    yield Scenario("the ETA is three times it", [log_normal(600, sigma=0.25, median=35 / 3)])
    yield Scenario("the ETA says nothing", [_any_eta(Random(seed)) for seed in range(3)])
    yield Scenario("no ETA", [log_normal(400, sigma=0.5, median=50.0, eta=None, seed=seed) for seed in range(3)])
    yield Scenario("10 s in a queue", [_queued(Random(seed)) for seed in range(3)])
    yield Scenario("nothing to be learnt", [_memoryless(Random(seed)) for seed in range(3)])
    yield Scenario("a model's first task", [log_normal(1, sigma=0.25, seed=seed) for seed in range(900)])
    yield Scenario("a model's first 3 tasks", [log_normal(3, sigma=0.5, seed=seed) for seed in range(500)])
    yield Scenario("a day of one task an hour", [log_normal(24, sigma=0.25, seed=seed) for seed in range(30)])
    yield Scenario(
        "a model's first 100, at once", [log_normal(100, sigma=0.25, seed=seed) for seed in range(6)], None, 100
    )
    batches = [log_normal(1000, sigma=0.25, seed=seed) for seed in range(2)]
    yield Scenario("100 at once, again and again", batches, None, 100)


def _changed(to: float, count: int, seed: int) -> Sequence[Life]:
    return log_normal(240, sigma=0.25, seed=seed) + log_normal(count, sigma=0.25, median=to, seed=seed + 100)


def _drifting(seed: int, to: float) -> Sequence[Life]:
    random = Random(seed)
    return [Life(35 * to ** (at / 300) * random.lognormvariate(0, 0.25)) for at in range(300)]


def _either(random: Random, one: float, other: float, count: int = 300) -> Sequence[Life]:
    return [Life(random.choice((one, other)) * random.lognormvariate(0, 0.15)) for _ in range(count)]


def _by_turns(seed: int) -> Sequence[Life]:
    random = Random(seed)
    return [life for turn in range(8) for life in _either(random, *((10.0, 10.0), (60.0, 60.0))[turn % 2], count=50)]


def _any_eta(random: Random) -> Sequence[Life]:
    return [Life(35 * random.lognormvariate(0, 0.25), eta=random.choice((10.0, 35.0, 120.0))) for _ in range(300)]


def _queued(random: Random) -> Sequence[Life]:
    waits = [random.expovariate(1 / 10) for _ in range(300)]
    return [Life(wait + 25 * random.lognormvariate(0, 0.25), queue=wait) for wait in waits]


def _memoryless(random: Random) -> Sequence[Life]:
    return [Life(random.expovariate(1 / 35)) for _ in range(400)]


def near_the_optimum(settings: PollSettings = EVERY_5_SECONDS, *, is_known: bool) -> list[dict[str, float]]:
    """Both cadences, for each sigma, once so many tasks have ended; the optimum makes as many polls as the learned."""
    rows = []
    for sigma in SIGMAS:
        runs = [log_normal(TASKS, sigma=sigma, seed=seed) for seed in range(SEEDS)]
        theirs = means([seen for run in runs for seen in published(run, settings=settings, is_known=is_known)[LEARNT:]])
        ours = means([seen for run in runs for seen in adaptive(run, settings=settings, is_known=is_known)[LEARNT:]])
        look = 0.0 if is_known else 1.0
        best = Optimum(sigma).delay(ours.polls - look)
        rows.append({"sigma": sigma, **_both(theirs, ours), "optimum_delay": best, "of_optimum": ours.delay / best})
    return rows


def robust() -> list[dict[str, object]]:
    """Both cadences in every scenario."""
    return [{"name": scenario.name, **_both(*scenario.both())} for scenario in scenarios()]


def curve(sigma: float) -> list[tuple[float, float]]:
    """What the bent clock shows at each second of a task's life, in seconds."""
    learning = Learning()
    adaptive(log_normal(LEARNT, sigma=sigma), learning=learning)
    learnt = learning.curve(LABELS)
    return [(float(age), 35 * learnt.reading(age / 35)) for age in range(71)]


def trade() -> list[dict[str, float]]:
    """Delay against polls for both cadences, at one sigma."""
    lives, rows = log_normal(600, sigma=0.25), []
    for polls in (2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 14.0):
        settings = PollSettings(polls_per_eta=polls, default_eta=35, min_interval=0.1)
        theirs = means(published(lives, settings=settings)[LEARNT:])
        ours = means(adaptive(lives, settings=settings)[LEARNT:])
        rows.append(_both(theirs, ours) | {"optimum_delay": Optimum(0.25).delay(ours.polls - 1)})
    return rows


def _both(theirs: Means, ours: Means) -> dict[str, float]:
    return {
        "published_polls": theirs.polls,
        "published_delay": theirs.delay,
        "adaptive_polls": ours.polls,
        "adaptive_delay": ours.delay,
        "published_start_delay": theirs.start_delay,
        "adaptive_start_delay": ours.start_delay,
    }


def main() -> None:
    """Print the tables, or the picture's data."""
    if "--json" in sys.argv[1:]:
        print(json.dumps({"curve": curve(0.25), "trade": trade()}))
        return
    for title, known in (("ETA known from the first moment", True), ("the first poll tells the ETA", False)):
        print(f"{title}; log-normal around 35 s, after {LEARNT} tasks")
        print("sigma   published      adaptive       delay  optimum, as many polls  adaptive/optimum")
        for row in near_the_optimum(is_known=known):
            print(
                f"{row['sigma']:5.2f}  {_cell(row, 'published')}  {_cell(row, 'adaptive')}"
                f"  x{row['adaptive_delay'] / row['published_delay']:.2f}"
                f"  {row['optimum_delay']:17.2f} s  {row['of_optimum']:20.2f}"
            )
        print()
    print("with min_interval 2 s (the default), ETA known: polls that could not be used are not made")
    for row in near_the_optimum(PollSettings(polls_per_eta=7, default_eta=35), is_known=True):
        print(
            f"{row['sigma']:5.2f}  {_cell(row, 'published')}  {_cell(row, 'adaptive')}"
            f"  x{row['adaptive_delay'] / row['published_delay']:.2f}"
        )
    print()
    print("what could make it worse                published      adaptive       polls  delay  start seen")
    for each in robust():
        row = {name: value for name, value in each.items() if isinstance(value, float)}
        start = f"{row['adaptive_start_delay'] / row['published_start_delay']:.2f}"
        print(
            f"{each['name']:38}  {_cell(row, 'published')}  {_cell(row, 'adaptive')}"
            f"  x{row['adaptive_polls'] / row['published_polls']:.2f}"
            f"  x{row['adaptive_delay'] / row['published_delay']:.2f}  x{start}"
        )


def _cell(row: dict[str, float], name: str) -> str:
    return f"{row[f'{name}_polls']:5.2f} {row[f'{name}_delay']:5.2f} s"


def figures() -> Iterator[Figure]:
    """What ``benchmarks.report`` takes from here."""
    for row in near_the_optimum(is_known=True):
        yield Figure(
            name=f"delay until an end is seen, durations of sigma {row['sigma']:g}",
            cost=row["adaptive_delay"],
            peer_name="the optimum, as many polls",
            peer=row["optimum_delay"],
            goal=Goal(share=1.1),
        )
    for row in trade():
        yield Figure(
            name=f"delay, {row['adaptive_polls']:.1f} polls a task",
            cost=row["adaptive_delay"],
            peer_name="the published cadence",
            peer=row["published_delay"],
            line="delay",
            at=row["adaptive_polls"],
            peer_at=row["published_polls"],
        )


if __name__ == "__main__":
    main()
