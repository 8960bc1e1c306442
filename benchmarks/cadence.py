"""The learned cadence beside the published one, and beside the best that can be done: polls a task, and mean delay.

``python -m benchmarks.cadence`` prints the tables, in about a minute; ``--json`` prints what
``scripts/draw_cadence.py`` draws the picture of ``docs/cadence.md`` from. Seeds are fixed: it prints the same anywhere.
"""

import json
import sys
from collections.abc import Iterator, Sequence
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


def scenarios() -> Iterator[tuple[str, Sequence[Life]]]:
    """What could make a learned cadence worse than none."""
    random = Random(11)
    yield "durations double midway", log_normal(400, sigma=0.25) + log_normal(400, sigma=0.25, median=70, seed=8)
    yield "the 30 after it doubled", log_normal(400, sigma=0.25) + log_normal(30, sigma=0.25, median=70, seed=8)
    yield "durations halve midway", log_normal(400, sigma=0.25) + log_normal(400, sigma=0.25, median=17.5, seed=8)
    yield "the 30 after it halved", log_normal(400, sigma=0.25) + log_normal(30, sigma=0.25, median=17.5, seed=8)
    yield "10 s or 60 s", [Life(random.choice((10.0, 60.0)) * random.lognormvariate(0, 0.15)) for _ in range(800)]
    yield "the ETA is a third of it", log_normal(600, sigma=0.25, median=105.0)
    yield "the ETA is three times it", log_normal(600, sigma=0.25, median=35 / 3)
    yield "no ETA", log_normal(600, sigma=0.5, median=50.0, eta=None)
    queues = [random.expovariate(1 / 10) for _ in range(600)]
    yield "10 s in a queue", [Life(wait + 25 * random.lognormvariate(0, 0.25), queue=wait) for wait in queues]
    yield "nothing to be learnt", [Life(random.expovariate(1 / 35)) for _ in range(800)]
    yield "the first 24 (one an hour)", log_normal(24, sigma=0.25)


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
    """Both cadences in every scenario; what is not the last part of one is left out where the name says so."""
    rows: list[dict[str, object]] = []
    for name, lives in scenarios():
        last = 30 if name.startswith("the 30") else len(lives)
        rows.append({"name": name, **_both(means(published(lives)[-last:]), means(adaptive(lives)[-last:]))})
    return rows


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
    print("what could make it worse            published      adaptive       polls  delay  start seen")
    for each in robust():
        row = {name: value for name, value in each.items() if isinstance(value, float)}
        start = f"{row['adaptive_start_delay'] / row['published_start_delay']:.2f}"
        print(
            f"{each['name']:34}  {_cell(row, 'published')}  {_cell(row, 'adaptive')}"
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
