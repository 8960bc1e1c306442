"""What an account sends once more, over real connections: its limits hold for that, too."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random

import structlog
from structlog.testing import CapturingLogger

from exporter.clock import SystemClock
from exporter.dispatcher.account import Account
from exporter.dispatcher.answer import DispatcherError, Reason
from exporter.outbound import Outbound
from tests.dispatcher.bench import KEY, REF, SETTINGS, Requests
from tests.support.raw_server import Handler, raw_server, read_request

RECORD = b'HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n{"task_id": "task_1", "status": "running"}'
BUSY = b"HTTP/1.1 429 Busy\r\nContent-Length: 0\r\nRetry-After: 60\r\n\r\n"

RATE = 5.0


@asynccontextmanager
async def asking(handler: Handler) -> AsyncIterator[Account]:
    async with raw_server(handler) as server:
        account = Account(
            replace(SETTINGS, base_url=server.url, max_requests_per_second=RATE),
            clock=SystemClock(),
            requests=Requests(),
            logger=structlog.wrap_logger(CapturingLogger()),
            random=Random(7),
            environ={"KEY": KEY},
            outbound=Outbound.of({}),
        )
        yield account
        await account.aclose()


async def query(account: Account) -> None:
    async with account.permit() as permit:
        await permit.query(REF)


async def test_what_is_sent_once_more_keeps_the_rate() -> None:
    came: list[float] = []

    async def closing_at_the_second_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(time.monotonic())
        writer.write(RECORD)
        await read_request(reader)
        came.append(time.monotonic())

    async with asking(closing_at_the_second_request) as account:
        await query(account)
        await query(account)
    assert len(came) == 3
    assert came[2] - came[1] > 0.9 / RATE


async def test_nothing_is_sent_once_more_before_a_retry_after_is_over() -> None:
    answers = iter((RECORD, BUSY, RECORD))
    is_busy = asyncio.Event()

    async def closing_once_busy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = next(answers)
        writer.write(answer)
        await writer.drain()
        if answer is BUSY:
            is_busy.set()
        await read_request(reader)
        await is_busy.wait()

    async with asking(closing_once_busy) as account:
        await query(account)
        outcomes = await asyncio.gather(query(account), query(account), return_exceptions=True)
    assert [outcome.reason for outcome in outcomes if isinstance(outcome, DispatcherError)] == [
        Reason.NETWORK,
        Reason.RATE_LIMITED,
    ]
    assert next(answers) is RECORD, "nothing else was asked"
