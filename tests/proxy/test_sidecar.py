"""The sidecar's own loops: what ends the taking of clients ends the loop that is watched over, too."""

import asyncio
import socket
from unittest.mock import Mock

import pytest

from exporter.proxy.exchange import Watcher
from exporter.proxy.sidecar import Sidecar
from tests.support.fake_clock import FakeClock


async def test_a_sidecar_that_takes_no_clients_any_more_is_no_loop_that_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(Sidecar, "_accept", fail)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        clock = FakeClock()
        sidecar = Sidecar(
            listener, Mock(spec=Watcher), upstream_timeout=lambda: 1.0, clock=clock, refused=lambda _: None
        )
        sidecar.start()
        running = asyncio.create_task(sidecar.run())
        await clock.advance(2.0)
        with pytest.raises(RuntimeError, match="unforeseen"):
            await running
