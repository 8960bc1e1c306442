"""Inquiries against an account with all its limits; only the API is played."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from random import Random

import httpx
import pytest

from exporter.dispatcher.account import Account
from exporter.inquiry.inquiry import Finding, Inquiry, NoRequests, silent_log
from exporter.inquiry.outcome import Outcome, outcome_of
from exporter.polling.cadence import PublishedCadence
from exporter.settings.model import AccountSettings, PollSettings
from exporter.tasks.identity import TaskRef
from exporter.tasks.observation import Status
from tests.support.fake_clock import FakeClock

Says = Callable[[str, int], httpx.Response]
"""What is said of a task, by its id, when it is asked about for the n-th time (from 1)."""

CADENCE = PublishedCadence(PollSettings(min_interval=2.0, max_interval=300.0))


def record(status: str, **fields: object) -> httpx.Response:
    return httpx.Response(200, json={"status": status, **fields})


def error(status: int, code: str = "") -> httpx.Response:
    return httpx.Response(status, json={"error": {"code": code}})


NOT_FOUND = error(404, "task_not_found")


class Api:
    """Takes a second for each answer; notes who was asked when, and how many were at once."""

    def __init__(self, clock: FakeClock, says: Says) -> None:
        self.asked: list[tuple[float, str]] = []
        self.most = 0
        self._clock = clock
        self._says = says
        self._in_flight = 0

    async def answer(self, request: httpx.Request) -> httpx.Response:
        name = json.loads(request.content)["task_id"]
        self.asked.append((self._clock.monotonic() - 1000.0, name))
        self._in_flight += 1
        self.most = max(self.most, self._in_flight)
        await self._clock.sleep(1.0)
        self._in_flight -= 1
        return self._says(name, [asked for _, asked in self.asked].count(name))


@asynccontextmanager
async def inquiry(
    says: Says, names: Sequence[str], *, in_flight: int = 2, rate: float = 10.0
) -> AsyncIterator[tuple[Inquiry, Api, FakeClock]]:
    clock = FakeClock()
    api = Api(clock, says)
    account = Account(
        AccountSettings("a", "http://api", api_key_env="K", max_in_flight=in_flight, max_requests_per_second=rate),
        clock=clock,
        requests=NoRequests(),
        logger=silent_log(),
        random=Random(1),
        transport=httpx.MockTransport(api.answer),
        environ={"K": "sk-byts-0123456789abcdef"},
    )
    yield Inquiry(account, [TaskRef("a", task_id=name) for name in names], clock=clock), api, clock
    await account.aclose()


async def run_out(asking: "asyncio.Future[None]", clock: FakeClock, *, seconds: float = 600.0) -> None:
    """Let time pass until it is over."""
    for _ in range(round(seconds)):
        if asking.done():
            break
        await clock.advance(1.0)
    assert asking.done()
    await asking


def found(of: Inquiry) -> list[Finding]:
    return list(of.findings.values())


async def test_many_tasks_are_asked_once_each_within_the_limits_of_the_account() -> None:
    names = [f"t{at}" for at in range(20)]
    async with inquiry(lambda *_: record("running"), [*names, *names], rate=1.0) as (of, api, clock):
        await run_out(asyncio.ensure_future(of.once()), clock)
        assert [name for _, name in api.asked] == names
        assert api.most <= 2
        gaps = [later - at for (at, _), (later, _) in zip(api.asked, api.asked[1:], strict=False)]
        assert min(gaps) >= 1.0 - 1e-6
        assert outcome_of(found(of), waited=False) is Outcome.FOUND


async def test_what_holds_the_account_ends_it_and_nobody_is_asked_again() -> None:
    async with inquiry(lambda *_: error(401, "invalid_api_key"), [f"t{at}" for at in range(50)]) as (of, api, clock):
        await run_out(asyncio.ensure_future(of.once()), clock, seconds=3)
        assert len(api.asked) <= 2, "those that were under way"
        assert {str(each.error) for each in found(of)} == {"invalid_api_key: HTTP 401 invalid_api_key"}
        assert outcome_of(found(of), waited=False) is Outcome.QUERY_FAILED


async def test_too_many_at_once_is_waited_for() -> None:
    def says(name: str, time: int) -> httpx.Response:
        return error(429, "concurrency_limit") if name == "t0" else record("running")

    async with inquiry(says, ["t0", "t1", "t2"], in_flight=1) as (of, _, clock):
        await run_out(asyncio.ensure_future(of.once()), clock)
        assert [each.error is None for each in found(of)] == [False, True, True]


async def test_a_task_is_waited_for_at_the_published_cadence() -> None:
    def says(_: str, time: int) -> httpx.Response:
        return record("running", estimated_seconds=60) if time < 4 else record("completed", credits_used=1, output=[])

    async with inquiry(says, ["t"]) as (of, api, clock):
        await run_out(asyncio.ensure_future(of.until_ended(CADENCE, grace=120.0)), clock)
        assert [at for at, _ in api.asked] == pytest.approx([0, 11, 22, 33])
        assert outcome_of(found(of), waited=True) is Outcome.FOUND


@pytest.mark.parametrize(
    ("statuses", "outcome"),
    [
        (["completed", "completed"], Outcome.FOUND),
        (["completed", "cancelled"], Outcome.CANCELLED),
        (["cancelled", "failed"], Outcome.FAILED),
    ],
)
async def test_the_gravest_end_is_the_outcome(statuses: list[str], outcome: Outcome) -> None:
    async with inquiry(lambda name, _: record(statuses[int(name)]), ["0", "1"]) as (of, _, clock):
        await run_out(asyncio.ensure_future(of.until_ended(CADENCE, grace=0.0)), clock)
        assert outcome_of(found(of), waited=True) is outcome


async def test_a_task_that_is_not_known_yet_is_given_its_grace() -> None:
    async with inquiry(lambda _, time: NOT_FOUND if time < 4 else record("completed"), ["t"]) as (of, _, clock):
        await run_out(asyncio.ensure_future(of.until_ended(CADENCE, grace=120.0)), clock)
        assert outcome_of(found(of), waited=True) is Outcome.FOUND


async def test_a_task_that_stays_unknown_has_ended_after_three_answers() -> None:
    async with inquiry(lambda *_: NOT_FOUND, ["t"]) as (of, api, clock):
        await run_out(asyncio.ensure_future(of.until_ended(CADENCE, grace=0.0)), clock)
        assert len(api.asked) == 3
        assert outcome_of(found(of), waited=True) is Outcome.NOT_FOUND


async def test_what_never_answered_is_told_at_once_and_what_did_is_waited_for() -> None:
    async with inquiry(lambda *_: error(503), ["t"]) as (of, api, clock):
        await run_out(asyncio.ensure_future(of.until_ended(CADENCE, grace=0.0)), clock, seconds=3)
        assert len(api.asked) == 1

    def says(_: str, time: int) -> httpx.Response:
        return record("running") if time == 1 else error(503) if time < 9 else record("completed")

    async with inquiry(says, ["t"]) as (of, api, clock):
        await run_out(asyncio.ensure_future(of.until_ended(CADENCE, grace=0.0)), clock, seconds=3600)
        [finding] = found(of)
        assert (finding.error, finding.state.status) == (None, Status.COMPLETED)


async def test_a_key_that_is_revoked_meanwhile_ends_the_wait() -> None:
    def says(_: str, time: int) -> httpx.Response:
        return record("running") if time == 1 else error(401, "invalid_api_key")

    async with inquiry(says, [f"t{at}" for at in range(5)]) as (of, _, clock):
        await run_out(asyncio.ensure_future(of.until_ended(CADENCE, grace=0.0)), clock, seconds=60)
        assert outcome_of(found(of), waited=True) is Outcome.QUERY_FAILED


async def test_given_up_it_leaves_nothing_behind() -> None:
    async with inquiry(lambda *_: record("running"), ["t0", "t1", "t2"]) as (of, _, clock):
        asking = asyncio.create_task(of.until_ended(CADENCE, grace=0.0))
        await clock.advance(5.0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert outcome_of(found(of), waited=True) is Outcome.STILL_OPEN
        assert len(asyncio.all_tasks()) == 1
