"""Connections: to whichever address answers, and none is left open where nobody waits for it any more."""

import asyncio
import gc
import socket
import warnings
from collections.abc import AsyncIterator

import pytest

from exporter.connecting import connect


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_connection_is_opened(port: int) -> None:
    protocol = await connect(Greeter, host="127.0.0.1", port=port, tls=None)
    assert protocol.transport is not None
    assert protocol.transport.get_extra_info("peername") == ("127.0.0.1", port)
    protocol.transport.abort()
    await protocol.gone.wait()


async def test_an_address_that_refuses_gives_way_to_the_next(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async def both(*_: object, **__: object) -> list[tuple[object, ...]]:
        kind = (socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [
            (socket.AF_INET6, *kind, ("::1", port, 0, 0)),
            (socket.AF_INET, *kind, ("127.0.0.1", port)),
        ]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", both)
    protocol = await connect(Greeter, host="both", port=port, tls=None)
    assert protocol.transport is not None
    protocol.transport.abort()
    await protocol.gone.wait()


async def test_nobody_answers() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError):
            await connect(Greeter, host="127.0.0.1", port=bound.getsockname()[1], tls=None)


async def test_whoever_is_cancelled_at_any_step_leaves_no_socket_open(port: int) -> None:
    gc.collect()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        for steps in range(30):
            opening = asyncio.create_task(connect(Greeter, host="127.0.0.1", port=port, tls=None))
            for _ in range(steps):
                await asyncio.sleep(0)
            opening.cancel()
            await asyncio.wait([opening])
            if not opening.cancelled():
                transport = opening.result().transport
                assert transport is not None
                transport.abort()
            del opening
        for _ in range(5):
            await asyncio.sleep(0)
        gc.collect()
    assert [str(warning.message) for warning in told] == []


class Greeter(asyncio.Protocol):
    """Keeps its transport, and tells when the connection is gone."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()
