import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

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
