"""The promises against any history: registrations, removals, answers, failing commits, kills, restarts, clock steps.

Everything between the upstream's answer and /metrics is the real thing; the upstream is a list of tasks, each of which
may be asked for under both its names. Each task has a model of its own, so that the counters tell them apart.
"""

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import structlog
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from exporter.accounting.series import Series
from exporter.accounting.totals import Meters, Totals
from exporter.ledger.store import SqliteLedger
from exporter.ledger.writer import LedgerWriter
from exporter.metrics.limits import LabelBounds
from exporter.service.journal import Journal
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, Registration, TaskLabels
from exporter.tasks.observation import TERMINAL, Observation, Status
from exporter.tasks.task import Rules, Task
from exporter.tasks.tracker import Tracker
from tests.support.fake_clock import FakeClock
from tests.support.faulty_ledger import Fault, FaultyLedger

TASKS = 3
SOURCES = ("one", "two")
LIVES = ("completed", "failed", "cancelled")
CREDITS = 1.25
DAY = 86400.0
RETENTION = 30 * DAY
NAMES = [f"{kind}{number}" for kind in "tx" for number in range(TASKS)]
"""What a task can be called: ``t…`` is a task_id, ``x…`` an out_task_id."""


def ref_of(name: str) -> TaskRef:
    return TaskRef("a", name if name[0] == "t" else None, name if name[0] == "x" else None)


def name_of(ref: TaskRef) -> str:
    return ref.task_id or ref.out_task_id or ""


def item(name: str, source: str) -> Item:
    return Item(ref_of(name), TaskLabels("a", source, f"task {name[1:]}"))


@dataclass
class Upstream:
    """The truth about one task."""

    number: int
    status: Status = Status.PENDING
    echoes: bool = False

    def answer(self) -> Observation:
        return Observation(
            status=self.status,
            task_id=f"t{self.number}",
            out_task_id=f"x{self.number}" if self.echoes else None,
            estimated_seconds=30,
            credits_used=CREDITS if self.status in (Status.COMPLETED, Status.CANCELLED) else None,
            error_code="boom" if self.status is Status.FAILED else None,
        )


class AnyHistory(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.loop = asyncio.new_event_loop()
        self.clock = FakeClock()
        self.upstream = [Upstream(number) for number in range(TASKS)]
        self.shown: dict[Series, float] = {}
        self.lists: dict[str, list[Item]] = {source: [] for source in SOURCES}
        self.registered: set[str] = set()
        self.unnamed_since: dict[str, float] = {}
        self.forgotten: set[str] = set()
        self.start()

    def start(self) -> None:
        self.ledger = FaultyLedger(SqliteLedger(f"sqlite:///{self.folder}/ledger.db"))
        self.totals, self.meters = Totals(), Meters()
        log = structlog.wrap_logger(structlog.testing.CapturingLogger(), processors=[])
        self.writer = LedgerWriter(self.ledger, totals=self.totals, meters=self.meters, clock=self.clock, log=log)
        self.journal = Journal(writer=self.writer, bounds=LabelBounds(100), log=log)
        self.tracker = Tracker(Rules(not_found_grace=0.0, retention=1e12))
        self.loop.run_until_complete(self.writer.open())
        self.in_flight: list[Task] = []
        registrations = self.loop.run_until_complete(self.writer.registrations())
        assert {name_of(registration.ref) for registration in registrations} == self.registered, "they survive a kill"
        self.lists["api"] = [item(name_of(registration.ref), "api") for registration in registrations]
        self.apply()

    def apply(self) -> None:
        refs = [item.ref for items in self.lists.values() for item in items if self.tracker.find(item.ref) is None]
        remembered = self.loop.run_until_complete(self.writer.recall(refs))
        self.named(map(name_of, refs))
        change = self.tracker.assign(self.lists, now=self.clock.wall(), remembered=remembered)
        for task in change.followed:
            if not task.state.is_terminal:
                self.journal.began(task)

    # ---- what can happen -------------------------------------------------------------------------------------------

    @rule(source=st.sampled_from(SOURCES), names=st.sets(st.sampled_from(NAMES)))
    def reload(self, source: str, names: set[str]) -> None:
        self.lists[source] = [item(name, source) for name in sorted(names)]
        self.apply()

    @rule(name=st.sampled_from(NAMES))
    def register(self, name: str) -> None:
        """Somebody registers a task over HTTP: the answer comes when it is durable."""
        if name not in self.registered:
            new, wanted = Registration("api", ref_of(name), self.clock.wall()), item(name, "api")
            known = self.loop.run_until_complete(self.writer.register([new], [wanted]))
            self.registered.add(name)
            self.named([name])
            self.tracker.amend("api", add=[wanted], now=self.clock.wall(), remembered=known)
            self.lists["api"].append(wanted)

    @rule(name=st.sampled_from(NAMES))
    def unregister(self, name: str) -> None:
        if name in self.registered:
            self.loop.run_until_complete(self.writer.unregister([Registration("api", ref_of(name), 0.0)]))
            self.registered.remove(name)
            self.tracker.amend("api", drop=[ref_of(name)], now=self.clock.wall())
            self.lists["api"] = [wanted for wanted in self.lists["api"] if wanted.ref != ref_of(name)]

    @rule(number=st.integers(0, TASKS - 1), to=st.sampled_from(["running", "unknown", *LIVES]), echoes=st.booleans())
    def go_on(self, number: int, to: str, echoes: bool) -> None:
        task = self.upstream[number]
        task.echoes = echoes
        if task.status not in TERMINAL:
            task.status = Status(to)

    @rule(data=st.data())
    def ask(self, data: st.DataObject) -> None:
        """A request goes out; its answer comes later, if ever."""
        open_ = [task for task in self.tracker if not task.state.is_terminal and task not in self.in_flight]
        if open_:
            self.in_flight.append(data.draw(st.sampled_from(open_)))

    @rule(data=st.data())
    def answer_late(self, data: st.DataObject) -> None:
        if self.in_flight:
            task = data.draw(st.sampled_from(self.in_flight))
            self.in_flight.remove(task)
            self.answer(task)

    @rule()
    def poll(self) -> None:
        """Every open task is asked about and answered."""
        for task in list(self.tracker):
            if task.is_followed and not task.state.is_terminal:
                self.answer(task)

    def answer(self, task: Task) -> None:
        number = int(name_of(task.state.ref)[1:])
        transition = self.tracker.observe(task, self.upstream[number].answer(), now=self.clock.wall())
        if transition:
            self.journal.learnt(transition)

    @rule(fault=st.sampled_from([None, None, None, *Fault]))
    def commit(self, fault: Fault | None) -> None:
        self.ledger.fault = fault
        self.loop.run_until_complete(self.writer.commit())
        self.ledger.fault = None

    @rule()
    def kill(self) -> None:
        """Whatever is not committed is gone."""
        self.loop.run_until_complete(asyncio.to_thread(self.ledger.close))
        self.start()

    @rule(seconds=st.sampled_from([-1e6, -60.0, 0.5, 30.0, 1e6]))
    def step_clock(self, seconds: float) -> None:
        self.clock.step_wall(seconds)

    @rule(days=st.sampled_from([0, 10, 20]))
    def prune(self, days: int) -> None:
        """Old rows are looked at. One goes when it was seen unnamed before, and its task has not been named since."""
        self.clock.step_wall(days * DAY)
        self.loop.run_until_complete(self._prune())

    async def _prune(self) -> None:
        now = self.clock.wall()
        for aged in await self.writer.aged(retention=RETENTION, except_accounts=()):
            names = [key[2] for key in aged.ref.ids()]
            if self.tracker.find(aged.ref) is not None:
                await self.writer.prune(gone=(), kept=[aged])
                self.named(names)
            elif await self.writer.prune(gone=[aged], kept=()):
                assert all(self.unnamed_since.get(name, now) < now - RETENTION / 2 for name in names)
                self.forgotten |= {f"task {name[1:]}" for name in names}
            else:
                self.unnamed_since |= {name: now for name in names if name not in self.unnamed_since}

    def named(self, names: Iterable[str]) -> None:
        for name in names:
            self.unnamed_since.pop(name, None)

    # ---- what must hold --------------------------------------------------------------------------------------------

    @invariant()
    def every_task_is_in_exactly_one_state(self) -> None:
        census = self.tracker.census(now=self.clock.wall())
        assert sum(census.counts.values()) == len(self.tracker)
        brute = Counter((task.labels, task.state.status) for task in self.tracker)
        assert census.counts == brute
        ids = [key for task in self.tracker for key in task.state.ref.ids()]
        assert len(ids) == len(set(ids)), "no task is followed twice under a name that is known"

    @invariant()
    def no_counter_goes_down(self) -> None:
        shown = {**self.totals.view(), **self.meters.view(live=self.writer.view.failing)}
        for series, value in self.shown.items():
            if series.family.startswith("bytespike_tasks_"):
                assert shown.get(series, 0.0) >= value, series
        self.shown = shown

    @invariant()
    def everything_is_counted_at_most_once(self) -> None:
        for family in ("bytespike_tasks_finished_total", "bytespike_tasks_failed_total"):
            assert max(self.by_task(family).values(), default=0.0) <= 1.0
        assert max(self.by_task("bytespike_tasks_queue_duration_seconds", "le").values(), default=0.0) <= 1.0
        assert max(self.by_task("bytespike_tasks_duration_seconds", "le").values(), default=0.0) <= 1.0
        assert max(self.by_task("bytespike_tasks_credits_used_total").values(), default=0.0) <= CREDITS

    def by_task(self, family: str, part: str = "") -> dict[str, float]:
        counted: dict[str, float] = {}
        for series, value in self.shown.items():
            if series.family == family and series.part.startswith(part):
                model = dict(series.labels)["model"]
                if model in self.forgotten:
                    continue  # one that nobody named for so long may count again
                counted[model] = counted.get(model, 0.0) + value
        return counted

    def teardown(self) -> None:
        """In the end every task is followed, answered and committed: then each is counted exactly once."""
        if not hasattr(self, "loop"):
            return
        for task in self.upstream:
            task.status = task.status if task.status in TERMINAL else Status.COMPLETED
        self.reload("one", {f"t{number}" for number in range(TASKS)})
        self.poll()
        while self.writer.view.pending:
            self.commit(None)
        self.no_counter_goes_down()
        self.everything_is_counted_at_most_once()
        assert self.by_task("bytespike_tasks_finished_total") == {
            f"task {n}": 1.0 for n in range(TASKS) if f"task {n}" not in self.forgotten
        }
        billed = {f"task {n}" for n, task in enumerate(self.upstream) if task.status is not Status.FAILED}
        billed -= self.forgotten
        assert self.by_task("bytespike_tasks_credits_used_total") == dict.fromkeys(billed, CREDITS)
        self.loop.run_until_complete(self.writer.close(deadline=5.0))
        self.loop.close()
        shutil.rmtree(self.folder)


AnyHistory.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAnyHistory = AnyHistory.TestCase
