"""Tasks that share an account, simulated: who fails alone slows nobody, and when all fail the API is left in peace."""

import heapq
from dataclasses import dataclass, field
from itertools import count
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.dispatcher.answer import Blame, DispatcherError, Reason
from exporter.dispatcher.gate import SUSPECT_TASKS, Gate, Grant

INTERVAL, LONGEST = 2.0, 300.0
"""Seconds between two queries of a task that is well, and at most of one that fails."""

TROUBLES = (Reason.SERVER, Reason.BAD_RESPONSE, Reason.NETWORK, Reason.REDIRECT, Reason.TRUNCATED)


@dataclass(slots=True)
class Task:
    number: int
    trouble: Reason | None = None
    due: float = 0.0
    failures: int = 0
    asked_at: float = float("-inf")
    is_well: bool = False
    is_out: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One request, and how many were out with it when it went; ``until`` is when it came back."""

    task: Task
    grant: Grant
    at: float
    until: float
    beside: int


@dataclass
class World:
    """An upstream, a gate, and a poller that backs off from tasks that are blamed and probes those that are well."""

    random: Random
    healthy: int = 0
    poisoned: int = 0
    max_in_flight: int = 2
    slowest: float = 0.5
    now: float = 0.0
    sent: list[Request] = field(default_factory=list)
    is_held: list[tuple[float, Reason]] = field(default_factory=list)
    blamed: list[tuple[float, Blame]] = field(default_factory=list)
    first_answer_at: float | None = None

    def __post_init__(self) -> None:
        troubles = [None] * self.healthy + [self.random.choice(TROUBLES) for _ in range(self.poisoned)]
        self.tasks = [Task(number, trouble) for number, trouble in enumerate(troubles)]
        for task in self.tasks:
            task.due = self.random.uniform(0.0, INTERVAL)
        self.gate = Gate(max_in_flight=self.max_in_flight, max_requests_per_second=50.0, random=self.random)
        self._out: list[tuple[float, int, Request]] = []
        self._order = count()

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            if self._send():
                continue
            if self._out and self._out[0][0] <= self._next_try():
                self._come_back()
            else:
                self.now = min(end, max(self._next_try(), self.now + 1e-6))

    def _next_try(self) -> float:
        delay = self.gate.delay(self.now)
        due = min((task.due for task in self.tasks if not task.is_out), default=float("inf"))
        return float("inf") if delay is None else max(due, self.now + delay)

    def _send(self) -> bool:
        due = [task for task in self.tasks if not task.is_out and task.due <= self.now]
        if not due or self.gate.delay(self.now) != 0.0:
            return False
        grant = self.gate.grant(self.now)
        task = self._choose(due, grant)
        if task is None:  # the only one to probe with is being asked about
            self.gate.give_back(grant)
            self._come_back()
            return True
        self.gate.sent(grant, self.now)
        task.is_out, task.asked_at = True, self.now
        until = self.now + self.random.uniform(0.01, self.slowest)
        request = Request(task, grant, self.now, until, beside=len(self._out))
        self.sent.append(request)
        heapq.heappush(self._out, (until, next(self._order), request))
        return True

    def _choose(self, due: list[Task], grant: Grant) -> Task | None:
        """A probe is for who was answered when last asked, the latest first; else for who has waited longest."""
        if not grant.is_probe:
            return self.random.choice(due)
        idle = [task for task in self.tasks if not task.is_out]
        well = [task for task in idle if task.is_well]
        if well or any(task.is_well for task in self.tasks):
            return max(well, key=lambda task: task.asked_at, default=None)
        return min(idle, key=lambda task: task.asked_at)

    def _come_back(self) -> None:
        self.now, _, request = heapq.heappop(self._out)
        task, trouble = request.task, request.task.trouble
        if trouble is None:
            self.gate.succeeded(request.grant, self.now)
            task.failures = 0
            self.first_answer_at = self.now if self.first_answer_at is None else self.first_answer_at
        else:
            blame = self.gate.failed(request.grant, task.number, DispatcherError(trouble, "x"), self.now)
            self.blamed.append((self.now, blame))
            task.failures += blame is Blame.TASK
        self.gate.give_back(request.grant)
        task.is_well = trouble is None
        task.is_out, task.due = False, self.now + min(INTERVAL * 2.0 ** min(task.failures, 20), LONGEST)
        suspension = self.gate.suspension(self.now)
        if suspension:
            self.is_held.append((self.now, suspension.reason))


@given(
    random=st.randoms(use_true_random=True),
    healthy=st.integers(1, 20),
    poisoned=st.integers(1, 12),
    max_in_flight=st.integers(1, 10),
)
def test_poisoned_tasks_never_hold_the_account_while_others_are_answered(
    random: Random, healthy: int, poisoned: int, max_in_flight: int
) -> None:
    world = World(random, healthy=healthy, poisoned=poisoned, max_in_flight=max_in_flight)
    world.run(60.0)
    assert world.first_answer_at is not None
    assert [at for at, _ in world.is_held if at >= world.first_answer_at] == []
    assert [at for at, blame in world.blamed if blame is Blame.ACCOUNT and at > world.first_answer_at] == []
    probes = [request for request in world.sent if request.grant.is_probe and request.at > world.first_answer_at]
    assert all(request.task.trouble is None for request in probes)
    for probe in probes:  # while one is out nobody else goes, unless an earlier request is answered meanwhile
        beside = [request for request in world.sent if probe.at < request.at < probe.until]
        assert probe.grant.epoch not in [request.grant.epoch for request in beside]


def test_twelve_poisoned_tasks_cost_twenty_healthy_ones_little() -> None:
    alone = World(Random(4), healthy=20, max_in_flight=4)
    world = World(Random(4), healthy=20, poisoned=12, max_in_flight=4)
    for each in (alone, world):
        each.run(120.0)
    answered = sum(request.task.trouble is None for request in world.sent)
    assert answered > 0.95 * len(alone.sent)
    a_task = [sum(request.task is task for request in world.sent) for task in world.tasks if task.trouble]
    assert max(a_task) <= 2 * 20, "20 a minute"


@pytest.mark.parametrize("tasks", [1, 2, 3, 1000])
@pytest.mark.parametrize("seed", range(5))
def test_a_dead_upstream_is_asked_by_one_request_at_a_time_at_growing_intervals(tasks: int, seed: int) -> None:
    world = World(Random(seed), poisoned=tasks, max_in_flight=5)
    world.run(600.0)
    held_since = world.is_held[0][0]
    assert held_since < (90.0 if tasks < SUSPECT_TASKS else 10.0)
    assert world.gate.suspension(world.now) is not None
    before = [request for request in world.sent if request.at < held_since]
    assert len(before) <= SUSPECT_TASKS + 5 + 1
    settled = max(request.until for request in before)
    probes = [request for request in world.sent if request.at >= held_since]
    assert all(request.grant.is_probe for request in probes)
    assert all(request.beside == 0 for request in probes if request.at > settled)
    assert sum(request.at < held_since + 60.0 for request in probes) <= 20
    assert sum(request.at > 300.0 for request in probes) <= 30
    assert all(blame is Blame.ACCOUNT for at, blame in world.blamed if at >= held_since)


@pytest.mark.slow
@pytest.mark.parametrize("tasks", [1, 2, 3, 1000])
def test_an_upstream_that_is_back_is_asked_by_everybody_again(tasks: int) -> None:
    world = World(Random(1), poisoned=tasks, max_in_flight=5)
    world.run(200.0)
    for task in world.tasks:
        task.trouble = None
    world.run(400.0)
    assert world.gate.suspension(world.now) is None
    assert all(task.is_well for task in world.tasks)
