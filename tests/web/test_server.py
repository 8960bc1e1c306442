import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from exporter.web import server
from exporter.web.server import WebServer, address_of, listen


def test_a_host_and_any_free_port() -> None:
    with listen("127.0.0.1", 0) as listener:
        host, port = listener.getsockname()
        assert address_of(listener) == f"{host}:{port}"
        assert port > 0


def test_a_name_is_looked_up() -> None:
    with listen("localhost", 0) as listener:
        assert listener.getsockname()[0] in ("127.0.0.1", "::1")


def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(socket.gaierror):
        listen("no-such-host.invalid", 0)


def test_no_host_means_every_interface() -> None:
    with listen("", 0) as listener:
        socket.create_connection(("127.0.0.1", listener.getsockname()[1])).close()


def test_a_machine_without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with listen("", 0) as listener:
        assert address_of(listener).startswith("0.0.0.0:")


@pytest.mark.parametrize(("number", "is_borne"), [(errno.EADDRNOTAVAIL, True), (errno.EADDRINUSE, False)])
def test_a_machine_whose_ipv6_is_switched_off(monkeypatch: pytest.MonkeyPatch, number: int, is_borne: bool) -> None:
    create_server = socket.create_server

    def without_ipv6(*args: Any, family: int, **kwargs: Any) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(number, "no")
        return create_server(*args, family=family, **{**kwargs, "dualstack_ipv6": False})

    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: True)
    monkeypatch.setattr(socket, "create_server", without_ipv6)
    if is_borne:
        listen("", 0).close()
        return
    with pytest.raises(OSError, match="no"):
        listen("", 0)


def test_an_ipv6_address_stands_in_brackets() -> None:
    class Six:
        def getsockname(self) -> tuple[str, int, int, int]:
            return ("::1", 9877, 0, 0)

    assert address_of(cast("socket.socket", Six())) == "[::1]:9877"


async def test_it_answers_until_it_is_stopped_and_finishes_what_is_under_way() -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    async def slow(_request: Request) -> Response:
        entered.set()
        await release.wait()
        return PlainTextResponse("done")

    listener = listen("127.0.0.1", 0)
    server = WebServer(Starlette(routes=[Route("/", slow)]), listener)
    url = f"http://{address_of(listener)}/"
    serving = asyncio.create_task(server.serve())
    await server.started()
    async with httpx.AsyncClient() as client:
        asked = asyncio.create_task(client.get(url))
        await entered.wait()
        server.stop()
        release.set()
        answer = await asked
        await serving
        assert answer.text == "done"
        assert "server" not in answer.headers
        with pytest.raises(httpx.ConnectError):
            await client.get(url)


async def serving(app: Starlette) -> tuple[WebServer, asyncio.Task[None], tuple[str, int]]:
    listener = listen("127.0.0.1", 0)
    server = WebServer(app, listener)
    running = asyncio.create_task(server.serve())
    await server.started()
    return server, running, listener.getsockname()


async def hello(_request: Request) -> Response:
    return PlainTextResponse("hello")


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHo"], ids=["nothing", "half a request"])
async def test_who_connects_and_does_not_ask_is_not_waited_for_without_end(
    monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    """Five hundred such connections would turn everybody else away."""
    monkeypatch.setattr(server, "KEEP_ALIVE_SECONDS", 0.05)
    web, running, address = await serving(Starlette(routes=[Route("/", hello)]))
    reader, writer = await asyncio.open_connection(*address)
    writer.write(sent)
    async with asyncio.timeout(10):
        assert await reader.read() == b""
    writer.close()
    web.stop()
    await running


async def test_an_answer_may_take_longer_than_its_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "KEEP_ALIVE_SECONDS", 0.05)

    async def slow(_request: Request) -> Response:
        await asyncio.sleep(0.2)
        return PlainTextResponse("done")

    web, running, (host, port) = await serving(Starlette(routes=[Route("/", slow)]))
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"http://{host}:{port}/")).text == "done"
    web.stop()
    await running


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux has it")
async def test_who_reads_nothing_of_an_answer_does_not_keep_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is closed after a while, but a closed one still waits for what was sent to be read."""
    monkeypatch.setattr(server, "UNREAD_SECONDS", 1)
    gone = asyncio.Event()

    async def long(_request: Request) -> Response:
        async def body() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield bytes(1 << 16)
                    await asyncio.sleep(0)
            finally:
                gone.set()

        return StreamingResponse(body())

    web, running, (host, port) = await serving(Starlette(routes=[Route("/", long)]))
    with socket.create_connection((host, port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(20):
            await gone.wait()
    web.stop()
    await running
