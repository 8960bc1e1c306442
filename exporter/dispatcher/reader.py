"""From the bytes of a connection to a response, by llhttp, within limits. No I/O.

What is wrong with an answer is said as httpx would say it, so that one table names the faults of both.
"""

import httptools
import httpx

from exporter.dispatcher.exchange import Headers, Response, is_too_much, too_large
from exporter.dispatcher.faults import CUT_SHORT
from exporter.dispatcher.payload import BODY_LIMIT

HEAD_LIMIT = 64 * 1024
"""Bytes of status line and headers, interim responses and trailers included."""

# What chunking may take for each byte of a body: the smallest chunk is `1`, CRLF, a byte, CRLF; the rest is spare.
_FRAMING = 8

_OF_THE_BODY = (b"transfer-encoding", b"content-length", b"content-encoding")
"""The headers that tell where a body ends, and how it is to be read."""


class ResponseReader:
    """Reads one response after another. Once there is a ``fault``, or not ``may_go_on``, there is no other."""

    def __init__(self) -> None:
        self.response: Response | None = None
        """Once it has come."""
        self.fault: Exception | None = None
        self.may_go_on = False
        """Whether the response came whole, nothing came behind it, and both sides let the connection stand."""
        self.has_begun = False
        """Whether a byte of the response has come."""
        self._parser = httptools.HttpResponseParser(self)
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = bytearray()
        self._received = 0
        self._encoding = ""
        self._named: Headers | None = None
        self._ends_with_connection = False

    def start(self) -> None:
        """Expect the next response."""
        self.response = self._named = None
        self.may_go_on = self.has_begun = self._ends_with_connection = False
        self._status = self._received = 0
        self._encoding = ""
        self._headers = []
        self._body = bytearray()

    def feed(self, data: memoryview) -> None:
        """Take some bytes; then ask for ``response`` and ``fault``."""
        self.has_begun = True
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.may_go_on = False  # a 101, though nobody has asked for anything else
        except httptools.HttpParserError as error:
            self._refuse(error)
        if self._received > HEAD_LIMIT + _FRAMING * len(self._body) and self.response is None:
            self._blame(httpx.RemoteProtocolError("more headers or framing than anybody needs"))

    def end(self) -> None:
        """Nothing more will come."""
        if self.response is not None or self.fault is not None:
            return
        if self._ends_with_connection:
            self._respond(bytes(self._body))
        elif self._status:
            self._blame(httpx.RemoteProtocolError(f"closed {CUT_SHORT}"))
        else:
            self._blame(httpx.RemoteProtocolError("closed within the head"))

    def close(self) -> None:
        """Let go of the parser, which knows this reader, too, and of the fault, which leads to whoever was told of it:
        nothing is left for the collector of garbage.
        """
        del self._parser
        self.fault = None

    # ---- what the parser calls -------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.response is not None:  # more than one answer to one request
            self.may_go_on = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._status:  # trailers say nothing that anybody asks for
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._status or (status < 200 and status != 101):  # surplus, or interim: the one that counts is to come
            return
        self._status = status
        headers = self._named = Headers(self._headers)
        framing, announced, encoding = headers.looked_up(_OF_THE_BODY)
        self._encoding = encoding.decode("latin-1") if encoding else ""
        if (framing and framing.lower() != b"chunked") or not self._parser.get_http_version().startswith("1."):
            self._blame(httpx.RemoteProtocolError("not HTTP/1 as it was asked for"))
        elif 300 <= status < 400:  # left unread
            self._respond(b"")
        elif announced is None:
            self._ends_with_connection = not framing
        elif is_too_much(announced.decode("latin-1")):
            self._leave_too_large()

    def on_body(self, data: bytes) -> None:
        if self.response is not None or self.fault is not None:  # left unread
            return
        self._body += data
        if len(self._body) > BODY_LIMIT:
            self._leave_too_large()

    def on_message_complete(self) -> None:
        if not self._status:
            self._headers.clear()
        elif self.response is None and self.fault is None:
            self.may_go_on = self._parser.should_keep_alive()
            self._respond(bytes(self._body))

    # ---- inside ----------------------------------------------------------------------------------------------------

    def _respond(self, body: bytes) -> None:
        headers = {} if self._named is None else self._named
        self.response = Response(self._status, headers, body, self._encoding)

    def _blame(self, fault: Exception) -> None:
        self.may_go_on = False
        self.fault = self.fault or fault

    def _leave_too_large(self) -> None:
        if 200 <= self._status < 300:
            self._blame(too_large(self._status))
        else:
            self._respond(b"")

    def _refuse(self, error: Exception) -> None:
        """Bytes that llhttp does not take: behind an answer they cost the connection, within it the answer, too."""
        self.may_go_on = False
        if self.response is not None or self.fault is not None:
            return
        if "Content-Length overflow" in str(error):
            self._status, self._named = self._parser.get_status_code(), Headers(self._headers)
            self._leave_too_large()
        else:
            self._blame(httpx.RemoteProtocolError("not HTTP"))
