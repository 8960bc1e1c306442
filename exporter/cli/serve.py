"""``bytespike-exporter serve``: poll the configured tasks and serve what is known of them."""

import asyncio
import os
import platform
import socket
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import click
import structlog
from structlog.typing import FilteringBoundLogger

from exporter import lookups
from exporter.cli import options
from exporter.cli.activation import handed_over as sockets_of_systemd
from exporter.cli.addresses import Address, listening
from exporter.cli.exits import ExitCode
from exporter.cli.garbage import leave_alone, pauses_bounded
from exporter.cli.sidecar import connections_out, sidecar
from exporter.cli.signals import Signals
from exporter.cli.supervision import Supervisor
from exporter.cli.turns import short_turns
from exporter.clock import SystemClock
from exporter.errors import ExporterError
from exporter.log_lines import BackgroundHandler
from exporter.logs import LogFormat, LogLevel, Secrets, configure
from exporter.metrics.families.own import Credential
from exporter.metrics.snapshot import BuildView
from exporter.metrics.traffic import Ending
from exporter.service.dependencies import Dependencies
from exporter.service.exporter import Exporter
from exporter.service.replication import Itself
from exporter.settings.checks import warnings
from exporter.settings.confidential import sources_of
from exporter.settings.load import load
from exporter.settings.model import Settings
from exporter.summed import SummedLog
from exporter.version import revision, version
from exporter.web.app import create_app, vital
from exporter.web.guesses import Guesses
from exporter.web.interfaces import RunningExporter
from exporter.web.operations import log_refusal
from exporter.web.places import capacity
from exporter.web.server import WebServer
from exporter.web.site import Site

if TYPE_CHECKING:  # loaded where it is wanted
    from exporter.web.toolkit.web_config import WebConfig

STOP_SECONDS = 10
"""How long stopping may take in all."""

DRAIN_SECONDS = 6.0
"""Of these, what the exporter has at most: the web server takes up to 2, and a sidecar up to 5."""

END_SECONDS = 1.0
"""Of these, what ending the process has."""


class ServerDied(click.ClickException):
    """The web server ended though nobody stopped it."""

    exit_code = 4


@click.command("serve")
@options.config_file
@options.listening
@options.site
@options.web_config_file
@options.replica_id
@options.log_options
def command(
    *,
    config_file: Path,
    addresses: tuple[Address, ...],
    handed_over: bool,
    site: Site,
    web_config_file: Path | None,
    replica_id: str,
    log_level: LogLevel,
    log_format: LogFormat,
) -> None:
    """Poll the configured tasks and serve /metrics.

    SIGTERM and SIGINT stop it within 10 seconds, a second one at once; SIGHUP reads the configuration again.

    Exit codes: 0 it was stopped, 1 the configuration has faults, 2 the command line is wrong, 3 it cannot start, 4 the
    web server ended by itself, 70 it crashed. With --log.format=json the reason is a line of the log.
    """
    secrets = Secrets()
    lines = BackgroundHandler()
    configure(level=log_level, log_format=log_format, secrets=secrets, handler=lines)
    with lines.flushed():
        settings = load(config_file)
        log: FilteringBoundLogger = structlog.get_logger()
        sources_of(settings, secrets, os.environ)  # known before anything is said
        for warning in warnings(settings, os.environ):
            log.warning("config_warning", warning=warning)
        web = _web_config(web_config_file, log)
        dependencies = Dependencies(
            clock=SystemClock(),
            random=Random(),
            environ=os.environ,
            secrets=secrets,
            take_dropped_lines=lines.take_dropped,
        )
        bound = sockets_of_systemd(os.environ) if handed_over else listening(addresses)
        with pauses_bounded(), short_turns(), bound as listeners:
            has_run = lookups.run(
                _serve(
                    settings,
                    config_file,
                    listeners,
                    site,
                    log,
                    web=web,
                    itself=Itself(replica_id, _url(site, listeners)),
                    dependencies=dependencies,
                )
            )
    if not has_run:
        os._exit(ExitCode.OK)  # a ledger that is opened still may take minutes, and bears being left at any instant


async def _serve(
    settings: Settings,
    config_file: Path,
    listeners: Sequence[socket.socket],
    site: Site,
    log: FilteringBoundLogger,
    *,
    web: "WebConfig | None",
    itself: Itself,
    dependencies: Dependencies,
) -> bool:
    """Serve until a signal asks to stop; False where that was before it could begin."""
    signals = Signals(deadline=STOP_SECONDS)
    signals.install()
    exporter = Exporter(
        settings,
        config_file=config_file,
        build=BuildView(version(), revision(), platform.python_version()),
        dependencies=dependencies,
        log=log,
        itself=itself,
    )
    guesses = Guesses(exporter.clock, count=exporter.credentials_refused, log=SummedLog(log, exporter.clock))
    # before anything waits for the loop: it reads templates
    app = create_app(exporter, log=log, site=site, guesses=guesses)
    if not await _started(exporter, signals):
        log.info("stopped", phase="starting")
        return False
    leave_alone()
    server = WebServer(
        web.guard(app, partial(guesses.refused, Credential.BASIC_AUTH)) if web else app,
        listeners,
        vital=vital(site),
        measure=lambda: capacity(upstream=connections_out(exporter.settings)),
        encryption=web.encryption(partial(exporter.traffic.ended, Ending.HANDSHAKE)) if web else lambda: None,
        traffic=exporter.traffic,
        log=log,
        clock=exporter.clock,
    )
    try:
        async with sidecar(exporter, log):
            with web.watched() if web else nullcontext():
                await _run(exporter, server, signals, Supervisor.of(os.environ, log), log)
    finally:
        await exporter.stop(deadline=max(0.0, min(DRAIN_SECONDS, signals.left - END_SECONDS)))
        log.info("stopped")
    return True


async def _started(exporter: Exporter, signals: Signals) -> bool:
    """Start the exporter, unless a signal asks to stop before that is done."""
    starting, asked = asyncio.create_task(exporter.start()), asyncio.create_task(signals.stop.wait())
    await asyncio.wait({starting, asked}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if not starting.done():
        return False
    await starting
    return True


async def _run(
    exporter: RunningExporter, server: WebServer, signals: Signals, supervisor: Supervisor, log: FilteringBoundLogger
) -> None:
    """Serve and follow signals until one asks to stop."""
    serving = asyncio.create_task(server.serve())
    others = [
        asyncio.create_task(signals.stop.wait()),
        asyncio.create_task(_reload_when_asked(exporter, signals, supervisor, log)),
        asyncio.create_task(_announce(server, supervisor, log)),
        asyncio.create_task(supervisor.watch(exporter)),
    ]
    await asyncio.wait({serving, others[0]}, return_when=asyncio.FIRST_COMPLETED)
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    if not signals.stop.is_set():
        raise ServerDied(f"the web server ended by itself: {await _reason(serving)}")
    log.info("stopping")
    supervisor.stopping()
    server.stop()
    await serving


async def _announce(server: WebServer, supervisor: Supervisor, log: FilteringBoundLogger) -> None:
    await server.started()
    for address in server.addresses:
        log.info("listening", address=address, version=version())
    supervisor.serving(f"listening on {', '.join(server.addresses)}")


async def _reload_when_asked(
    exporter: RunningExporter, signals: Signals, supervisor: Supervisor, log: FilteringBoundLogger
) -> None:
    """Reload at each SIGHUP; several that come during one reload are one more."""
    while True:
        await signals.reload.wait()
        signals.reload.clear()
        supervisor.reloading(exporter.clock)
        supervisor.serving(await _reloaded(exporter, log))


async def _reloaded(exporter: RunningExporter, log: FilteringBoundLogger) -> str:
    """Reload; say in words what came of it."""
    try:
        await exporter.reload()
    except ExporterError as error:
        log_refusal(log, error)
    except Exception:
        log.exception("config_reload_failed")
    else:
        return "reloaded"
    return "the new configuration was refused, the old one goes on; see the log"


def _url(site: Site, listeners: Sequence[socket.socket]) -> str:
    """Where others find this exporter; empty where that cannot be told, as behind a socket in the file system."""
    if site.external_url.startswith("http"):
        return site.external_url
    ports = [listener.getsockname()[1] for listener in listeners if listener.family != socket.AF_UNIX]
    return f"http://{socket.gethostname()}:{ports[0]}{site.prefix}" if ports else ""


def _web_config(path: Path | None, log: FilteringBoundLogger) -> "WebConfig | None":
    if path is None:
        return None
    from exporter.web.toolkit.web_config import WebConfig

    web = WebConfig(path, log=log)
    for warning in web.warnings():
        log.warning("web_config_warning", file=str(path), warning=warning)
    log.info("web_config_read", file=str(path))
    return web


async def _reason(ended: asyncio.Task[None]) -> str:
    [error] = await asyncio.gather(ended, return_exceptions=True)
    return f"{type(error).__name__}: {error}" if error else "no reason given"
