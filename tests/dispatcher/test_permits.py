"""Permits: in turn, within the limits, and given back whatever happens."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import pytest

from exporter.dispatcher.account import Permit
from exporter.dispatcher.answer import Answer, DispatcherError, Reason
from exporter.settings.model import AccountSettings
from tests.dispatcher.bench import REF, SETTINGS, Bench, bench, running

ONE_AT_A_TIME = replace(SETTINGS, max_in_flight=1)


class Crash(BaseException):
    """What nobody foresees and nobody catches."""


@dataclass
class Interrupted(Awaitable[None]):
    """A coroutine that meets an error at one of its awaits, counted from 0, instead of going on."""

    coroutine: Coroutine[Any, Any, None]
    at: int
    error: Callable[[], BaseException]
    is_interrupted: bool = False

    def __await__(self) -> Generator[Any, Any, None]:
        try:
            awaited = self.coroutine.send(None)
            while True:
                yield awaited
                self.is_interrupted = self.is_interrupted or self.at == 0
                awaited = self.coroutine.throw(self.error()) if self.at == 0 else self.coroutine.send(None)
                self.at -= 1
        except StopIteration:
            return


async def nothing(b: Bench) -> None:
    async with b.account.permit():
        pass


async def a_pause(b: Bench) -> None:
    async with b.account.permit() as permit:
        await b.clock.sleep(0.3)
        await permit.query(REF)
        await b.clock.sleep(0.3)


async def a_fault_before(b: Bench) -> None:
    async with b.account.permit():
        await b.clock.sleep(0.3)
        raise KeyError


async def a_query(b: Bench) -> None:
    b.upstream.seconds = 0.3
    async with b.account.permit() as permit:
        await permit.query(REF)


async def a_failing_query(b: Bench) -> None:
    b.upstream.seconds, b.upstream.status = 0.3, 500
    async with b.account.permit() as permit:
        await permit.query(REF)


async def a_stream(b: Bench) -> None:
    b.upstream.seconds = 0.3
    for _ in range(3):
        b.upstream.events.tell(status="running")
    b.upstream.events.queue.put_nowait(None)
    async with b.account.permit() as permit, permit.stream(REF) as answers:
        async for _ in answers:
            await b.clock.sleep(0.3)
    await b.clock.sleep(0.3)


async def a_stream_that_is_not_heard_out(b: Bench) -> None:
    b.upstream.events.tell(status="running")
    async with b.account.permit() as permit:
        async with permit.stream(REF) as answers:
            await anext(aiter(answers))
            await b.clock.sleep(0.3)
        await b.clock.sleep(0.3)


USES = [nothing, a_pause, a_fault_before, a_query, a_failing_query, a_stream, a_stream_that_is_not_heard_out]


@asynccontextmanager
async def answered(settings: AccountSettings = SETTINGS) -> AsyncIterator[Bench]:
    """A bench that has had one answer, just now: the next permit has to wait for the rate limit."""
    async with bench(settings) as b:
        await b.ask()
        yield b


async def check_that_everything_is_given_back(b: Bench) -> None:
    assert (b.account.in_flight, b.account.streams) == (0, 0)
    b.upstream.status, b.upstream.seconds = 200, 0.0
    for _ in range(3):
        async with running(b.ask()) as (asking,):
            await b.clock.advance(1)
            assert (await asking).observation is not None
    assert b.account.in_flight == 0


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("error", [Crash, asyncio.CancelledError, RuntimeError, DispatcherError])
async def test_an_error_at_any_await_gives_the_slot_back(
    use: Callable[[Bench], Coroutine[Any, Any, None]], error: type[BaseException]
) -> None:
    def raised() -> BaseException:
        return DispatcherError(Reason.SERVER, "x") if error is DispatcherError else error()

    for at in range(100):
        async with answered() as b:
            interrupted = Interrupted(use(b), at, raised)

            async def run() -> None:
                with suppress(Crash, asyncio.CancelledError, RuntimeError, DispatcherError, KeyError):
                    await interrupted  # noqa: B023

            async with running(run()) as (task,):
                await b.clock.advance(5)
                await task
            await check_that_everything_is_given_back(b)
            if not interrupted.is_interrupted:
                assert at > 0
                return
    pytest.fail("it never ran to its end")


@pytest.mark.slow
@pytest.mark.parametrize("use", USES)
async def test_cancellation_at_any_moment_gives_the_slot_back(
    use: Callable[[Bench], Coroutine[Any, Any, None]],
) -> None:
    for moment in range(200):
        async with answered() as b:
            task = asyncio.create_task(use(b))
            for step in range(moment):
                await asyncio.sleep(0)
                if step % 10 == 9:
                    await b.clock.advance(0.1)
            is_over = task.done()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await check_that_everything_is_given_back(b)
            if is_over:
                assert moment > 0
                return
    pytest.fail("it never ran to its end")


@pytest.mark.parametrize("cancelled", range(4))
async def test_who_waits_and_is_cancelled_costs_nobody_else_a_place(cancelled: int) -> None:
    async with bench(ONE_AT_A_TIME) as b:
        order: list[int] = []

        async def ask(number: int) -> None:
            async with b.account.permit() as permit:
                order.append(number)
                await permit.query(REF)

        async with b.account.permit():
            waiting = [asyncio.create_task(ask(number)) for number in range(4)]
            await b.clock.advance(1)
            waiting[cancelled].cancel()
            await b.clock.settle()
            assert (order, b.account.in_flight) == ([], 1)
        await b.clock.advance(1)
        await asyncio.gather(*waiting, return_exceptions=True)
        assert order == [number for number in range(4) if number != cancelled]
        await check_that_everything_is_given_back(b)


@pytest.mark.parametrize("cancelled", range(2))
async def test_a_place_is_passed_on_even_if_its_owner_is_cancelled_when_its_time_has_come(cancelled: int) -> None:
    async with bench(ONE_AT_A_TIME) as b:
        first = asyncio.create_task(b.ask())
        permit = b.account.permit()
        await permit.__aenter__()
        waiting = [first, asyncio.create_task(b.ask())]
        await b.clock.advance(1)
        await permit.__aexit__(None, None, None)
        waiting[cancelled].cancel()
        await b.clock.advance(1)
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(results[cancelled], asyncio.CancelledError)
        assert isinstance(results[1 - cancelled], Answer)
        assert b.account.in_flight == 0


async def test_permits_keep_the_rate_and_the_order() -> None:
    async with bench(replace(SETTINGS, max_in_flight=9)) as b:
        start, permitted = b.clock.monotonic(), []

        async def ask(number: int) -> None:
            async with b.account.permit() as permit:
                permitted.append((number, round(b.clock.monotonic() - start, 6)))
                await permit.query(REF)

        async with running(*(ask(number) for number in range(4))):
            await b.clock.advance(1)
        assert permitted == [(0, 0.0), (1, 0.1), (2, 0.2), (3, 0.3)]


async def test_a_fast_rate_is_had_though_every_timer_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(replace(SETTINGS, max_in_flight=9, max_requests_per_second=200.0)) as b:
        on_time = b.clock.sleep
        monkeypatch.setattr(b.clock, "sleep", lambda seconds: on_time(seconds + 0.001))
        async with running(*(b.ask() for _ in range(100))):
            await b.clock.advance(0.51)
            assert len(b.upstream.keys) == 100


async def test_never_a_third_request_at_once() -> None:
    async with bench() as b:
        b.upstream.go.clear()
        async with running(*(b.ask() for _ in range(20))) as tasks:
            await b.clock.advance(10)
            assert (len(b.upstream.keys), b.account.in_flight) == (2, 2)
            b.upstream.go.set()
            await b.clock.advance(10)
            await asyncio.gather(*tasks)
        assert len(b.upstream.keys) == 20


async def test_a_permit_that_is_given_back_makes_room() -> None:
    async with bench(ONE_AT_A_TIME) as b:
        async with b.account.permit(), running(b.ask()) as (waiting,):
            await b.clock.advance(5)
            assert not waiting.done()
        async with running(b.ask()) as (waiting,):
            await b.clock.advance(0)
            assert waiting.done()


async def test_a_permit_that_was_not_used_takes_no_place_in_the_rate() -> None:
    async with bench() as b:
        for _ in range(50):
            async with b.account.permit() as permit:
                assert not permit.is_probe
        await b.ask()
        assert b.upstream.clock.monotonic() == 1000.0


async def test_who_waits_goes_as_soon_as_a_permit_turns_out_not_to_be_used() -> None:
    async with bench() as b, running(b.ask()) as (waiting,):
        async with b.account.permit():
            await b.clock.advance(0.05)
            assert not waiting.done()
        await b.clock.settle()
        assert waiting.done()


@pytest.mark.parametrize("first", ["query", "stream"])
@pytest.mark.parametrize("second", ["query", "stream"])
async def test_a_permit_is_for_one_request(first: str, second: str) -> None:
    async with answered(replace(SETTINGS, max_in_flight=9)) as b:
        b.upstream.events.queue.put_nowait(None)

        async def use(permit: Permit, how: str) -> None:
            if how == "query":
                await permit.query(REF)
                return
            async with permit.stream(REF):
                pass

        async with running(b.clock.advance(1)), b.account.permit() as permit:
            await use(permit, first)
            with pytest.raises(RuntimeError, match="one request"):
                await use(permit, second)
        assert (b.account.in_flight, len(b.upstream.urls)) == (0, 2)


async def test_a_permit_is_worth_nothing_outside_its_block() -> None:
    async with bench() as b:
        async with b.account.permit() as permit:
            pass
        with pytest.raises(RuntimeError, match="within its block"):
            await permit.query(REF)
        assert (b.account.in_flight, b.upstream.urls) == (0, [])


async def test_the_slot_is_free_as_soon_as_the_answer_is_there() -> None:
    async with bench(ONE_AT_A_TIME) as b, b.account.permit() as permit:
        await permit.query(REF)
        assert b.account.in_flight == 0
        async with running(b.ask()) as (next_one,):
            await b.clock.advance(1)
            assert next_one.done()


async def test_a_cancelled_query_counts_for_nothing() -> None:
    async with bench() as b:
        b.upstream.go.clear()
        async with running(b.ask()):
            await b.clock.settle()
            assert b.account.in_flight == 1
        assert (b.account.in_flight, b.requests.finished, b.account.suspension) == (0, [], None)


async def test_what_the_body_of_a_stream_raises_is_no_failure_of_the_stream() -> None:
    async with answered() as b:
        await b.clock.advance(1)
        b.upstream.events.tell(status="running")
        for error in (KeyError(), DispatcherError(Reason.INVALID_API_KEY, "of another account", status=401)):
            with pytest.raises(type(error)):
                async with b.account.permit() as permit, permit.stream(REF):
                    raise error
            await b.clock.advance(1)
        assert [failure for _, _, _, failure, _ in b.requests.finished] == [None] * 3
        assert b.account.suspension is None


# ---- at once -------------------------------------------------------------------------------------------------------


async def test_a_permit_is_had_at_once_within_both_limits() -> None:
    async with bench(SETTINGS) as b:  # 2 in flight, 10 a second
        first = b.account.permit_at_once()
        assert first
        assert not first.is_probe
        await first.query(REF)
        assert b.account.permit_at_once() is None, "a tenth of a second must pass"
        await b.clock.advance(0.1)
        b.upstream.go.clear()
        second = b.account.permit_at_once()
        assert second
        async with running(second.query(REF)):
            await b.clock.advance(0.1)
            third = b.account.permit_at_once()
            assert third
            await b.clock.advance(1.0)
            assert (b.account.in_flight, b.account.permit_at_once()) == (2, None)
            third.give_back()
            third.give_back()
            assert b.account.in_flight == 1
            b.upstream.go.set()
            await b.clock.advance(0.1)
        second.give_back()
        assert b.account.in_flight == 0


async def test_nobody_overtakes_whoever_waits() -> None:
    async with answered() as b, running(b.ask()):
        await b.clock.settle()
        assert b.account.permit_at_once() is None, "neither now nor once it may"
        await b.clock.advance(0.1)
        assert len(b.upstream.urls) == 2


async def test_while_the_account_is_suspected_or_held_back_every_permit_is_waited_for() -> None:
    async with bench(SETTINGS) as b:
        b.upstream.status = 429
        with suppress(DispatcherError):
            await b.ask()
        await b.clock.advance(3600.0)
        assert b.account.permit_at_once() is None, "the next one is a probe"
