"""Tasks that live and are polled without a network: how many polls each takes, and how late its end is seen.

Everything but the loop is the exporter's own: the cadences, the learning, the state machine that says what was seen.
"""

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heapreplace
from itertools import pairwise
from random import Random
from statistics import NormalDist, fmean

from exporter.polling.cadence import AdaptiveCadence, Cadence, PublishedCadence
from exporter.polling.learning import Learning
from exporter.settings.model import PollSettings
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.state import begin, observe
from exporter.tasks.tracker import Change, ChangeKind
from exporter.tasks.view import TaskView

LABELS = TaskLabels("default", "renders", "sora-2-pro")

EVERY_5_SECONDS = PollSettings(polls_per_eta=7, default_eta=35, min_interval=0.1)
"""The published cadence at an ETA of 35 s; no interval is so short that a limit would hide which cadence is better."""

SUBMITTED_AT = 1_750_000_000.0


@dataclass(frozen=True, slots=True)
class Life:
    """One task, in seconds: how long it takes, how much of that it waits to be started, and what the API promises."""

    duration: float
    queue: float = 0.0
    eta: float | None = 35.0


@dataclass(frozen=True, slots=True)
class Seen:
    """How one life was seen: the polls, and the seconds from its start and its end to the poll that showed them."""

    polls: int
    start_delay: float
    delay: float


@dataclass(frozen=True, slots=True)
class Means:
    """The means of many."""

    polls: float
    start_delay: float
    delay: float


def means(seen: Sequence[Seen]) -> Means:
    """What many lives took in the mean."""
    return Means(
        fmean(each.polls for each in seen), fmean(each.start_delay for each in seen), fmean(each.delay for each in seen)
    )


# ---- both cadences over the same lives -------------------------------------------------------------------------------


def published(
    lives: Sequence[Life],
    *,
    settings: PollSettings = EVERY_5_SECONDS,
    seed: int = 1,
    is_known: bool = False,
    together: int = 1,
) -> list[Seen]:
    """How the published cadence sees them."""
    return _seen(lives, PublishedCadence(settings), seed=seed, is_known=is_known, together=together)


def adaptive(
    lives: Sequence[Life],
    *,
    settings: PollSettings = EVERY_5_SECONDS,
    seed: int = 1,
    learning: Learning | None = None,
    is_known: bool = False,
    together: int = 1,
) -> list[Seen]:
    """How the learned cadence sees them: it learns from each end for whatever is polled after it.

    Where ``is_known``, status and ETA are known from the first moment; otherwise the first poll must tell them. So many
    are submitted ``together``, and the next when all of these have ended.
    """
    learning = learning or Learning()
    learning.configure({LABELS.group: settings.default_eta})
    cadence = AdaptiveCadence(PublishedCadence(settings), learning.curve)
    return _seen(lives, cadence, seed=seed, is_known=is_known, together=together, learn=learning.take)


def _seen(
    lives: Sequence[Life],
    cadence: Cadence,
    *,
    seed: int,
    is_known: bool,
    together: int,
    learn: Callable[[Change], None] = lambda _: None,
) -> list[Seen]:
    random = Random(seed)
    interval = 0.0 if is_known else PublishedCadence(cadence.settings).interval(None)
    seen: list[Seen] = []
    submitted = SUBMITTED_AT
    for start in range(0, len(lives), together):
        followed = [  # a poller spreads first polls over one interval
            _follow(
                life,
                7919 * seed + start + at,
                cadence,
                submitted=submitted,
                first=random.random() * interval,
                learn=learn,
            )
            for at, life in enumerate(lives[start : start + together])
        ]
        seen += _side_by_side(followed)
        submitted += max(life.duration for life in lives[start : start + together])
    return seen


def _side_by_side(followed: Sequence[Generator[float, None, Seen]]) -> list[Seen]:
    """Let tasks live that were submitted together: each says when its next poll is, and they take turns by that."""
    seen: dict[int, Seen] = {}
    due = [(next(task), at) for at, task in enumerate(followed)]
    heapify(due)
    while due:
        _, at = due[0]
        try:
            heapreplace(due, (next(followed[at]), at))
        except StopIteration as end:
            seen[at] = end.value
            heappop(due)
    return [seen[at] for at in range(len(followed))]


def _follow(
    life: Life, number: int, cadence: Cadence, *, submitted: float, first: float, learn: Callable[[Change], None]
) -> Generator[float, None, Seen]:
    state = begin(Item(TaskRef("default", f"task_{number}"), LABELS, submitted), now=submitted)
    at, polls, start_delay = first, 0, 0.0
    while True:
        yield at
        polls += at > 0.0
        now = submitted + at
        step = observe(state, answer(life, at), now=now)
        task = TaskView(number, LABELS, step.state)
        if step.queue_seconds is not None:
            start_delay = at - life.queue
        learn(Change(ChangeKind.ANSWERED, task, queue_seconds=step.queue_seconds, outcome=step.outcome))
        if step.outcome is not None:
            return Seen(polls, start_delay, at - life.duration)
        state = step.state
        at += cadence.after(task.course, now=now)


def answer(life: Life, at: float) -> Observation:
    """What the API says of a task at that age."""
    if at >= life.duration:
        return Observation(Status.COMPLETED, estimated_seconds=life.eta)
    return Observation(Status.RUNNING if at >= life.queue else Status.PENDING, estimated_seconds=life.eta)


# ---- durations, and the best that can be done about them -------------------------------------------------------------


def log_normal(
    count: int, *, sigma: float, median: float = 35.0, seed: int = 7, eta: float | None = 35.0
) -> list[Life]:
    """So many lives around a median."""
    random = Random(seed)
    return [Life(median * math.exp(random.gauss(0.0, sigma)), eta=eta) for _ in range(count)]


@dataclass(frozen=True, slots=True)
class Optimum:
    """Keller's schedule for log-normal durations that are known: checks where k times the integral of the square root
    of the hazard rate is a whole number.
    """

    sigma: float
    median: float = 35.0
    steps: int = 3000

    def delay(self, polls: float) -> float:
        """The mean delay of so many polls a task."""
        low, high = 1e-3, 1e3
        ages, outlived, roots = self._grid()
        for _ in range(40):
            middle = math.sqrt(low * high)
            if self._cost(middle, ages, outlived, roots)[0] < polls:
                low = middle
            else:
                high = middle
        return self._cost(low, ages, outlived, roots)[1]

    def _grid(self) -> tuple[list[float], list[float], list[float]]:
        normal = NormalDist()
        scores = [12.0 * at / self.steps - 6.0 for at in range(self.steps + 1)]
        ages = [self.median * math.exp(self.sigma * score) for score in scores]
        outlived = [normal.cdf(-score) for score in scores]
        roots = [0.0]
        for (start, end), (before, after) in zip(pairwise(ages), pairwise(outlived), strict=True):
            roots.append(roots[-1] + math.sqrt(math.log(before / after) * (end - start)))
        return ages, outlived, roots

    def _cost(
        self, k: float, ages: Sequence[float], outlived: Sequence[float], roots: Sequence[float]
    ) -> tuple[float, float]:
        """The mean number of polls and the mean delay, with this k."""
        checks = [0.0, *_whole(k, ages, roots)]
        polls = delay = 0.0
        at = 1
        for (start, end), (before, after) in zip(pairwise(ages), pairwise(outlived), strict=True):
            middle = (start + end) / 2
            while at < len(checks) and checks[at] < middle:
                at += 1
            if at < len(checks):
                polls += (before - after) * at
                delay += (before - after) * (checks[at] - middle)
        return polls, delay


def _whole(k: float, ages: Sequence[float], roots: Sequence[float]) -> Iterator[float]:
    """The ages at which k times the sum of roots is a whole number."""
    number = 1
    for (start, end), (before, after) in zip(pairwise(ages), pairwise(roots), strict=True):
        while k * after >= number:
            yield start + (number / k - before) / (after - before) * (end - start)
            number += 1
