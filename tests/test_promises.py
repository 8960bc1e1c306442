"""The promises against any history: late lists, removals, answers, failing commits, stops, kills, clock steps.

Everything between the upstream's answer and /metrics is the real thing; the upstream is a list of tasks, each of which
may be asked for under both its names. Each task has a model of its own, so that the counters tell them apart.
"""

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
import structlog
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from exporter.accounting.series import SHOWN, VALUE, Series
from exporter.clock import WatchedClock
from exporter.intake.accounting import TaskAccounting
from exporter.intake.intake import Intake
from exporter.ledger.opening import ledger_at
from exporter.ledger.writer import LedgerWriter
from exporter.metrics.families.tasks import FAILED
from exporter.metrics.limits import LabelLimits
from exporter.registration.registry import Registry
from exporter.service.pruning import Pruning
from exporter.service.sources import Sources
from exporter.settings.model import LedgerSettings, Settings
from exporter.settings.reload import CurrentSettings
from exporter.tasks.census import Rules
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, Registration, TaskLabels
from exporter.tasks.observation import TERMINAL, Observation, Status
from exporter.tasks.tracker import Tracker
from tests.support.fake_clock import FakeClock
from tests.support.faulty_ledger import Fault, FaultyLedger
from tests.support.postgres import running_postgres

T = TypeVar("T")

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
        self.failures: dict[Series, float] = {}
        self.lists: dict[str, set[str]] = {source: set() for source in SOURCES}
        self.registered: set[str] = set()
        self.looked_at_unnamed: dict[int, float] = {}
        self.forgotten: set[str] = set()
        self.start()

    def url(self) -> str:
        """Where the ledger of this history is."""
        return f"sqlite:///{self.folder}/ledger.db"

    def start(self) -> None:
        """A new process: it knows what was registered, and its sources have not reported yet."""
        self.ledger = FaultyLedger(ledger_at(self.url(), alone=True))
        log = structlog.wrap_logger(structlog.testing.CapturingLogger(), processors=[])
        self.writer = LedgerWriter(self.ledger, clock=self.clock, log=log)
        self.tracker = Tracker(Rules(not_found_grace=0.0, retention=1e12))
        limits = LabelLimits(in_use=lambda: self.tracker.label_sets)
        limits.configure([], label_names=(), label_values=100, label_sets=100)
        self.watched = WatchedClock(self.clock)
        self.watched.subscribe(lambda step: self.tracker.step_clock(by=step.by, now=step.at))
        self.intake = Intake(self.tracker, ledger=self.writer, bounds=limits, clock=self.watched, log=log)
        self.intake.subscribe(TaskAccounting(ledger=self.writer, limits=limits, log=log).take)
        self.registry = Registry()
        self.silent = set(SOURCES)
        self.pruning = Pruning(
            settings=CurrentSettings(Settings(accounts=(), ledger=LedgerSettings(retention=RETENTION))),
            tracker=self.tracker,
            registry=self.registry,
            sources=cast("Sources", self),
            intake=self.intake,
            ledger=self.writer,
            clock=self.watched,
            log=log,
        )
        self.do(self.writer.open())
        self.asked: list[TaskRef] = []
        registrations = self.do(self.writer.registrations())
        assert {name_of(registration.ref) for registration in registrations} == self.registered, "they survive a kill"
        self.registry.add(registrations)
        self.do(self.intake.replace({"api": [item(name, "api") for name in sorted(self.registered)]}))
        self.note_names()

    @property
    def unreported_accounts(self) -> frozenset[str]:
        """As ``Sources`` says it."""
        return frozenset({"a"} if self.silent else ())

    def do(self, step: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(step)

    # ---- what can happen -------------------------------------------------------------------------------------------

    @rule(source=st.sampled_from(SOURCES), names=st.sets(st.sampled_from(NAMES)))
    def change_list(self, source: str, names: set[str]) -> None:
        """A list changes where it is written; whether the exporter has read it is another matter."""
        self.lists[source] = names
        if source not in self.silent:
            self.report(source)
        self.note_names()

    @rule(source=st.sampled_from(SOURCES))
    def report(self, source: str) -> None:
        self.do(self.intake.replace({source: [item(name, source) for name in sorted(self.lists[source])]}))
        self.silent.discard(source)

    @rule(name=st.sampled_from(NAMES))
    def register(self, name: str) -> None:
        """Somebody registers a task over HTTP: the answer comes when it is durable."""
        if name not in self.registered:
            new, wanted = Registration("api", ref_of(name), self.clock.wall()), item(name, "api")
            known = self.do(self.writer.register([new], [wanted]))
            self.registered.add(name)
            self.registry.add([new])
            self.do(self.intake.add("api", [wanted], known))
            self.note_names()

    @rule(name=st.sampled_from(NAMES))
    def unregister(self, name: str) -> None:
        if name in self.registered:
            gone = [Registration("api", ref_of(name), 0.0)]
            self.do(self.writer.unregister(gone))
            self.registered.remove(name)
            self.registry.discard(gone)
            self.do(self.intake.drop("api", [ref_of(name)]))

    @rule(number=st.integers(0, TASKS - 1), to=st.sampled_from(["running", "unknown", *LIVES]), echoes=st.booleans())
    def go_on(self, number: int, to: str, echoes: bool) -> None:
        task = self.upstream[number]
        task.echoes = echoes
        if task.status not in TERMINAL:
            task.status = Status(to)

    @rule(data=st.data())
    def ask(self, data: st.DataObject) -> None:
        """A request goes out; its answer comes later, if ever."""
        open_ = [task.state.ref for task in self.tracker.views(limit=99) if not task.state.is_terminal]
        if open_:
            self.asked.append(data.draw(st.sampled_from(open_)))

    @rule(data=st.data())
    def answer_late(self, data: st.DataObject) -> None:
        if self.asked:
            ref = data.draw(st.sampled_from(self.asked))
            self.asked.remove(ref)
            self.answer(ref)

    @rule()
    def poll(self) -> None:
        """Every open task is asked about and answered."""
        for task in self.tracker.views(limit=99):
            if not task.state.is_terminal:
                self.answer(task.state.ref)

    def answer(self, ref: TaskRef) -> None:
        self.intake.answer(ref, self.upstream[int(name_of(ref)[1:])].answer())

    @rule(fault=st.sampled_from([None, None, None, *Fault]))
    def commit(self, fault: Fault | None) -> None:
        self.ledger.fault = fault
        self.do(self.writer.commit())
        self.ledger.fault = None

    @rule()
    def scrape(self) -> None:
        """The failures by error code as a page shows them: each code from 0 on, and never fewer, whatever dies."""
        totals = self.writer.shown()
        stored = [series for series in totals if series.family == FAILED.name and series.part == VALUE]
        withheld = [series for series in stored if FAILED.is_withheld(series.labels, totals)]
        page = {series: 0.0 if series in withheld else totals[series] for series in stored}
        for series, value in page.items():
            assert value >= self.failures.get(series, 0.0)
            assert series in self.failures or value == 0.0, "it begins at 0"
        self.failures |= page
        self.writer.mark(withheld)

    @rule()
    def kill(self) -> None:
        """Whatever is not committed is gone."""
        self.do(asyncio.to_thread(self.ledger.close))
        self.start()

    @rule(fault=st.sampled_from([None, *Fault]))
    def stop(self, fault: Fault | None) -> None:
        """A stop loses nothing, though the commit before it fails: what was seen to end is in the ledger."""
        self.ledger.fault = fault
        self.do(self.writer.commit())
        self.ledger.fault = None
        ended = [task.state.ref for task in self.tracker.views(limit=99) if task.state.is_terminal]
        assert self.do(self.writer.close(deadline=5.0))
        self.start()
        known = self.do(self.writer.recall(ended))
        assert all(known[ref].is_terminal for ref in ended)

    @rule(seconds=st.sampled_from([-1e6, -60.0, 0.5, 30.0, 1e6]))
    def step_clock(self, seconds: float) -> None:
        self.clock.step_wall(seconds)
        self.watched.wall()
        self.do(self.intake.redate())

    @rule(days=st.sampled_from([0, 10, 20, 40]))
    def prune(self, days: int) -> None:
        """Whenever the program may: it does not know whether the sources have reported."""
        self.clock.suspend(days * DAY)
        while self.do(self.pruning.step()):
            pass
        if not self.silent:
            self.note_look()

    # ---- what the world knows of names -----------------------------------------------------------------------------

    def named(self) -> set[int]:
        """The tasks that some list names, be it read or not."""
        names = set().union(self.registered, *self.lists.values())
        return {int(name[1:]) for name in names}

    def note_names(self) -> None:
        for number in self.named():
            self.looked_at_unnamed.pop(number, None)

    def note_look(self) -> None:
        """A task that nobody names may be forgotten when the second look comes half a retention after the first."""
        now = self.clock.wall()
        for number in set(range(TASKS)) - self.named():
            first = self.looked_at_unnamed.setdefault(number, now)
            if now - first > RETENTION / 2:
                self.forgotten.add(f"task {number}")

    # ---- what must hold --------------------------------------------------------------------------------------------

    @invariant()
    def every_task_is_in_exactly_one_state(self) -> None:
        tasks = self.tracker.views(limit=99)
        census = self.tracker.census(now=self.clock.wall())
        assert census.counts == Counter((task.labels, task.state.status) for task in tasks)
        ids = [key for task in tasks for key in task.state.ref.ids()]
        assert len(ids) == len(set(ids)), "no task is followed twice under a name that is known"

    @invariant()
    def no_counter_goes_down(self) -> None:
        shown = dict(self.writer.shown())
        for series, value in self.shown.items():
            if series.family.startswith("bytespike_tasks_"):
                assert shown.get(series, 0.0) >= value, series
        self.shown = shown

    @invariant()
    def everything_is_counted_at_most_once(self) -> None:
        for event in ("followed", "finished", "failed"):
            assert max(self.by_task(f"bytespike_tasks_{event}_total").values(), default=0.0) <= 1.0
        assert max(self.by_task("bytespike_tasks_queue_duration_seconds", "le").values(), default=0.0) <= 1.0
        assert max(self.by_task("bytespike_tasks_duration_seconds", "le").values(), default=0.0) <= 1.0
        assert max(self.by_task("bytespike_tasks_credits_used_total").values(), default=0.0) <= CREDITS

    def by_task(self, family: str, part: str = "") -> dict[str, float]:
        counted: dict[str, float] = {}
        for series, value in self.shown.items():
            if series.family == family and series.part.startswith(part) and series.part != SHOWN:
                model = dict(series.labels)["model"]
                if model not in self.forgotten:  # one that nobody named for so long may count again
                    counted[model] = counted.get(model, 0.0) + value
        return counted

    def teardown(self) -> None:
        """In the end every task is followed, answered and committed: then each is counted exactly once."""
        if not hasattr(self, "loop"):
            return
        for task in self.upstream:
            task.status = task.status if task.status in TERMINAL else Status.COMPLETED
        self.silent.clear()
        self.change_list("one", {f"t{number}" for number in range(TASKS)})
        self.poll()
        assert self.do(self.writer.flush())
        self.no_counter_goes_down()
        self.everything_is_counted_at_most_once()
        everybody = {f"task {n}" for n in range(TASKS)} - self.forgotten
        assert self.by_task("bytespike_tasks_followed_total") == dict.fromkeys(everybody, 1.0)
        assert self.by_task("bytespike_tasks_finished_total") == dict.fromkeys(everybody, 1.0)
        billed = {f"task {n}" for n, task in enumerate(self.upstream) if task.status is not Status.FAILED}
        assert self.by_task("bytespike_tasks_credits_used_total") == dict.fromkeys(billed & everybody, CREDITS)
        assert self.do(self.writer.close(deadline=5.0))
        self.loop.close()
        shutil.rmtree(self.folder)


AnyHistory.TestCase.settings = settings(
    max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAnyHistory = AnyHistory.TestCase


@pytest.mark.long
def test_any_history_on_a_server() -> None:
    """As above; each history has a database of its own."""
    with running_postgres() as server:

        class OnServer(AnyHistory):
            @initialize()
            def begin(self) -> None:
                self.database = server.create_database()
                super().begin()

            def url(self) -> str:
                return server.url(self.database)

        few = settings(max_examples=5, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck))
        run_state_machine_as_test(OnServer, settings=few)
