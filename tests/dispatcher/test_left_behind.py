"""What an exchange leaves behind: nothing that waits for the collector of garbage, which looks at old things seldom."""

import asyncio
import gc
from collections.abc import Iterator

import httpx
import pytest

from exporter.dispatcher.answer import DispatcherError, Reason
from exporter.dispatcher.client import DispatcherClient
from exporter.dispatcher.http1 import HttpConnection
from exporter.tasks.identity import TaskRef
from tests.support.raw_server import Handler, raw_server, reset, response

OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def without_collections() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def silence(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60.0)


async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    reset(writer)


def standing() -> int:
    return sum(isinstance(each, HttpConnection) for each in gc.get_objects())


def faults() -> int:
    return sum(isinstance(each, (DispatcherError, httpx.HTTPError)) for each in gc.get_objects())


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (OK + b"Content-Length: 9\r\n\r\n{", Reason.TRUNCATED),
        (b"\x16\x03\x01 not HTTP", Reason.NETWORK),
        (b"", Reason.NETWORK),
        (hang_up, Reason.NETWORK),
        (silence, Reason.TIMEOUT),
        (response(b"{}", status="500 Error"), Reason.SERVER),
        (response(b"[]"), Reason.BAD_RESPONSE),
    ],
    ids=["truncated", "no http", "closed", "reset", "silent", "refused", "nonsense"],
)
@pytest.mark.usefixtures("without_collections")
async def test_a_failed_query_leaves_no_garbage(answer: bytes | Handler, reason: Reason) -> None:
    timeout = 0.05 if reason is Reason.TIMEOUT else 20.0
    before = standing(), faults()
    async with raw_server(answer) as server:
        client = DispatcherClient(
            server.url, key=lambda: "sk-byts-0123456789", timeout=timeout, max_in_flight=2, wall=lambda: 0.0
        )
        with pytest.raises(DispatcherError) as raised:
            await client.query(TaskRef("one", "task_1"))
        assert raised.value.reason is reason
        del raised
        await client.aclose()
    await asyncio.sleep(0)
    assert (standing(), faults()) == before
