import asyncio
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
import structlog

from exporter.dispatcher.account import KEY_INTERVAL, Account
from exporter.dispatcher.answer import Blame, DispatcherError, Drift, Quota, Reason
from exporter.outbound import Outbound
from exporter.secrets import SecretSource
from exporter.tasks.identity import TaskRef
from tests.dispatcher.bench import KEY, OTHER_KEY, REF, SETTINGS, Bench, Requests, Upstream, bench, running
from tests.support.fake_clock import FakeClock


async def test_a_fresh_account_has_seen_nothing() -> None:
    async with bench() as b:
        account = b.account
        assert (account.up, account.last_success_at, account.quota) == (False, None, Quota())
        assert (account.suspension, account.in_flight) == (None, 0)


async def test_an_answer_moves_everything_that_tells_of_it() -> None:
    async with bench() as b:
        b.upstream.record["status"] = "queued"
        b.upstream.headers = {"X-Quota-Remaining-Credits": "5"}
        async with b.account.permit() as permit:
            assert b.account.in_flight == 1
            answer = await permit.query(REF)
        assert answer.drift == (Drift.LEGACY_SHAPE,)
        assert (b.account.up, b.account.last_success_at, b.account.in_flight) == (True, b.clock.wall(), 0)
        assert b.account.quota == Quota(remaining_credits=5.0)
        assert b.requests.finished == [("default", "tasks/query", 0.0, None, (Drift.LEGACY_SHAPE,))]


async def test_a_task_that_is_not_known_is_a_success() -> None:
    async with bench() as b:
        b.upstream.status, b.upstream.record = 404, {"error": {"code": "task_not_found"}}
        assert (await b.ask()).observation is None
        assert b.account.up
        assert b.account.last_success_at is not None


async def test_a_failure_keeps_the_last_success_and_the_quota() -> None:
    async with bench() as b:
        b.upstream.headers = {"X-Quota-Remaining-Credits": "5"}
        await b.ask()
        then = b.clock.wall()
        await b.clock.advance(60)
        b.upstream.status, b.upstream.headers = 503, {"X-Org-Quota-Remaining-Credits": "7"}
        assert (await b.fail()).reason is Reason.SERVER
        assert (b.account.up, b.account.last_success_at) == (False, then)
        assert b.account.quota == Quota(5.0, 7.0)
        assert b.account.suspension is None
        assert b.requests.finished[-1] == ("default", "tasks/query", 0.0, Reason.SERVER, ())


async def test_a_task_in_trouble_is_blamed_until_others_are_as_well() -> None:
    async with bench() as b:
        b.upstream.status = 500
        blames, probes = [], []
        for number in range(5):
            await b.clock.advance(1)
            async with b.account.permit() as permit:
                probes.append(permit.is_probe)
                with pytest.raises(DispatcherError) as caught:
                    await permit.query(TaskRef("default", f"task_{number}"))
            blames.append(caught.value.blames)
        assert probes == [False, False, False, True, True]
        assert blames == [Blame.TASK] * 3 + [Blame.ACCOUNT] * 2
        assert b.account.suspension is not None
        assert b.account.suspension.reason is Reason.SERVER
        assert b.events() == ["query_failed", "polling_suspended"]


async def test_a_task_is_one_by_whatever_else_it_is_known() -> None:
    async with bench() as b:
        b.upstream.status = 500
        for out_task_id in (None, "mine", "yours"):
            await b.clock.advance(1)
            async with b.account.permit() as permit:
                with suppress(DispatcherError):
                    await permit.query(TaskRef("default", "task_1", out_task_id))
        await b.clock.advance(1)
        async with b.account.permit() as permit:
            assert not permit.is_probe


async def test_what_the_api_says_of_the_account_blames_the_account() -> None:
    async with bench() as b:
        b.upstream.status = 402
        assert (await b.fail()).blames is Blame.ACCOUNT


async def test_a_request_lasts_as_long_as_it_lasts() -> None:
    async with bench() as b:
        b.upstream.seconds = 1.25
        async with running(b.ask()) as (task,):
            await b.clock.advance(2)
            await task
        assert b.requests.finished[0][2] == 1.25


async def test_a_revoked_key_is_asked_with_ten_times_a_minute_at_most() -> None:
    async with bench() as b:
        await b.ask()
        b.upstream.status = 401
        b.upstream.keys.clear()

        async def poll() -> None:
            while True:
                with suppress(DispatcherError):
                    await b.ask()

        async with running(poll(), poll()):
            await b.clock.advance(60)
            assert 2 <= len(b.upstream.keys) <= 10
            b.upstream.status = 200
            await b.clock.advance(60)
            assert b.account.suspension is None
        assert b.events() == ["query_failed", "polling_suspended", "polling_resumed"]


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(KEY)
    return path


def put(path: Path, key: str) -> None:
    path.write_text(f" {key}\n")


async def until_it_sleeps(b: Bench) -> None:
    """The thread that reads the file has come back, and the next look is a second away."""
    for _ in range(20_000):
        if b.clock.sleeping:
            return
        await asyncio.sleep(0.001)


async def look_at_the_key(b: Bench) -> None:
    """A second passes, and the file is read."""
    await until_it_sleeps(b)
    await b.clock.advance(1)
    await until_it_sleeps(b)
    await b.clock.settle()


async def test_a_changed_key_is_tried_at_once(key_file: Path) -> None:
    async with bench(replace(SETTINGS, api_key_env=None, api_key_file=key_file)) as b, running(b.account.watch_key()):
        await b.clock.settle()
        b.upstream.status = 401
        for _ in range(4):
            async with running(b.fail()) as (task,):
                await b.clock.advance(30)
                await asyncio.wait([task], timeout=20)
        b.upstream.status = 200
        put(key_file, OTHER_KEY)
        await look_at_the_key(b)
        await b.ask()
        assert b.upstream.keys[-1] == OTHER_KEY
        assert "api_key_changed" in b.events()
        assert b.account.suspension is None


async def test_a_key_file_that_hangs_takes_no_thread_from_the_others(
    key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang = threading.Event()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    async with bench(replace(SETTINGS, api_key_env=None, api_key_file=key_file)) as b, running(b.account.watch_key()):
        monkeypatch.setattr(SecretSource, "refresh", lambda _: hang.wait())
        await b.clock.advance(KEY_INTERVAL)
        try:
            await asyncio.wait_for(asyncio.to_thread(threading.get_ident), 20)
        finally:
            hang.set()


async def test_without_a_key_nothing_is_sent_until_there_is_one(tmp_path: Path) -> None:
    path = tmp_path / "key"
    settings = replace(SETTINGS, api_key_env=None, api_key_file=path)
    async with bench(settings) as b, running(b.account.watch_key(), b.ask()) as (_, asking):
        await look_at_the_key(b)
        assert b.account.suspension is not None
        assert (b.account.suspension.reason, b.account.suspension.until) == (Reason.INVALID_API_KEY, math.inf)
        assert (b.upstream.keys, b.events()) == ([], ["api_key_missing"])
        put(path, KEY)
        await look_at_the_key(b)
        await asyncio.wait([asking], timeout=20)
        assert b.upstream.keys == [KEY]
        put(path, "")
        await look_at_the_key(b)
        assert b.account.suspension is not None
        assert b.events()[1:] == ["api_key_changed", "api_key_missing"]


async def test_new_settings_hold_at_once_and_what_is_under_way_ends_with_the_old() -> None:
    async with bench() as b:
        b.upstream.go.clear()
        async with running(b.ask()) as (old,):
            await b.clock.settle()
            await b.change(replace(SETTINGS, base_url="http://other", max_in_flight=1))
            async with running(b.ask()) as (new,):
                await b.clock.advance(1)
                assert b.upstream.urls == ["http://api/v1/tasks/query"]
                b.upstream.go.set()
                await b.clock.advance(1)
                await asyncio.gather(old, new)
        assert b.upstream.urls[1] == "http://other/v1/tasks/query"


async def test_another_source_of_the_key_is_read() -> None:
    async with bench(environ={"KEY": KEY, "OTHER": OTHER_KEY}) as b:
        b.upstream.status = 401
        await b.fail()
        b.upstream.status = 200
        await b.change(replace(SETTINGS, api_key_env="OTHER"))
        await b.clock.advance(0.1)
        await b.ask()
        assert b.upstream.keys == [KEY, OTHER_KEY]


async def test_what_the_old_key_had_left_is_not_shown_for_another() -> None:
    async with bench(environ={"KEY": KEY, "OTHER": OTHER_KEY}) as b:
        b.upstream.headers = {"X-Quota-Remaining-Credits": "0.00", "X-Org-Quota-Remaining-Credits": "7"}
        await b.ask()
        await b.change(replace(SETTINGS, api_key_env="OTHER"))
        assert b.account.quota == Quota()
        b.upstream.headers = {"X-Org-Quota-Remaining-Credits": "7"}
        await b.clock.advance(0.1)
        await b.ask()
        assert b.account.quota == Quota(org_remaining_credits=7.0)


async def test_equal_settings_change_nothing() -> None:
    async with bench() as b:
        await b.change(replace(SETTINGS))
        await b.ask()
        assert b.events() == []


async def test_nothing_changes_before_the_commit_nor_by_what_is_discarded() -> None:
    async with bench(environ={"KEY": KEY, "OTHER": OTHER_KEY}) as b:
        other = replace(SETTINGS, base_url="http://other", api_key_env="OTHER", max_in_flight=1)
        change = await b.account.prepare(other)
        await b.ask()
        await change.discard()
        await b.clock.advance(1)
        await b.ask()
        assert (b.account.settings, b.account.max_in_flight) == (SETTINGS, 2)
        assert (b.upstream.keys, set(b.upstream.urls)) == ([KEY, KEY], {"http://api/v1/tasks/query"})
        assert b.events() == []
        change = await b.account.prepare(other)
        change.commit()
        await change.discard()
        await b.clock.advance(1)
        await b.ask()
        assert (b.account.settings, b.account.max_in_flight) == (other, 1)
        assert (b.upstream.keys[-1], b.upstream.urls[-1]) == (OTHER_KEY, "http://other/v1/tasks/query")


async def test_who_waits_goes_by_the_new_settings_at_once() -> None:
    async with bench(replace(SETTINGS, max_requests_per_second=0.01)) as b:
        await b.ask()
        async with running(b.ask()) as (waiting,):
            await b.clock.advance(10)
            assert not waiting.done()
            await b.change(SETTINGS)
            await b.clock.settle()
            assert waiting.done()


async def test_nothing_that_blocks_is_done_on_the_loop() -> None:
    threads: list[int] = []

    class Environ(dict[str, str]):
        def get(self, name: str, default: object = None) -> Any:
            threads.append(threading.get_ident())
            return super().get(name, default)

    account = await Account.open(
        SETTINGS,
        clock=FakeClock(),
        requests=Requests(),
        logger=structlog.get_logger(),
        random=Random(1),
        transport=httpx.MockTransport(Upstream()),
        environ=Environ(KEY=KEY, OTHER=OTHER_KEY),
    )
    change = await account.prepare(replace(SETTINGS, api_key_env="OTHER"))
    change.commit()
    await account.aclose()
    assert len(threads) == 2
    assert threading.get_ident() not in threads


async def test_certificates_that_cannot_be_read_are_told_before_anything_changes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    account = await Account.open(
        SETTINGS, clock=FakeClock(), requests=Requests(), logger=structlog.get_logger(), random=Random(1), environ={}
    )
    monkeypatch.setattr(Outbound, "tls_context", lambda _: (tmp_path / "none").read_bytes())
    with pytest.raises(DispatcherError, match="certificates of those who are trusted"):
        await account.prepare(replace(SETTINGS, base_url="https://other"))
    assert account.settings is SETTINGS
    await account.aclose()


async def test_no_stream_may_be_opened_before_a_query_was_answered_nor_after_one_failed() -> None:
    async with bench() as b:
        assert not await b.may_stream()
        await b.ask()
        await b.clock.advance(1)
        assert await b.may_stream()
        b.upstream.status = 400
        await b.fail()
        await b.clock.advance(1)
        assert not await b.may_stream()
        with pytest.raises(RuntimeError, match="no stream"):
            await b.listen()
        assert (b.account.in_flight, b.account.streams) == (0, 0)


async def test_a_stream_holds_its_slot_and_the_last_one_is_for_queries() -> None:
    async with bench() as b:
        await b.ask()
        await b.clock.advance(1)
        async with running(b.listen()) as (listening,):
            await b.clock.advance(1)
            assert (b.account.in_flight, b.account.streams) == (1, 1)
            async with b.account.permit() as permit:
                assert not b.account.may_stream()
                await permit.query(REF)
            assert not listening.done()
            b.upstream.events.queue.put_nowait(None)
            assert await listening == []
        assert (b.account.in_flight, b.account.streams) == (0, 0)


async def test_the_slot_of_a_stream_is_taken_until_the_block_is_left() -> None:
    async with bench() as b:
        await b.ask()
        await b.clock.advance(1)
        async with b.account.permit() as permit:
            async with permit.stream(REF) as answers:
                b.upstream.events.queue.put_nowait(None)
                assert [answer async for answer in answers] == []
            assert (b.account.in_flight, b.account.streams) == (1, 1)
        assert (b.account.in_flight, b.account.streams) == (0, 0)


async def test_a_stream_is_one_request_that_lasts_until_its_headers() -> None:
    async with bench() as b:
        await b.ask()
        b.upstream.seconds, b.upstream.headers = 1.25, {"X-Quota-Remaining-Credits": "5"}
        await b.clock.advance(1)
        async with running(b.listen()) as (listening,):
            await b.clock.advance(30)
            assert b.account.quota == Quota(remaining_credits=5.0)
            for status in ("queued", "queued", "paused"):
                b.upstream.events.tell(status=status)
            heard_at = b.clock.wall()
            await b.clock.advance(30)
            assert len(b.requests.finished) == 1, "it is counted when it ends"
            await b.clock.advance(30)
            b.upstream.events.queue.put_nowait(None)
            assert len(await listening) == 3
        assert b.account.last_success_at == heard_at
        drift = (Drift.LEGACY_SHAPE, Drift.UNKNOWN_STATUS)
        assert b.requests.finished[1:] == [("default", "tasks/stream", 1.25, None, drift)]


async def test_a_stream_that_is_left_counts_as_a_request_and_not_as_a_failure() -> None:
    async with bench() as b:
        await b.ask()
        await b.clock.advance(1)
        async with running(b.listen()):
            await b.clock.advance(1)
        assert b.account.in_flight == 0
        assert b.requests.finished[1:] == [("default", "tasks/stream", 0.0, None, ())]


async def test_a_stream_that_is_left_before_its_headers_counts_for_nothing() -> None:
    async with bench() as b:
        await b.ask()
        b.upstream.go.clear()
        await b.clock.advance(1)
        async with running(b.listen()):
            await b.clock.advance(1)
        assert (b.account.in_flight, len(b.requests.finished)) == (0, 1)


@pytest.mark.parametrize(
    ("status", "reason", "is_held"),
    [
        (401, Reason.INVALID_API_KEY, True),
        (402, Reason.PAYMENT, True),
        (403, Reason.FORBIDDEN, True),
        (429, Reason.RATE_LIMITED, True),
        (503, Reason.SERVER, False),
        (405, Reason.BAD_ROUTE, False),
        (204, Reason.BAD_RESPONSE, False),
    ],
)
async def test_what_the_api_refuses_a_stream_for_holds_for_the_account(
    status: int, reason: Reason, is_held: bool
) -> None:
    async with bench() as b:
        await b.ask()
        b.upstream.status, b.upstream.headers = status, {"X-Org-Quota-Remaining-Credits": "3"}
        await b.clock.advance(1)
        with pytest.raises(DispatcherError) as caught:
            await b.listen()
        assert caught.value.reason is reason
        assert (b.account.suspension is not None, b.account.in_flight) == (is_held, 0)
        assert b.account.quota == Quota(org_remaining_credits=3.0)
        assert b.account.up, "that is for queries to say"
        assert b.requests.finished[1:] == [("default", "tasks/stream", 0.0, reason, ())]
        assert b.events() == (["polling_suspended"] if is_held else [])


@pytest.mark.parametrize("error", [httpx.ReadError("reset"), httpx.ReadTimeout("silence")])
async def test_a_stream_that_breaks_holds_nobody_back(error: Exception) -> None:
    async with bench() as b:
        await b.ask()
        b.upstream.seconds = 0.5
        await b.clock.advance(1)
        async with running(b.listen()) as (listening,):
            await b.clock.advance(9)
            b.upstream.events.queue.put_nowait(error)
            await b.clock.advance(1)
            assert isinstance(listening.exception(), DispatcherError)
        assert (b.account.suspension, b.account.in_flight) == (None, 0)
        assert [(seconds, failure is None) for _, _, seconds, failure, _ in b.requests.finished[1:]] == [(0.5, False)]
