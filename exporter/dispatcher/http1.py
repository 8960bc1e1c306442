"""One connection that speaks HTTP/1.1: a request's bytes out, one response in."""

import asyncio
import ssl
from typing import cast

import httpx

from exporter.dispatcher.exchange import Response
from exporter.dispatcher.reader import ResponseReader

# Answers are some hundred bytes; a longer one is read in turns. It is the connection's own: asyncio would otherwise
# make 256 KiB anew for each, which the allocator maps from the system and gives back (a third of a request's cost).
_BUFFER = 16 * 1024


class UnansweredError(httpx.RemoteProtocolError):
    """The connection ended before the first byte of an answer."""


class HttpConnection(asyncio.BufferedProtocol):
    """A connection to ask one thing at a time. While it is open it stands in ``standing``."""

    def __init__(self, *, standing: "set[HttpConnection]") -> None:
        self.opened_at = 0.0
        self.rested_at = 0.0
        """Loop times; for whoever keeps the connection, as the next."""
        self.deadline = 0.0
        self.lost = asyncio.Event()
        """Set when it has ended."""
        self._standing = standing
        self._buffer = memoryview(bytearray(_BUFFER))
        self._reader = ResponseReader()
        self._answer: asyncio.Future[Response] | None = None

    # ---- for whoever keeps it --------------------------------------------------------------------------------------

    def ask(self, request: bytes, answer: asyncio.Future[Response]) -> None:
        """Send a request over an open connection. Its response, or what went wrong, goes to ``answer``."""
        self._answer = answer
        self._reader.start()
        self._transport.write(request)

    @property
    def is_open(self) -> bool:
        """Whether it still stands: of one that is new, or was reusable and rested since, nothing else need be asked."""
        return not self._transport.is_closing()

    @property
    def is_reusable(self) -> bool:
        """Whether another request may follow: the last was sent whole, its answer came whole, and nothing behind it."""
        return (
            self._reader.may_go_on
            and self._answer is None
            and not self._transport.is_closing()
            and not self._transport.get_write_buffer_size()
        )

    def expire(self) -> None:
        """Let the exchange fail for want of time."""
        self._fail(httpx.ReadTimeout("no whole answer in time"))

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        self._answer = None
        self._transport.abort()

    # ---- what the transport calls ----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._standing.add(self)

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._answer is None:  # nobody has asked
            self.abort()
            return
        self._reader.feed(self._buffer[:nbytes])
        self._settle()

    def eof_received(self) -> None:
        if self._answer is None:
            return
        if self._reader.has_begun:
            self._reader.end()
            self._settle()
        else:
            self._fail(UnansweredError("closed without an answer"))

    def connection_lost(self, error: Exception | None) -> None:
        self._standing.discard(self)
        if self._answer is not None:
            known = self._reader.has_begun or isinstance(error, ssl.SSLError)
            fault = httpx.ReadError("lost") if known else UnansweredError("lost without an answer")
            fault.__cause__ = error
            self._fail(fault)
        self._reader.close()
        self.lost.set()

    # ---- inside ----------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """What the bytes so far have led to."""
        if self._reader.fault is not None:
            self._fail(self._reader.fault)
        elif self._reader.response is not None:
            answer, self._answer = self._answer, None
            if answer is not None and not answer.done():  # whoever waited may have been cancelled in this very turn
                answer.set_result(self._reader.response)
            if not self._reader.may_go_on:
                self._transport.abort()

    def _fail(self, fault: Exception) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_exception(fault)
        self._transport.abort()
