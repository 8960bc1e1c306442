"""The connection to the upstream that belongs to one client's: it carries bytes, and decides nothing."""

import asyncio
from typing import Protocol, cast

from exporter.proxy.reaching import Upstream


class Listener(Protocol):
    """Whoever is told what happens to the connection."""

    def upstream_opened(self, upstream: "UpstreamSide") -> None: ...
    def upstream_filled(self) -> None: ...
    def upstream_emptied(self) -> None: ...
    def answer_received(self, data: bytes) -> None: ...
    def answer_ended(self, error: Exception | None) -> None: ...


class UpstreamSide(asyncio.Protocol):
    """The connection; what happens to it is told to its passage."""

    def __init__(self, passage: Listener, leads_to: Upstream) -> None:
        self._passage = passage
        self.leads_to = leads_to
        self.is_full = False
        self.is_spoilt = False
        """Whether no further request may use it."""
        self._is_left = False

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def abort(self) -> None:
        """Close at once, and say no more."""
        self._is_left = True
        self._transport.abort()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._passage.upstream_opened(self)

    def data_received(self, data: bytes) -> None:
        if not self._is_left:
            self._passage.answer_received(data)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._is_left:
            self._is_left = True
            self._passage.answer_ended(error)

    def pause_writing(self) -> None:
        self.is_full = True
        self._passage.upstream_filled()

    def resume_writing(self) -> None:
        self.is_full = False
        self._passage.upstream_emptied()
