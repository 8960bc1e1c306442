"""What ``serve`` does between starting and stopping, in this process."""

import asyncio

import pytest
import structlog
from structlog.testing import capture_logs

from exporter.cli.serve import ServerDied, _reload_when_asked, _run
from exporter.cli.signals import Signals
from exporter.cli.supervision import Supervisor
from exporter.ledger.ledger import LedgerError
from exporter.settings.errors import ConfigError, Fault
from exporter.web.app import create_app
from exporter.web.listening import listen
from exporter.web.server import WebServer
from tests.support.fake_exporter import FakeExporter

LOG = structlog.get_logger()


ALONE = Supervisor(LOG)


def server_of(exporter: FakeExporter) -> WebServer:
    return WebServer(create_app(exporter, log=LOG), [listen("127.0.0.1", 0)])


async def test_it_serves_until_it_is_asked_to_stop() -> None:
    exporter, signals = FakeExporter(), Signals(deadline=0)
    server = server_of(exporter)
    [address] = server.addresses
    with capture_logs() as logs:
        run = asyncio.create_task(_run(exporter, server, signals, ALONE, LOG))
        await server.started()
        await asyncio.sleep(0)
        signals.stop.set()
        await run
    assert [(line["event"], line.get("address")) for line in logs] == [("listening", address), ("stopping", None)]


@pytest.mark.parametrize("error", [RuntimeError("out of luck"), None])
async def test_a_server_that_ends_by_itself_is_an_error(
    error: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = FakeExporter()
    server = server_of(exporter)

    async def end() -> None:
        server._listeners[0].close()
        if error is not None:
            raise error

    monkeypatch.setattr(server, "serve", end)
    with pytest.raises(ServerDied) as caught:
        await _run(exporter, server, Signals(deadline=0), ALONE, LOG)
    assert caught.value.exit_code == 4
    assert str(caught.value).endswith("RuntimeError: out of luck" if error else "no reason given")


@pytest.mark.parametrize(
    ("refusal", "logged"),
    [
        (ConfigError([Fault("a.yml", 1, "x", "bad"), Fault("a.yml", 2, "y", "worse")]), ["config_reload_refused"] * 2),
        (LedgerError("full"), ["config_reload_refused"]),
        (RuntimeError("?"), ["config_reload_failed"]),
    ],
)
async def test_a_refused_reload_is_logged_and_the_next_one_tried(refusal: Exception, logged: list[str]) -> None:
    exporter, signals = FakeExporter(refusal=refusal), Signals(deadline=0)
    with capture_logs() as logs:
        reloading = asyncio.create_task(_reload_when_asked(exporter, signals, ALONE, LOG))
        for _ in range(2):
            signals.reload.set()
            for _ in range(5):
                await asyncio.sleep(0)
        reloading.cancel()
    assert exporter.reloads == [False, False]
    assert [line["event"] for line in logs] == logged * 2
