import asyncio
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from exporter.web import listening
from exporter.web.listening import address_of, listen
from exporter.web.server import WebServer


async def test_it_answers_until_it_is_stopped_and_finishes_what_is_under_way() -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    async def slow(_request: Request) -> Response:
        entered.set()
        await release.wait()
        return PlainTextResponse("done")

    listener = listen("127.0.0.1", 0)
    server = WebServer(Starlette(routes=[Route("/", slow)]), [listener])
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
    server = WebServer(app, [listener])
    running = asyncio.create_task(server.serve())
    await server.started()
    return server, running, listener.getsockname()


async def hello(_request: Request) -> Response:
    return PlainTextResponse("hello")


async def test_it_answers_on_each_of_its_sockets_and_closes_them_all() -> None:
    listeners = [listen("127.0.0.1", 0) for _ in range(2)]
    web = WebServer(Starlette(routes=[Route("/", hello)]), listeners)
    running = asyncio.create_task(web.serve())
    await web.started()
    assert web.addresses == tuple(address_of(listener) for listener in listeners)
    async with httpx.AsyncClient() as client:
        for address in web.addresses:
            assert (await client.get(f"http://{address}/")).text == "hello"
    web.stop()
    await running
    assert [listener.fileno() for listener in listeners] == [-1, -1]


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux has it")
async def test_who_reads_nothing_of_an_answer_does_not_keep_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is closed after a while, but a closed one still waits for what was sent to be read."""
    monkeypatch.setattr(listening, "UNREAD_SECONDS", 1)
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
