"""Connections that find no place, and descriptors that have run out. Over real sockets."""

import asyncio
import errno
import socket
from typing import Any

import pytest
import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from structlog.testing import capture_logs

from exporter.metrics.traffic import Ending, Traffic, TrafficView
from exporter.web.places import Capacity
from tests.support.sockets import serving, until

CLOSE = b"Host: x\r\nConnection: close\r\n\r\n"


class Busy:
    """An app with a path that takes as long as the test wants, and one that is vital."""

    def __init__(self) -> None:
        self.entered = 0
        self.release = asyncio.Event()
        self.app = Starlette(routes=[Route("/slow", self._slow), Route("/metrics", self._quick)])

    async def _slow(self, _request: Request) -> Response:
        self.entered += 1
        await self.release.wait()
        return PlainTextResponse("done")

    async def _quick(self, _request: Request) -> Response:
        return PlainTextResponse("page")


async def test_where_all_are_being_answered_only_the_vital_is() -> None:
    busy = Busy()
    async with serving(busy.app, vital=["/metrics"], measure=lambda: Capacity(1, 2)) as web:
        first = asyncio.create_task(web.told(b"GET /slow HTTP/1.1\r\n" + CLOSE))
        await until(lambda: busy.entered)
        refused = await web.told(b"GET /slow HTTP/1.1\r\n" + CLOSE)
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1" in refused.lower()
        assert (await web.told(b"GET /metrics HTTP/1.1\r\n" + CLOSE)).endswith(b"page")
        busy.release.set()
        assert (await first).endswith(b"done")
        assert (await web.told(b"GET /slow HTTP/1.1\r\n" + CLOSE)).endswith(b"done"), "there is room again"


async def test_who_finds_no_place_at_all_is_told_so() -> None:
    busy, traffic = Busy(), Traffic()
    async with serving(busy.app, measure=lambda: Capacity(1, 1), traffic=traffic) as web:
        first = asyncio.create_task(web.told(b"GET /slow HTTP/1.1\r\n" + CLOSE))
        await until(lambda: busy.entered)
        assert traffic.view == TrafficView(connections=1, limit=1)
        refused = await web.told(b"")
        assert refused.startswith(b"HTTP/1.1 503 ")
        head, _, body = refused.partition(b"\r\n\r\n")
        assert f"Content-Length: {len(body)}".encode() in head
        assert traffic.take_endings() == {Ending.REFUSED: 1}
        busy.release.set()
        await first


async def test_an_idle_connection_makes_room() -> None:
    busy, traffic = Busy(), Traffic()
    async with serving(busy.app, measure=lambda: Capacity(1, 1), traffic=traffic) as web:
        reader, writer = await web.connect(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"page")
        assert (await web.told(b"GET /metrics HTTP/1.1\r\n" + CLOSE)).endswith(b"page")
        assert await reader.read() == b""
        assert traffic.take_endings() == {Ending.EVICTED: 1}
        writer.close()


async def test_where_the_kernel_says_no_without_end_others_have_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where whoever shares a socket of systemd with us has shut it down."""

    async def never(_listener: socket.socket) -> Any:
        raise OSError(errno.EINVAL, "no")

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_accept", never)
    async with asyncio.timeout(20), serving(Busy().app):
        await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    "number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EPERM, errno.ECONNABORTED]
)
async def test_where_descriptors_have_run_out_it_goes_on_soon_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    loop, fails = asyncio.get_running_loop(), 20
    accept = loop.sock_accept

    async def without_descriptors(listener: socket.socket) -> Any:
        nonlocal fails
        accepted = await accept(listener)
        if fails:
            fails -= 1
            accepted[0].close()
            raise OSError(number, "no")
        return accepted

    monkeypatch.setattr(loop, "sock_accept", without_descriptors)
    with capture_logs() as lines:
        async with serving(Busy().app, log=structlog.get_logger()) as web:
            while fails:
                await web.told(b"")
            assert (await web.told(b"GET /metrics HTTP/1.1\r\n" + CLOSE)).endswith(b"page")
    told = [(line["event"], line["kind"], line.get("times", 1)) for line in lines]
    name = errno.errorcode[number]
    expected = [("connections_not_accepted", name, 1), ("connections_not_accepted", name, 19)]
    assert told == ([] if number == errno.ECONNABORTED else expected)
