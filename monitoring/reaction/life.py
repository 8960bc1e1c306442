"""An exporter's life without its servers: which requests it sends when, and what it comes to know by them.

What decides is the exporter's own: the gate of an account and its holds, the schedules, the shares of tasks that fail,
the cadence, the state machine of a task, what each event counts. Only the wires between them are drawn anew here, for
a clock that jumps from one event to the next.
"""

import heapq
import math
from dataclasses import dataclass, field
from random import Random
from typing import Final

from exporter.accounting.series import Increments
from exporter.dispatcher.answer import Blame, Quota
from exporter.dispatcher.gate import Gate, Grant
from exporter.metrics.events import (
    count_followed,
    count_no_requests,
    count_outcome,
    count_queue,
    count_request,
    local_poll_lags,
)
from exporter.metrics.families.api import ENDPOINT
from exporter.metrics.snapshot import AccountView
from exporter.polling.cadence import PublishedCadence
from exporter.polling.schedule import Schedule, Slot
from exporter.polling.shares import Shares
from exporter.settings.model import PollSettings
from exporter.tasks.census import Census, Rules, Tally
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Outcome, Status
from exporter.tasks.state import TaskState, begin, observe
from monitoring.reaction.api import LATENCY, Api, Fault
from monitoring.reaction.tasks import HOUR, Task

ACCOUNT: Final = "default"
TEAM: Final = (("team", "video"),)

SLOTS: Final = 2
REQUESTS_PER_SECOND: Final = 10.0
"""The defaults of an account."""

USD_AN_HOUR: Final = 200.0
"""The one spend bucket of the key."""

RULES: Final = Rules()
CADENCE: Final = PublishedCadence(PollSettings())


def labels_of(task: Task) -> TaskLabels:
    """The labels that a source gives a task."""
    return TaskLabels(ACCOUNT, task.kind.group, task.kind.model, TEAM)


@dataclass(slots=True)
class Books:
    """What outlives the process: the totals, and the states of the tasks that have not ended, by number."""

    totals: Increments = field(default_factory=lambda: count_no_requests(ACCOUNT, ENDPOINT))
    states: dict[int, TaskState] = field(default_factory=dict)
    spent: float = 0.0
    spent_before_hour: float = 0.0
    hour_ends: float = HOUR
    committed_at: float | None = None


@dataclass(frozen=True, slots=True, order=True)
class _Asked:
    """One request that is out, until ``comes_back``."""

    comes_back: float
    number: int
    sent: float = field(compare=False)
    grant: Grant = field(compare=False)
    is_failing: bool = field(compare=False)
    fault: Fault | None = field(compare=False)


class Process:
    """One run of the exporter, from its start until it is stopped or killed. Times are seconds."""

    def __init__(self, api: Api, tasks: dict[int, Task], books: Books, *, now: float) -> None:
        self.started_at = now
        self._api = api
        self._tasks = tasks
        self._books = books
        self._random = Random(f"{now}")
        self._gate = Gate(max_in_flight=SLOTS, max_requests_per_second=REQUESTS_PER_SECOND, random=self._random)
        self._well, self._failing = Schedule(), Schedule()
        self._shares = Shares(well=self._well, failing=self._failing)
        self._failures: dict[int, int] = {}
        self._out: list[_Asked] = []
        self._tally = Tally()
        self._lags = local_poll_lags(ACCOUNT)
        self._up = False
        self._answered_at: float | None = None
        for number in books.states:
            self._take_up(number, now)

    # ---- what it does ----------------------------------------------------------------------------------------------

    def follow(self, number: int, now: float) -> None:
        """A source names a task."""
        task = self._tasks[number]
        item = Item(TaskRef(ACCOUNT, out_task_id=f"task-{number}"), labels_of(task), task.submitted)
        self._books.states[number] = begin(item, now=now)
        self._take_up(number, now)

    def next_at(self, now: float) -> float:
        """When something happens next; infinity where nothing will."""
        due = max(now, self._shares.next_due(slots=SLOTS))
        wait = math.inf if due == math.inf else self._gate.delay(due)
        polls = math.inf if wait is None else due + wait
        return min(polls, self._out[0].comes_back if self._out else math.inf)

    def step(self, now: float) -> None:
        """Whatever happens at that time."""
        while self._out and self._out[0].comes_back <= now:
            self._come_back(heapq.heappop(self._out), now)
        while self._shares.next_due(slots=SLOTS) <= now and self._gate.delay(now) == 0.0:
            self._ask(now)

    # ---- what it shows ---------------------------------------------------------------------------------------------

    def census(self, now: float) -> Census:
        """The tasks that have not ended, as last observed."""
        return self._tally.census(now=now, listed=(), unlisted=0, duplicates=0)

    def account(self, now: float) -> AccountView:
        """The account, as last observed."""
        suspension = self._gate.suspension(now)
        oldest = min(self._well.next_due(), self._failing.next_due())
        return AccountView(
            ACCOUNT,
            up=self._up,
            last_success_at=self._answered_at,
            suspended=str(suspension.reason) if suspension else None,
            quota=self._quota() if self._answered_at else Quota(),
            tasks_due=self._well.due(now=now) + self._failing.due(now=now),
            oldest_due_at=oldest if oldest <= now else None,
            requests_in_flight=self._gate.in_flight,
            request_budget_ratio=(self._well.rate + self._failing.rate) / min(REQUESTS_PER_SECOND, SLOTS / LATENCY),
        )

    def _quota(self) -> Quota:
        books = self._books
        return Quota(
            remaining_credits=self._api.quota - books.spent,
            org_remaining_credits=10 * self._api.quota - books.spent,
            rate_limit_usd=USD_AN_HOUR,
            rate_limit_remaining_usd=USD_AN_HOUR - (books.spent - books.spent_before_hour),
            rate_limit_reset_at=books.hour_ends,
        )

    # ---- asking ----------------------------------------------------------------------------------------------------

    def _ask(self, now: float) -> None:
        grant = self._gate.grant(now)
        popped = self._shares.pop(now=now, slots=SLOTS, is_probe=grant.is_probe)
        if popped is None:
            raise RuntimeError("asked although nothing is due")
        number, slot = popped
        self._gate.sent(grant, now)
        is_failing, fault = number in self._failures, self._api.fault(now)
        self._shares.began(is_failing=is_failing)
        self._lags.observe(now - slot.due)
        self._lags.flush_into(self._books.totals)
        comes_back = now + (fault.seconds if fault else LATENCY)
        heapq.heappush(self._out, _Asked(comes_back, number, now, grant, is_failing, fault))

    def _come_back(self, asked: _Asked, now: float) -> None:
        number, fault, seconds = asked.number, asked.fault, now - asked.sent
        self._books.totals.merge(
            count_request(ACCOUNT, ENDPOINT, seconds=seconds, failure=fault.reason if fault else None)
        )
        if asked.is_failing:
            self._shares.failing_ended(seconds=seconds, now=now, slots=SLOTS)
        self._up = fault is None
        if fault is None:
            self._answered_at = now
            self._gate.succeeded(asked.grant, now)
            self._failures.pop(number, None)
            self._learn(number, now)
        elif self._gate.failed(asked.grant, number, fault.error(), now) is Blame.TASK:
            self._failures[number] = self._failures.get(number, 0) + 1
        self._gate.give_back(asked.grant)
        if number in self._books.states:
            interval = self._interval(number)
            self._schedule(number).put(number, Slot(now + interval, interval))

    # ---- what becomes known ----------------------------------------------------------------------------------------

    def _learn(self, number: int, now: float) -> None:
        books, task = self._books, self._tasks[number]
        before, labels = books.states[number], labels_of(task)
        step = observe(before, _record(task, now), now=now)
        self._tally.take_away(before, labels, RULES)
        if before.observed_at is None:
            books.totals.merge(count_followed(labels))
        if step.queue_seconds is not None:
            books.totals.merge(count_queue(labels, step.queue_seconds))
        if step.outcome is None:
            books.states[number] = step.state
            self._tally.add(step.state, labels, RULES)
        else:
            del books.states[number]
            self._end(labels, step.outcome)
        books.committed_at = now

    def _end(self, labels: TaskLabels, outcome: Outcome) -> None:
        if outcome.finished_at >= self._books.hour_ends:
            self._books.spent_before_hour = self._books.spent
            self._books.hour_ends = outcome.finished_at // HOUR * HOUR + HOUR
        self._books.spent += outcome.credits_used or 0.0
        self._books.totals.merge(count_outcome(labels, outcome, error_code=outcome.error_code).increments)

    def _take_up(self, number: int, now: float) -> None:
        interval = self._interval(number)
        self._well.put(number, Slot(now + self._random.random() * interval, interval))
        self._tally.add(self._books.states[number], labels_of(self._tasks[number]), RULES)

    def _interval(self, number: int) -> float:
        eta = self._books.states[number].eta_seconds
        return CADENCE.interval(eta, failures=self._failures.get(number, 0))

    def _schedule(self, number: int) -> Schedule:
        return self._failing if number in self._failures else self._well


def _record(task: Task, now: float) -> Observation:
    """What the API says of a task."""
    status = task.status(now)
    return Observation(
        status,
        estimated_credits=task.kind.credits,
        estimated_seconds=task.kind.eta,
        credits_used=task.kind.credits if status is Status.COMPLETED else None,
        error_code=task.error_code or None if status is Status.FAILED else None,
    )
