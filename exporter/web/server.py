"""The web server: uvicorn's HTTP on connections that we accept, in our event loop, leaving signals to us."""

import asyncio
import logging
import socket
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import structlog
import uvicorn
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp
from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock, SystemClock
from exporter.metrics.traffic import Ending, Traffic, TrafficView
from exporter.summed import SummedLog
from exporter.web.accepting import Accepting, Encryption
from exporter.web.connection import WRITES_A_TURN, Connection, Deadlines, House
from exporter.web.gate import Gate
from exporter.web.listening import address_of
from exporter.web.places import Capacity, Places, capacity

DRAIN_SECONDS = 2.0
"""How long answers under way may take once the server stops."""

LAST_SECONDS = 0.5
"""How long what is cut off in its midst may take to end."""

LOOK_SECONDS = 0.02


class WebServer:
    """One app on listening sockets, at least one; it closes them when it stops.

    ``vital`` are the paths that are answered even where there are too many connections for all others. ``measure`` says
    how many there may be, ``deadlines`` how long each may take, ``encryption`` what a new one is encrypted with.
    ``traffic`` is told of them, and the log in sums.
    """

    def __init__(
        self,
        app: ASGIApp,
        listeners: Sequence[socket.socket],
        *,
        vital: Collection[str] = (),
        measure: Callable[[], Capacity] | None = None,
        deadlines: Deadlines | None = None,
        encryption: Encryption = lambda: None,
        traffic: Traffic | None = None,
        log: FilteringBoundLogger | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._listeners = tuple(listeners)
        self._deadlines = deadlines or Deadlines()
        self._encryption = encryption
        self._traffic = traffic or Traffic()
        self._log = log or structlog.get_logger()
        self._summed = SummedLog(self._log, clock or SystemClock())
        self._places = Places(measure or partial(capacity, upstream=0))
        self._traffic.show(lambda: TrafficView(len(self._places), self._places.capacity.most))
        self._server = _Server(self._config(Gate(app, self._places, vital=vital)), self)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it listens, each as ``address_of`` says it."""
        return tuple(address_of(listener) for listener in self._listeners)

    async def serve(self) -> None:
        """Answer requests until ``stop`` is called and what was under way has been answered."""
        await run_in_threadpool(bool)  # Starlette imports its part for asyncio at its first use: 40 ms, better now
        await self._server.serve()

    async def started(self) -> None:
        """Return once requests are answered, on every socket."""
        await self._server.has_started.wait()

    def stop(self) -> None:
        """Take no more requests."""
        self._server.should_exit = True

    def _config(self, app: ASGIApp) -> uvicorn.Config:
        return uvicorn.Config(
            app,
            http="h11",  # not whichever is installed
            lifespan="off",
            ws="none",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=self._deadlines.idle,  # type: ignore[arg-type] # it is given to call_later
        )

    # ---- connections -------------------------------------------------------------------------------------------------

    def accepting(self) -> Accepting:
        """What takes new connections."""
        house = House(
            self._places, self._deadlines, self._ended, _logger(self._summed), asyncio.Semaphore(WRITES_A_TURN)
        )
        return Accepting(
            self._listeners,
            self._places,
            welcome=lambda: Connection(self._server.config, self._server.server_state, house),
            ended=self._ended,
            unable=lambda reason: self._summed.warning("connections_not_accepted", reason),
            encryption=self._encryption,
            handshake_seconds=self._deadlines.head,
        )

    def _ended(self, why: Ending, client: str | None = "") -> None:
        self._traffic.ended(why)
        if client is not None:
            self._summed.warning("connections_closed", str(why), client=client)

    async def drain(self) -> None:
        """Let what is under way come to its end, and cut off what does not in time."""
        for guest in self._places.guests:
            guest.shutdown()
        if await _within(DRAIN_SECONDS, self._is_done):
            return
        late = self._places.guests
        for guest in late:
            guest.cut(Ending.STOPPING)
        if not await _within(LAST_SECONDS, self._is_done):
            for task in self._server.server_state.tasks:
                task.cancel()
            await _within(LAST_SECONDS, self._is_done)

    def _is_done(self) -> bool:
        return not self._server.server_state.connections and not self._server.server_state.tasks

    def close(self) -> None:
        """Say in the log what has not been said yet."""
        self._summed.close()


class _Server(uvicorn.Server):
    """Accepts and stops as the web server does it, and does not touch signals: SIGHUP and a second SIGTERM mean
    something here."""

    def __init__(self, config: uvicorn.Config, web: WebServer) -> None:
        super().__init__(config)
        self._web = web
        self._accepting: Accepting | None = None
        self.has_started = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
        self._accepting = self._web.accepting()
        self._accepting.start()
        self.started = True
        self.has_started.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
        if self._accepting is not None:
            await self._accepting.close()
        await self._web.drain()
        self._web.close()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _within(seconds: float, look: Callable[[], bool]) -> bool:
    """Whether something comes to be so in time."""
    try:
        async with asyncio.timeout(seconds):
            while not look():  # noqa: ASYNC110 - what is waited for sets no event
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError:
        return look()
    return True


class _Faults(logging.Handler):
    """Takes uvicorn's word for it that an answer has failed: a fault of ours, which strangers may repeat at will."""

    def __init__(self, summed: SummedLog) -> None:
        super().__init__(logging.ERROR)
        self._summed = summed

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, asyncio.CancelledError):  # it was cut off while stopping
            return
        kind = type(error).__name__ if error else record.getMessage()
        self._summed.error("request_failed", kind, exc_info=error)


def _logger(summed: SummedLog) -> logging.Logger:
    """A logger of nobody else's, for uvicorn to write to."""
    logger = logging.Logger("web", logging.ERROR)  # noqa: LOG001 - no part of the process's own tree
    logger.addHandler(_Faults(summed))
    return logger
