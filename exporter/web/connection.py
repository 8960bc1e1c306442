"""One connection: until when its other end has to ask, to send and to read, and how it is closed where it does not.

uvicorn speaks HTTP on it and waits without end. Here it is found out, after whatever happens on the connection, what it
waits for; each such phase has a deadline.
"""

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from logging import Logger
from typing import cast

import h11
import uvicorn
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from exporter.metrics.traffic import Ending
from exporter.web.places import Phase, Places

TOO_LONG = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE

SLOWEST = 4096
"""Bytes a second that a reader has to take of what was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """Seconds for each phase. ``head`` counts from the connection on, and from the first byte of each later request.

    ``idle`` is longer than the usual scrape intervals: Prometheus then keeps its connection. ``write`` is how long a
    reader may take less than ``SLOWEST``, of a closed connection, too.
    """

    head: float = 10.0
    body: float = 30.0
    write: float = 10.0
    idle: float = 75.0


RECEIVED_BYTES = 1 << 14
"""So much is taken from a socket at once. Requests that are sent in advance wait in the kernel; asyncio would take
256 KiB of them for each connection, and hold the loop for a head as long as that."""

SMALL_BYTES = 1 << 14
"""Answers up to this size, health among them, are written at once."""

WRITES_A_TURN = 16
"""So many larger pieces are written in one turn of the event loop, of all connections: a turn must not grow with how
many read at once."""


@dataclass(frozen=True, slots=True)
class House:
    """What all connections of a server share. ``ended`` is told of each that is closed on its other end, and whose it
    was; None where that is not worth a line in the log. Larger pieces are written by ``turns``.
    """

    places: Places
    deadlines: Deadlines
    ended: Callable[[Ending, str | None], None]
    log: Logger
    turns: asyncio.Semaphore


class Connection(H11Protocol):
    """Has a place from when it was accepted until its socket is closed."""

    def __init__(self, config: uvicorn.Config, state: ServerState, house: House) -> None:
        super().__init__(config, state, {})
        self._house = house
        self._app, self.app = config.loaded_app, self._answer
        self.logger = house.log
        self._phase = Phase.HEAD
        self._requests = 0
        self._waits_for: tuple[Phase, int] | None = None
        self._due: asyncio.TimerHandle | None = None
        self._unread_before = 0
        self._met = self._leaving = False
        self.greeting: asyncio.Task[None] | None = None
        house.places.move(self, self._phase)

    # ---- what happens on it ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        super().connection_made(transport)
        transport.max_size = RECEIVED_BYTES  # type: ignore[attr-defined] # TLS takes one record at a time anyway
        self._met = True
        self._look()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._look()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._look()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._look()

    def timeout_keep_alive_handler(self) -> None:
        self._close()

    def shutdown(self) -> None:
        """Close it, or have it closed after the answer that is under way."""
        if not self._met:
            self.cut(Ending.STOPPING)
        elif self._request is None:
            self._close()
        else:
            self._request.keep_alive = False

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone()
        super().connection_lost(exc)
        self._forget()

    def gone(self) -> None:
        """It has no place any more."""
        self._leaving = True
        self._rest()
        self._house.places.leave(self)
        if not self._met:
            self._forget()

    def _forget(self) -> None:
        """Let go of whatever leads back here.

        It is freed at once then. The collector might meet it while there is a crowd, and take it for what lasts
        (``cli/garbage.py``).
        """
        self._unset_keepalive_if_required()  # where the connection was reset uvicorn leaves it be
        self.app = self.cycle = self.greeting = None  # type: ignore[assignment] # uvicorn does not ask for them again

    @property
    def _request(self) -> RequestResponseCycle | None:
        """The one that is worked on; uvicorn does not say that there may be none."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return None if cycle is None or cycle.response_complete else cycle

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What uvicorn takes for the app. An answer that is given up in its midst is one that nobody reads."""
        cycle = self.cycle
        self._requests += 1
        try:
            await self._app(scope, receive, partial(_pass_on, self.flow, self._house.turns, send))
            if cycle.response_started and not cycle.response_complete and not cycle.disconnected:
                self.cut(Ending.WRITE_TIMEOUT)
        finally:
            self.loop.call_soon(self._look)  # uvicorn may close it now

    # ---- deadlines ---------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """See what it waits for now, and until when where that is something else than before."""
        if self._leaving:
            return
        phase = self._phase_now()
        waits_for = (phase, self._requests)
        if waits_for == self._waits_for:
            return
        self._waits_for = waits_for
        self._rest()
        seconds = self._seconds_for(phase)
        if seconds is not None:
            self._unread_before = self.unread
            self._due = self.loop.call_later(seconds, self._too_late)
        if phase is not self._phase:
            self._phase = phase
            self._house.places.move(self, phase)

    def _phase_now(self) -> Phase:
        if self.transport.is_closing():
            return Phase.CLOSING
        if self.flow.write_paused:
            return Phase.WRITING
        if self.conn.their_state is h11.SEND_BODY:
            return Phase.BODY
        if self._request is not None:
            return Phase.WORK
        return Phase.HEAD if not self._requests or self._has_begun_to_ask else Phase.IDLE

    @property
    def _has_begun_to_ask(self) -> bool:
        return self.conn.their_state is h11.ERROR or bool(self.conn.trailing_data[0])

    def _seconds_for(self, phase: Phase) -> float | None:
        deadlines = self._house.deadlines
        match phase:
            case Phase.HEAD:
                return deadlines.head
            case Phase.BODY:
                return deadlines.body
            case Phase.WRITING | Phase.CLOSING:
                return deadlines.write
            case Phase.IDLE | Phase.WORK:
                return None  # uvicorn closes what is idle; what is worked on is our affair

    def _too_late(self) -> None:
        match self._phase:
            case Phase.HEAD if not self._has_begun_to_ask:
                self._house.ended(Ending.HEAD_TIMEOUT, None)  # browsers connect in advance
                self._close()
            case Phase.HEAD:
                self._refuse(Ending.HEAD_TIMEOUT, HTTPStatus.REQUEST_TIMEOUT, "the request did not come in time")
            case Phase.BODY:
                self._refuse(Ending.BODY_TIMEOUT, HTTPStatus.REQUEST_TIMEOUT, "the body did not come in time")
            case Phase.WRITING | Phase.CLOSING:
                self._read_on()
            case Phase.IDLE | Phase.WORK:
                pass

    def _read_on(self) -> None:
        """Give whoever reads slowly, but reads, as long again."""
        seconds, unread = self._house.deadlines.write, self.unread
        if not unread:  # all has been read, but TLS waits for a farewell
            self.transport.abort()
            return
        if unread > self._unread_before - seconds * SLOWEST:
            self.cut(Ending.WRITE_TIMEOUT)
            return
        self._unread_before = unread
        self._due = self.loop.call_later(seconds, self._too_late)

    def _rest(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    # ---- the end -----------------------------------------------------------------------------------------------------

    @property
    def unread(self) -> int:
        """How many bytes wait for the other end to read them."""
        try:
            return self.transport.get_write_buffer_size() if self._met else 0
        except AttributeError:  # asyncio's TLS no longer knows what it has, once it was closed twice
            return 0

    def cut(self, why: Ending) -> None:
        """Close it at once, with a word where none has been said yet."""
        self._end(why)
        if self._met:
            self._say(HTTPStatus.SERVICE_UNAVAILABLE, "the connection is given up: try again")
            self._abandon()
            self.transport.abort()
        elif self.greeting is not None:
            self.greeting.cancel()
        self.gone()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls, as it catches the fault, where the other end does not speak HTTP.

        In the midst of an answer the connection is only closed.
        """
        fault = sys.exception()
        is_long = False
        if isinstance(fault, h11.RemoteProtocolError):
            is_long = fault.error_status_hint == TOO_LONG
            fault.__traceback__ = None  # h11 has it lead back to itself, and with it to this connection
        if is_long and self._request is None:
            self._refuse(Ending.BAD_REQUEST, TOO_LONG, "the head of the request is too long")
        else:
            self._refuse(Ending.BAD_REQUEST, HTTPStatus.BAD_REQUEST, msg)

    def _refuse(self, why: Ending, status: HTTPStatus, message: str) -> None:
        """Close it, with an answer where that is still possible."""
        self._end(why)
        self._say(status, message)
        self._abandon()
        self._close()

    def _say(self, status: HTTPStatus, message: str) -> None:
        """An answer of our own, where something has been asked or begun to be, and the app has not begun to answer."""
        is_due = self.conn.our_state is h11.SEND_RESPONSE or (
            self.conn.our_state is h11.IDLE and self._has_begun_to_ask
        )
        if not is_due or self.transport.is_closing():
            return
        body = f"{message}\n".encode("ascii")
        headers = [
            *self.server_state.default_headers,
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(body)).encode("ascii")),
            (b"connection", b"close"),
        ]
        answer = h11.Response(status_code=status, headers=headers, reason=status.phrase.encode("ascii"))
        self.transport.write(self.conn.send(answer))
        if self._request is None or self.scope["method"] != "HEAD":  # else it is told how long a body would be
            self.transport.write(self.conn.send(h11.Data(data=body)))
        self.transport.write(self.conn.send(h11.EndOfMessage()))

    def _abandon(self) -> None:
        """Whoever works at an answer finds that nobody waits for it."""
        if self._request is not None:
            self._request.disconnected = True
            self._request.message_event.set()
            self.flow.resume_writing()

    def _close(self) -> None:
        """Close it once what was sent has been read."""
        if not self.transport.is_closing():
            with suppress(h11.LocalProtocolError):  # it has been closed, as far as HTTP goes
                self.conn.send(h11.ConnectionClosed())
            self.transport.close()
        self._look()

    def _end(self, why: Ending) -> None:
        self._house.ended(why, self.client[0] if self.client else "")


async def _pass_on(flow: FlowControl, turns: asyncio.Semaphore, send: Send, message: Message) -> None:
    """Send it, by turns where it is large; whoever does not read waits outside."""
    if len(message.get("body", b"")) <= SMALL_BYTES:
        await send(message)
        return
    await flow.drain()
    async with turns:
        await send(message)
        await asyncio.sleep(0)
