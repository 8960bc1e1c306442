"""What a connection with TLS takes before its other end has said a word."""

import asyncio
import gc
import socket
import ssl
import tracemalloc
from pathlib import Path

import pytest

from exporter.web.encrypting import encrypted
from tests.support.certificates import LOCALHOST, Certificate

CONNECTIONS = 50


@pytest.fixture
def context(tmp_path: Path) -> ssl.SSLContext:
    made = Certificate.make(tmp_path, "server", names=LOCALHOST)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.cert, made.key)
    return context


async def test_silent_connections_take_a_record_each_and_end_in_time(context: ssl.SSLContext) -> None:
    """asyncio's own TLS takes 256 KiB."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        clients = [socket.create_connection(address) for _ in range(CONNECTIONS)]
        accepted = [listener.accept()[0] for _ in range(CONNECTIONS)]
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    waiting = [
        loop.create_task(encrypted(each, asyncio.Protocol(), context, handshake_seconds=0.5)) for each in accepted
    ]
    await asyncio.sleep(0.1)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    ended = await asyncio.gather(*waiting, return_exceptions=True)

    assert (after - before) / CONNECTIONS < 64 * 1024
    assert all(isinstance(each, OSError) for each in ended)
    for client in clients:
        client.close()
