"""Streams beside the polls, on a clock that a test moves."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from random import Random

import httpx
import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import CapturingLogger

from exporter.dispatcher.account import Account
from exporter.dispatcher.answer import Answer, DispatcherError, Drift, Reason
from exporter.intake.intake import Intake
from exporter.polling.cadence import PublishedCadence
from exporter.polling.poller import Poller
from exporter.polling.streams import FIRST_PAUSE, FIRST_REST, LONGEST_PAUSE, LONGEST_REST, ODD_IN_A_ROW, Patience
from exporter.settings.model import AccountSettings, PollSettings
from exporter.tasks.census import Rules
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.tracker import Tracker
from tests.polling.conftest import AnyLabels, NoMemory, Rig
from tests.support.fake_clock import FakeClock
from tests.support.scripted_account import EOF, Said

STREAMED, POLLED = TaskLabels("a", "streamed"), TaskLabels("a", "polled")
PENDING = Answer(Observation(Status.PENDING, "t"))
RUNNING = Answer(Observation(Status.RUNNING, "t"))
COMPLETED = Answer(Observation(Status.COMPLETED, "t"))


@pytest.fixture
def poll() -> PollSettings:
    return PollSettings(max_interval=100.0)


@pytest.fixture(autouse=True)
def room_for_streams(rig: Rig) -> None:
    rig.account.streams_allowed = 9
    rig.account.max_in_flight = 12
    for _ in range(10):
        rig.account.add_slot()
    rig.account.answer = RUNNING
    rig.poller.restaff()


def rests(rig: Rig) -> list[tuple[object, ...]]:
    """What was logged of streams that rest."""
    calls = (call.kwargs for call in rig.lines.calls)
    return [(call["seconds"], call["reason"]) for call in calls if call["event"] == "streaming_rests"]


# ---- when a stream may be tried --------------------------------------------------------------------------------------


def test_each_end_of_a_tasks_stream_doubles_the_pause_before_the_next() -> None:
    patience, task, other = Patience(), 1, 2
    now, pauses = 0.0, []
    for _ in range(9):
        assert patience.allows(task, now=now)
        patience.ended(task, now=now)
        pauses.append(next(s for s in range(10_000) if patience.allows(task, now=now + s)))
        assert patience.allows(other, now=now)
        now += pauses[-1]

    assert pauses == [10, 20, 40, 80, 160, 320, 600, 600, 600]
    assert (pauses[0], pauses[-1]) == (FIRST_PAUSE, LONGEST_PAUSE)
    patience.ended(task, now=now)
    patience.forget(task)
    assert patience.allows(task, now=now)


def test_all_rest_after_several_in_a_row_that_came_to_nothing() -> None:
    patience, task = Patience(), 1
    assert [patience.odd(now=0.0) for _ in range(ODD_IN_A_ROW)] == [0.0] * (ODD_IN_A_ROW - 1) + [FIRST_REST]
    assert [patience.allows(task, now=now) for now in (0.0, 59.9, 60.0)] == [False, False, True]
    assert [patience.odd(now=60.0) for _ in range(ODD_IN_A_ROW)] == [0.0] * (ODD_IN_A_ROW - 1) + [2 * FIRST_REST]


def test_one_that_is_fine_breaks_the_row() -> None:
    patience = Patience()
    for _ in range(5):
        assert [patience.odd(now=0.0) for _ in range(ODD_IN_A_ROW - 1)] == [0.0] * (ODD_IN_A_ROW - 1)
        patience.fine(now=0.0)


def test_rests_grow_up_to_a_limit() -> None:
    patience = Patience()
    rests = [patience.rest(now=0.0) for _ in range(40)]
    assert rests[:3] == [60.0, 120.0, 240.0]
    assert rests[-1] == LONGEST_REST


@pytest.mark.parametrize(("fine_at", "rest"), [(200.0, 240.0), (240.0, 60.0)])
def test_rests_are_forgiven_once_it_goes_well_for_as_long(fine_at: float, rest: float) -> None:
    patience = Patience()
    patience.rest(now=-60.0)
    assert patience.rest(now=0.0) == 120.0
    patience.fine(now=fine_at)
    assert patience.rest(now=fine_at) == rest


# ---- streams and polls -----------------------------------------------------------------------------------------------


def item(name: str = "t", labels: TaskLabels = STREAMED) -> Item:
    return Item(TaskRef("a", name), labels)


async def open_stream(rig: Rig) -> None:
    """Follow a task until it has a stream: a query at 1 s, and at its second turn (6 s) the stream."""
    await rig.follow(item())
    await rig.clock.advance(6.0)
    assert rig.account.opened == [(6.0, "t")]


async def test_the_second_turn_opens_a_stream_and_its_first_word_makes_the_polls_slow(rig: Rig) -> None:
    await open_stream(rig)
    await rig.say(PENDING)
    await rig.clock.advance(250.0)

    assert rig.account.times() == [1.0, 106.0, 206.0], "the backstop, beside the stream"
    assert len(rig.account.opened) == 1
    assert rig.poller.rate == 0.01


async def test_a_stream_that_says_nothing_changes_nothing(rig: Rig) -> None:
    await open_stream(rig)
    await rig.clock.advance(16.0)

    assert rig.account.times() == [1.0, 11.0, 16.0, 21.0]


async def test_what_a_stream_says_is_taken_like_an_answer(rig: Rig) -> None:
    rig.account.answer = PENDING
    await open_stream(rig)
    await rig.say(RUNNING, Answer(Observation(Status.UNKNOWN, "t"), (Drift.UNKNOWN_STATUS,)))

    assert rig.statuses() == [Status.PENDING, Status.RUNNING, Status.UNKNOWN]


async def test_an_end_is_believed_when_a_query_confirms_it(rig: Rig) -> None:
    await open_stream(rig)
    await rig.clock.advance(2.0)
    rig.account.answer = COMPLETED
    await rig.say(RUNNING, COMPLETED)

    assert rig.account.times() == [1.0, 8.0]
    assert rig.statuses()[-1] is Status.COMPLETED
    assert [change.outcome is not None for change in rig.answered].count(True) == 1
    assert rig.poller.tasks == 0


async def test_an_end_that_no_query_confirms_is_none(rig: Rig) -> None:
    await open_stream(rig)
    await rig.say(RUNNING, COMPLETED)
    await rig.clock.advance(9.0)

    assert rig.statuses() == [Status.RUNNING] * 3 + [Status.RUNNING]
    assert rig.account.times() == [1.0, 6.0, 11.0]
    assert len(rig.account.opened) == 1, "and the task is streamed no more for a while"
    await rig.clock.advance(1.0)
    assert len(rig.account.opened) == 2


@pytest.mark.parametrize(
    "last",
    [
        EOF,
        Answer(None),
        DispatcherError(Reason.BAD_RESPONSE, "garbage"),
        DispatcherError(Reason.TIMEOUT, "silence"),
        DispatcherError(Reason.TRUNCATED, "cut"),
        DispatcherError(Reason.NETWORK, "reset"),
        DispatcherError(Reason.TOO_LARGE, "huge"),
        DispatcherError(Reason.BAD_ROUTE, "no such route", status=404),
        DispatcherError(Reason.SERVER, "HTTP 503", status=503),
    ],
    ids=str,
)
@pytest.mark.parametrize("before", [[], [RUNNING]], ids=["silent", "spoken"])
async def test_however_a_stream_ends_the_task_is_queried_at_once_and_then_as_usual(
    rig: Rig, before: list[Answer], last: Said
) -> None:
    await open_stream(rig)
    await rig.clock.advance(1.0)
    await rig.say(*before, last)
    await rig.clock.advance(6.0)

    assert rig.account.times() == [1.0, 7.0, 12.0]
    assert len(rig.account.opened) == 1


async def test_streams_that_end_come_back_ever_more_seldom(rig: Rig) -> None:
    await open_stream(rig)
    gaps = []
    for _ in range(3):
        ended_at = rig.account.now()
        await rig.say(RUNNING, EOF)
        while not rig.account.lines:
            await rig.clock.advance(1.0)
        gaps.append(rig.account.now() - ended_at)

    assert gaps == [10.0, 20.0, 40.0]


async def test_streams_of_the_account_rest_when_several_came_to_nothing(rig: Rig) -> None:
    await rig.follow(*(item(f"t{i}") for i in range(4)))
    rig.account.answer = Answer(Observation(Status.RUNNING))
    await rig.clock.advance(6.0)
    assert len(rig.account.lines) == 4
    for name in ("t0", "t1", "t2"):
        await rig.say(EOF, to=name)
    assert rests(rig) == [(60.0, None)]
    await rig.clock.advance(59.0)

    assert (len(rig.account.opened), list(rig.account.lines)) == (4, ["t3"]), "what runs may run on"
    await rig.clock.advance(6.0)
    assert len(rig.account.opened) == 7


async def test_silence_after_a_word_is_not_odd(rig: Rig) -> None:
    await rig.follow(*(item(f"t{i}") for i in range(4)))
    rig.account.answer = answer = Answer(Observation(Status.RUNNING))
    await rig.clock.advance(6.0)
    for name in tuple(rig.account.lines):
        await rig.say(answer, DispatcherError(Reason.TIMEOUT, "silence"), to=name)

    assert rig.events() == []


@pytest.mark.parametrize(
    "reason", [Reason.INVALID_API_KEY, Reason.FORBIDDEN, Reason.PAYMENT, Reason.RATE_LIMITED, Reason.CONCURRENCY]
)
@pytest.mark.parametrize("told_by", ["stream", "query"])
async def test_an_account_that_is_turned_away_closes_its_streams(rig: Rig, reason: Reason, told_by: str) -> None:
    rig.account.answer = Answer(Observation(Status.RUNNING))
    await rig.follow(*(item(f"t{i}") for i in range(4)), item("p", POLLED))
    await rig.clock.advance(10.0)
    assert len(rig.account.lines) == 4
    error = DispatcherError(reason, "no", status=400)
    if told_by == "stream":
        await rig.say(error, to="t0")
    else:
        rig.account.answer = error
        await rig.clock.advance(1.0)

    assert (rig.account.lines, rig.account.streams) == ({}, 0)
    assert rests(rig) == [(60.0, reason.value)], "once, whatever further queries say"
    await rig.clock.advance(30.0)
    assert len(rig.account.opened) == 4
    assert rig.poller.tasks == 5, "all of them polled"


@pytest.mark.parametrize("reason", [Reason.SERVER, Reason.TIMEOUT, Reason.BAD_RESPONSE])
async def test_other_failures_of_queries_leave_streams_alone(rig: Rig, reason: Reason) -> None:
    await open_stream(rig)
    rig.account.answer = DispatcherError(reason, "no")
    await rig.clock.advance(20.0)

    assert list(rig.account.lines) == ["t"]


async def test_a_task_that_has_not_been_seen_or_has_no_task_id_is_polled(rig: Rig) -> None:
    rig.account.answer = Answer(None)
    rig.tracker.apply(Rules(not_found_grace=1e9))
    await rig.follow(item(), Item(TaskRef("a", None, "x"), STREAMED))
    await rig.clock.advance(30.0)
    assert rig.account.opened == []

    rig.account.answer = Answer(Observation(Status.RUNNING))
    await rig.clock.advance(10.0)
    assert {name for _, name in rig.account.opened} == {"t"}, "a stream is asked for by task_id alone"


async def test_a_task_id_that_is_learnt_is_streamed(rig: Rig) -> None:
    await rig.follow(Item(TaskRef("a", None, "x"), STREAMED))
    await rig.clock.advance(6.0)

    assert rig.account.opened == [(6.0, "t")]


async def test_a_task_id_that_would_lead_to_another_path_is_polled(rig: Rig) -> None:
    """None comes in any more, but a ledger of an earlier version may have one."""
    await rig.follow(item(".."))
    await rig.clock.advance(30.0)

    assert rig.account.opened == []
    assert len(rig.account.asked) > 1


async def test_groups_that_do_not_stream_are_polled(rig: Rig) -> None:
    await rig.follow(item(labels=POLLED))
    await rig.clock.advance(30.0)

    assert (rig.account.opened, len(rig.account.times())) == ([], 6)


async def test_without_room_a_turn_is_a_query(rig: Rig) -> None:
    rig.account.streams_allowed = 1
    await rig.follow(item("t0"), item("t1"))
    rig.account.answer = Answer(Observation(Status.RUNNING))
    await rig.clock.advance(6.0)

    assert len(rig.account.opened) == 1
    assert len(rig.account.asked) == 3


async def test_a_hurried_turn_is_a_query(rig: Rig) -> None:
    await rig.follow(item())
    await rig.clock.advance(2.0)
    rig.poller.hurry(rig.number("t"))
    await rig.clock.advance(1.0)

    assert (rig.account.times(), rig.account.opened) == ([1.0, 2.0], [])


async def test_a_hurried_turn_is_not_put_off_by_a_streams_first_word(rig: Rig) -> None:
    await open_stream(rig)
    rig.poller.hurry(rig.number("t"))
    await rig.clock.advance(0.5)
    rig.poller.hurry(rig.number("t"))
    await rig.say(RUNNING)
    await rig.clock.advance(10.0)

    assert rig.account.times() == [1.0, 6.0, 8.0]


async def test_a_poll_and_a_stream_may_overlap_but_never_two_polls(rig: Rig) -> None:
    await open_stream(rig)
    rig.account.takes_usually = 3.0
    await rig.clock.advance(6.0)
    assert rig.account.times() == [1.0, 11.0]
    await rig.say(RUNNING, COMPLETED)
    await rig.clock.advance(1.0)
    assert rig.account.times() == [1.0, 11.0], "the poll under way was sent before the news"
    await rig.clock.advance(1.0)
    assert rig.account.times() == [1.0, 11.0, 14.0]


async def test_a_dropped_task_has_no_stream_and_the_same_one_anew_has_one_again(rig: Rig) -> None:
    await open_stream(rig)
    await rig.follow()
    await rig.clock.settle()
    assert (rig.account.lines, rig.account.streams) == ({}, 0)

    await rig.follow(item())
    await rig.clock.advance(6.0)
    assert len(rig.account.opened) == 2


async def test_a_stream_that_is_still_being_closed_is_waited_for(rig: Rig) -> None:
    await open_stream(rig)
    rig.poller.close_streams(unwanted_only=False)
    await rig.follow()
    await rig.follow(item())
    await rig.clock.advance(20.0)

    assert [name for _, name in rig.account.opened] == ["t", "t"]


async def test_a_task_that_a_poll_saw_end_has_no_stream(rig: Rig) -> None:
    await open_stream(rig)
    rig.account.answer = COMPLETED
    await rig.clock.advance(5.0)

    assert (rig.account.lines, rig.poller.tasks) == ({}, 0)


async def test_two_names_that_prove_to_be_one_task_have_one_stream(rig: Rig) -> None:
    rig.account.answer = Answer(Observation(Status.RUNNING, "t"))
    await rig.follow(item())
    await rig.clock.advance(2.0)
    await rig.follow(item(), Item(TaskRef("a", None, "x"), STREAMED))
    await rig.clock.advance(30.0)
    await rig.say(Answer(Observation(Status.RUNNING, "t", "x")))
    await rig.clock.advance(30.0)

    assert rig.poller.tasks == 1
    assert len(rig.account.lines) == 1


async def test_a_stream_that_proves_its_task_to_be_another_ends(rig: Rig) -> None:
    rig.account.answer = Answer(Observation(Status.RUNNING))
    await rig.follow(Item(TaskRef("a", None, "x"), STREAMED), item())
    await rig.clock.advance(6.0)
    await rig.say(Answer(Observation(Status.RUNNING, "t", "x")))
    assert (rig.account.lines, rig.account.streams, rig.poller.tasks) == ({}, 0, 1)

    await rig.clock.advance(5.0)
    assert rig.account.opened == [(6.0, "t"), (11.0, "t")], "the other one is streamed in its own turn"


@pytest.mark.parametrize(("unwanted_only", "streams_on"), [(True, {"other": 1}), (False, {})])
async def test_a_reload_ends_the_streams_that_are_not_wanted(
    rig: Rig, unwanted_only: bool, streams_on: dict[str, int]
) -> None:
    rig.streamed.add("other")
    rig.account.answer = answer = Answer(Observation(Status.RUNNING))
    await rig.follow(item(), item("u", TaskLabels("a", "other")))
    await rig.clock.advance(6.0)
    await rig.say(answer)
    rig.streamed.remove("streamed")
    rig.poller.close_streams(unwanted_only=unwanted_only)
    await rig.clock.settle()
    assert {"other" for _ in rig.account.lines} == set(streams_on)

    await rig.clock.advance(10.0)
    assert [name for _, name in rig.account.asked].count("t") == 3, "polled at the usual interval again"
    assert rig.events() == [], "nothing odd in that"


async def test_a_fault_of_our_own_is_logged_and_the_task_polled_on(rig: Rig) -> None:
    await open_stream(rig)
    await rig.say(RUNNING, RuntimeError("a bug"))
    await rig.clock.advance(5.0)

    assert rig.events() == ["stream_fault"]
    assert rig.account.times() == [1.0, 6.0, 11.0]


async def test_stopping_ends_the_streams_at_once(rig: Rig) -> None:
    await open_stream(rig)
    rig.loop.cancel()
    await rig.poller.stop(deadline=10.0)

    assert (rig.account.lines, rig.account.streams) == ({}, 0)


# ---- the account for real --------------------------------------------------------------------------------------------

LIMIT = 3
NAMES = [f"t{i}" for i in range(4)]
FAULTS = [
    "fine",
    "fine",
    "fine",
    "eof",
    "garbage",
    "other",
    "html",
    "401",
    "402",
    "404",
    "429",
    "503",
    "reset",
    "silent",
]


class Upstream:
    """Takes requests for the tasks, as it is told or well; counts how many there are at once."""

    def __init__(self, clock: FakeClock, faults: Sequence[str]) -> None:
        self.clock = clock
        self.faults = list(faults)
        self.out: Counter[tuple[str, str]] = Counter()
        self.most = self.most_streams = self.most_alike = 0
        self.is_over = False

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        fault = self.faults.pop() if self.faults else "fine"
        if request.method == "GET":
            return self.streamed(request.url.path.rpartition("/")[2], fault)
        name = json.loads(request.content)["task_id"]
        with self.visit("query", name):
            await self.clock.sleep(0.4)
        if fault.isdecimal():
            return httpx.Response(int(fault), json={"error": {"code": "task_not_found" if fault == "404" else ""}})
        return httpx.Response(200, json=self.record(name))

    def streamed(self, name: str, fault: str) -> httpx.Response:
        if fault.isdecimal():
            return httpx.Response(int(fault), json={"error": {"code": "concurrency_limit" if fault == "429" else ""}})
        kind = "text/html" if fault == "html" else "text/event-stream"
        return httpx.Response(200, headers={"Content-Type": kind}, stream=Body(self, name, fault))

    def record(self, name: str) -> dict[str, object]:
        return {"task_id": name, "status": "completed" if self.is_over else "running", "credits_used": 1, "output": []}

    def visit(self, kind: str, name: str) -> "Visit":
        return Visit(self, (kind, name))


class Visit:
    """One request while it is served."""

    def __init__(self, upstream: Upstream, key: tuple[str, str]) -> None:
        self.upstream, self.key, self.is_on = upstream, key, False

    def __enter__(self) -> None:
        up, self.is_on = self.upstream, True
        up.out[self.key] += 1
        up.most = max(up.most, up.out.total())
        up.most_streams = max(up.most_streams, sum(count for (kind, _), count in up.out.items() if kind == "stream"))
        up.most_alike = max(up.most_alike, *up.out.values())

    def __exit__(self, *_: object) -> None:
        self.upstream.out[self.key] -= self.is_on
        self.is_on = False


class Body(httpx.AsyncByteStream):
    def __init__(self, upstream: Upstream, name: str, fault: str) -> None:
        self.upstream, self.name, self.fault = upstream, name, fault
        self.visit = upstream.visit("stream", name)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.visit.__enter__()
        for _ in range(10):
            await self.upstream.clock.sleep(3.0)
            yield self.said()
            if self.fault == "eof" or self.upstream.is_over:
                return
            if self.fault == "reset":
                raise httpx.ReadError("reset")

    async def aclose(self) -> None:
        self.visit.__exit__()

    def said(self) -> bytes:
        if self.fault == "silent":
            return b":\n\n"
        if self.fault == "garbage":
            return b"data: {{{\n\n"
        record = self.upstream.record("another" if self.fault == "other" else self.name)
        return f"data: {json.dumps(record)}\n\n".encode()


class Requests:
    def request_finished(
        self, account: str, endpoint: str, *, seconds: float, failure: Reason | None, drift: Sequence[Drift]
    ) -> None: ...
    def polled(self, account: str, *, lag: float) -> None: ...


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(faults=st.lists(st.sampled_from(FAULTS), max_size=20), limit=st.integers(1, 4))
def test_whatever_streams_meet_the_limits_hold_and_every_task_is_seen_to_end(faults: list[str], limit: int) -> None:
    asyncio.run(live_through(faults, limit))


async def live_through(faults: list[str], limit: int) -> None:
    clock = FakeClock()
    upstream = Upstream(clock, faults)
    log = structlog.wrap_logger(
        CapturingLogger(), processors=[], wrapper_class=structlog.make_filtering_bound_logger(0)
    )
    account = await Account.open(
        AccountSettings("a", "http://api", api_key_env="KEY", max_in_flight=limit),
        clock=clock,
        requests=Requests(),
        logger=log,
        random=Random(5),
        transport=httpx.MockTransport(upstream),
        environ={"KEY": "sk-byts-0123456789"},
    )
    tracker = Tracker(Rules(not_found_grace=1e9))
    intake = Intake(tracker, ledger=NoMemory(), bounds=AnyLabels(), clock=clock, log=log)
    poller = Poller(
        "a",
        account,
        tasks=tracker,
        intake=intake,
        lag=Requests(),
        cadence_of=lambda _: PublishedCadence(PollSettings(max_interval=30.0)),
        clock=clock,
        random=Random(6).random,
        log=log,
        is_streamed=lambda _: True,
    )
    ended: list[Status] = []
    intake.subscribe(lambda change: ended.append(change.outcome.status) if change.outcome else None)
    intake.subscribe(poller.take)
    loop = asyncio.create_task(poller.run())
    await intake.replace({"s": [item(name) for name in NAMES]}, {})
    for _ in range(20):
        await clock.advance(2.0)
        assert account.in_flight <= limit
        assert account.streams <= max(0, limit - 1)
    upstream.is_over = True
    upstream.faults.clear()
    while poller.tasks:
        assert clock.monotonic() < 5_000.0
        await clock.advance(20.0)
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)
    await poller.stop(deadline=0.0)
    await account.aclose()

    assert upstream.most <= limit
    assert upstream.most_streams <= max(0, limit - 1)
    assert upstream.most_alike <= 1, "never two queries, nor two streams, of one task"
    assert ended == [Status.COMPLETED] * len(NAMES)
    assert account.in_flight == 0
