"""More polls due than may be sent: who is polled how often, and how late ends are seen; beside plain due order.

``python -m benchmarks.budget`` prints the tables, in about a minute. Seeds are fixed and no real time passes: it prints
the same anywhere. A task that is seen ended makes room for another one, so that as many are open all the time.
"""

import math
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from statistics import fmean
from time import process_time
from typing import Protocol

from benchmarks._lives import SUBMITTED_AT, Life, answer
from exporter.polling.cadence import AdaptiveCadence, Cadence, PublishedCadence
from exporter.polling.fair import FairSchedule
from exporter.polling.learning import Learning
from exporter.polling.schedule import Schedule, Slot
from exporter.settings.model import PollSettings
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.state import TaskState, begin, observe
from exporter.tasks.tracker import Change, ChangeKind
from exporter.tasks.view import TaskView

OVERLOADS = (0.5, 1.0, 2.0, 10.0)


class Polls(Protocol):
    """A schedule."""

    def put(self, number: int, slot: Slot) -> None: ...
    def pop(self, *, now: float) -> tuple[int, Slot] | None: ...
    def next_due(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Crowd:
    """A group: so many open tasks all the time, whose durations are log-normal around their ETA (seconds)."""

    name: str
    tasks: int
    eta: float = 35.0
    sigma: float = 0.25

    def life(self, random: Random) -> Life:
        return Life(self.eta * math.exp(random.gauss(0.0, self.sigma)), eta=self.eta)


CROWDS = (Crowd("batch", 100), Crowd("long", 40, eta=240.0), Crowd("interactive", 4, eta=14.0), Crowd("one", 1))
"""One group that asks for most of the polls, one whose intervals are long, one that is small, and one task alone."""


@dataclass(slots=True)
class Fate:
    """What became of a group, once things had settled. Times are in seconds; a gap lies between two polls of a task."""

    gaps: list[float] = field(default_factory=list)
    stretches: list[float] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    firsts: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run: ``wanted`` are the polls a second that each group asks for, ``seconds`` are those that were measured."""

    fates: dict[str, Fate]
    wanted: dict[str, float]
    rate: float
    seconds: float

    def got(self, name: str) -> float:
        """Polls a second of a group."""
        return len(self.fates[name].gaps) / self.seconds

    def fairness(self) -> float:
        """Jain's index of what each group got of its fair part: 1 where all got the same, 1/n where one got all.

        More than its part is no unfairness: others did not use theirs.
        """
        parts = [min(1.0, self.got(name) / part) for name, part in fair_parts(self.wanted, self.rate).items()]
        return sum(parts) ** 2 / (len(parts) * sum(part**2 for part in parts))

    def attainable(self) -> float:
        """The mean gap that is foreseen, as ``bytespike_exporter_attainable_interval_seconds`` does."""
        return sum(crowd.tasks for crowd in CROWDS) / self.rate

    def gap(self) -> float:
        """The mean gap between two polls of a task, over all polls."""
        return fmean(gap for fate in self.fates.values() for gap in fate.gaps)


def fair_parts(wanted: dict[str, float], rate: float) -> dict[str, float]:
    """What each group should get: half by what the unsatisfied ask for, half equally, none more than it asks for."""
    parts: dict[str, float] = {}
    open_, left = dict(wanted), rate
    while open_:
        whole = sum(open_.values())
        offers = {name: left / 2 * (want / whole + 1 / len(open_)) for name, want in open_.items()}
        satisfied = {name for name, want in open_.items() if offers[name] >= want}
        if not satisfied:
            return parts | offers
        for name in satisfied:
            parts[name] = open_.pop(name)
            left -= parts[name]
    return parts


@dataclass(slots=True)
class _Task:
    crowd: Crowd
    life: Life
    state: TaskState
    labels: TaskLabels
    submitted: float
    asked: float | None = None


class Simulation:
    """Tasks of some groups before an account that takes so many requests a second, one after the other."""

    def __init__(
        self,
        crowds: Sequence[Crowd],
        *,
        overload: float,
        schedule: Callable[[Callable[[int], str]], Polls],
        is_adaptive: bool = False,
        seed: int = 1,
    ) -> None:
        self._random = Random(seed)
        self._tasks: dict[int, _Task] = {}
        self._polls = schedule(lambda number: self._tasks[number].crowd.name)
        self._learning = Learning()
        poll = PollSettings()
        published = PublishedCadence(poll)
        self._learning.configure({crowd.name: poll.default_eta for crowd in crowds})
        self._cadence: Cadence = AdaptiveCadence(published, self._learning.curve) if is_adaptive else published
        self._wanted = {crowd.name: crowd.tasks / published.interval(crowd.eta) for crowd in crowds}
        self._rate = sum(self._wanted.values()) / overload
        self._fates = {crowd.name: Fate() for crowd in crowds}
        self._numbers = 0
        for crowd in crowds:
            for _ in range(crowd.tasks):
                self._submit(crowd, now=-crowd.eta * self._random.random())

    def run(self, *, settle: float = 400.0, measure: float = 500.0) -> Outcome:
        """Let things settle, and then measure for so many seconds."""
        now = 0.0
        while now < settle + measure:
            now = max(now, self._polls.next_due())
            found = self._polls.pop(now=now)
            if found is not None:
                self._poll(*found, now=now, is_measured=now >= settle)
                now += 1 / self._rate
        return Outcome(self._fates, self._wanted, self._rate, measure)

    def _submit(self, crowd: Crowd, *, now: float) -> None:
        number = self._numbers = self._numbers + 1
        labels = TaskLabels("default", crowd.name, "m")
        state = begin(Item(TaskRef("default", f"task_{number}"), labels, SUBMITTED_AT + now), now=SUBMITTED_AT + now)
        self._tasks[number] = _Task(crowd, crowd.life(self._random), state, labels, now)
        interval = self._cadence.after(TaskView(number, labels, state).course, now=SUBMITTED_AT + now)
        self._polls.put(number, Slot(max(now, 0.0) + self._random.random() * interval, interval))

    def _poll(self, number: int, slot: Slot, *, now: float, is_measured: bool) -> None:
        task = self._tasks[number]
        step = observe(task.state, answer(task.life, now - task.submitted), now=SUBMITTED_AT + now)
        task.state = step.state
        view = TaskView(number, task.labels, step.state)
        self._learning.take(Change(ChangeKind.ANSWERED, view, queue_seconds=step.queue_seconds, outcome=step.outcome))
        if is_measured:
            self._note(task, slot, now)
        if step.outcome is not None:
            del self._tasks[number]
            self._submit(task.crowd, now=now)
            return
        task.asked = now
        wait = self._cadence.after(view.course, now=SUBMITTED_AT + now)
        self._polls.put(number, Slot(now + wait, wait))

    def _note(self, task: _Task, slot: Slot, now: float) -> None:
        fate = self._fates[task.crowd.name]
        fate.gaps.append(now - (task.submitted if task.asked is None else task.asked))
        fate.stretches.append(1 + (now - slot.due) / slot.interval)
        if task.asked is None:
            fate.firsts.append(now - task.submitted)
        if now - task.submitted >= task.life.duration:
            fate.delays.append(now - task.submitted - task.life.duration)


def fair(group_of: Callable[[int], str]) -> FairSchedule:
    """The exporter's own."""
    return FairSchedule(group_of=group_of)


def due_order(_: Callable[[int], str]) -> Schedule:
    """Plain order of due times."""
    return Schedule()


def cost(schedule: Polls, *, tasks: int = 100_000, polls: int = 50_000, is_late: bool) -> tuple[float, float]:
    """Microseconds of CPU and bytes that one poll and one task take of a schedule, while polls are in time or late."""
    tracemalloc.start()
    for number in range(tasks):
        schedule.put(number, Slot(0.0 if is_late else number / tasks * 5.0, 5.0))
    if is_late:
        for _ in range(tasks // 32):  # until all that is late has been sorted
            _poll_once(schedule, 5.0, is_late=is_late)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    started = process_time()
    for at in range(polls):
        _poll_once(schedule, at / tasks * 5.0, is_late=is_late)
    return (process_time() - started) / polls * 1e6, held / tasks


def _poll_once(schedule: Polls, now: float, *, is_late: bool) -> None:
    found = schedule.pop(now=1e3 if is_late else now)
    if found is None:
        raise RuntimeError("nothing is due")
    schedule.put(found[0], Slot(found[1].due + 5.0, 5.0))


def main() -> None:
    """Print what it costs, and a table for each cadence and overload."""
    print("100,000 tasks of 100 groups: CPU a poll (us), memory a task (bytes)")
    for title, schedule, is_late in (
        ("due order", due_order, False),
        ("fair, in time", fair, False),
        ("due order, all late", due_order, True),
        ("fair, all late", fair, True),
    ):
        micros, held = cost(schedule(lambda number: str(number % 100)), is_late=is_late)
        print(f"{title:20} {micros:6.1f} us {held:8.0f} B")
    print()
    for name, is_adaptive in (("adaptive", True), ("published", False)):
        for overload in OVERLOADS:
            print(f"{name} cadence, {overload:g} times overload")
            print("           group        polls   of what it  mean   longest   seen late by   first poll   stretch")
            print("                    a second     asks for   gap       gap   mean longest      longest   longest")
            for title, schedule in (("fair", fair), ("due order", due_order)):
                _print(title, Simulation(CROWDS, overload=overload, schedule=schedule, is_adaptive=is_adaptive).run())


def _print(title: str, outcome: Outcome) -> None:
    for name, fate in outcome.fates.items():
        print(
            f"{title:10} {name:12}{outcome.got(name):6.1f} {outcome.got(name) / outcome.wanted[name]:11.2f}"
            f" {fmean(fate.gaps):7.1f} {max(fate.gaps):9.1f}"
            f" {fmean(fate.delays or [math.nan]):6.1f} {max(fate.delays, default=math.nan):7.1f}"
            f" {max(fate.firsts, default=math.nan):12.1f} {max(fate.stretches):9.1f}"
        )
    print(
        f"{title:10} Jain's index {outcome.fairness():.3f};"
        f" attainable interval {outcome.attainable():.1f} s, mean gap {outcome.gap():.1f} s"
    )


if __name__ == "__main__":
    main()
