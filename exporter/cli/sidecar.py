"""The sidecar within ``serve``: made where the configuration asks for one, and ended before everything else."""

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
from structlog.typing import FilteringBoundLogger

from exporter.cli.exits import CannotStart
from exporter.cli.options import ListenAddress
from exporter.dispatcher.faults import named_environment
from exporter.proxy.following import ExporterFollowing
from exporter.proxy.sidecar import Sidecar
from exporter.proxy.watching import TrafficWatcher
from exporter.service.exporter import Exporter
from exporter.settings.model import ProxySettings
from exporter.threads import in_thread
from exporter.web.server import address_of, listen

DRAIN_SECONDS = 2.0
"""How long requests may take to pass once it stops."""


@asynccontextmanager
async def sidecar(exporter: Exporter, log: FilteringBoundLogger) -> AsyncIterator[None]:
    """Let requests pass within the block, where the settings want it; raises CannotStart."""
    settings = exporter.settings.proxy
    if settings is None:
        yield
        return
    listener = _bound(settings)
    following = ExporterFollowing(exporter, tls=await in_thread(_tls))
    watcher = TrafficWatcher(following, exporter.accounting, clock=exporter.clock, log=log)
    running = Sidecar(
        listener,
        watcher,
        upstream_timeout=lambda: (exporter.settings.proxy or settings).upstream_timeout,
        clock=exporter.clock,
    )
    exporter.count_proxied(lambda: watcher.in_flight)
    await running.start()
    log.info("proxy_listening", address=address_of(listener))
    sweeping = asyncio.create_task(running.run())
    try:
        yield
    finally:
        sweeping.cancel()
        with suppress(asyncio.CancelledError):
            await sweeping
        await running.stop(deadline=DRAIN_SECONDS)


def _tls() -> ssl.SSLContext:
    with named_environment():
        context = httpx.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _bound(settings: ProxySettings) -> socket.socket:
    address = ListenAddress.parse(settings.listen_address)
    try:
        return listen(address.host, address.port)
    except OSError as error:
        raise CannotStart(f"proxy: cannot listen on {address}: {os.strerror(error.errno or 0)}") from None
