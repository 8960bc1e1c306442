"""The sidecar within ``serve``: made where the configuration asks for one, and ended before everything else."""

import os
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial

from structlog.typing import FilteringBoundLogger

from exporter.cli.addresses import ListenAddress, listening
from exporter.outbound import Outbound
from exporter.proxy.following import ExporterFollowing
from exporter.proxy.sidecar import CONNECTIONS, Sidecar
from exporter.proxy.watching import TrafficWatcher
from exporter.service.exporter import Exporter
from exporter.settings.model import ProxySettings, Settings
from exporter.summed import SummedLog
from exporter.threads import in_thread
from exporter.web.listening import address_of
from exporter.web.places import ELSEWHERE

DRAIN_SECONDS = 2.0
"""How long requests may take to pass once it stops."""

LOOP = "proxy"
"""Should it die, the exporter is unhealthy."""

FEWEST = 4
"""So many clients are tried even where there are no descriptors for them."""


def connections_out(settings: Settings) -> int:
    """How many descriptors polls and the sidecar may take at once: two for each of its clients."""
    return _polls(settings) + 2 * clients_at_once(settings)


def clients_at_once(settings: Settings) -> int:
    """How many clients the sidecar takes: half of the descriptors that polls leave may be theirs."""
    if settings.proxy is None:
        return 0
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return CONNECTIONS
    return max(FEWEST, min(CONNECTIONS, (soft - ELSEWHERE - _polls(settings)) // 4))


def _polls(settings: Settings) -> int:
    return sum(account.max_in_flight for account in settings.accounts)


@asynccontextmanager
async def sidecar(exporter: Exporter, log: FilteringBoundLogger) -> AsyncIterator[None]:
    """Let requests pass within the block, where the settings want it; raises CannotStart."""
    settings = exporter.settings.proxy
    if settings is None:
        yield
        return
    with listening([ListenAddress.parse(settings.listen_address)]) as [listener]:
        async with _running(exporter, settings, listener, log):
            yield


@asynccontextmanager
async def _running(
    exporter: Exporter, settings: ProxySettings, listener: socket.socket, log: FilteringBoundLogger
) -> AsyncIterator[None]:
    outbound, tls = await in_thread(partial(_way_out, os.environ))
    following = ExporterFollowing(exporter, outbound=outbound, tls=tls)
    summed = SummedLog(log, exporter.clock)  # applications cause its lines, as often as they ask
    watcher = TrafficWatcher(following, exporter.accounting, clock=exporter.clock, log=summed)
    running = Sidecar(
        listener,
        watcher,
        upstream_timeout=lambda: (exporter.settings.proxy or settings).upstream_timeout,
        clock=exporter.clock,
        refused=exporter.accounting.client_refused,
        clients=lambda: clients_at_once(exporter.settings),
    )
    exporter.count_proxied(lambda: watcher.in_flight)
    running.start()
    log.info("proxy_listening", address=address_of(listener))
    exporter.loops.start(LOOP, running.run())
    try:
        yield
    finally:
        await exporter.loops.stop(LOOP)
        if left := await running.stop(deadline=DRAIN_SECONDS):
            log.warning("proxy_learning_abandoned", left=left)
        summed.close()


def _way_out(environ: Mapping[str, str]) -> tuple[Outbound, ssl.SSLContext]:
    outbound = Outbound.of(environ)
    context = outbound.tls_context()
    context.set_alpn_protocols(["http/1.1"])
    return outbound, context
