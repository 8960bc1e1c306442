"""One answer on its way to the client: where it ends, what of it waits, and what passes as it is for it is no HTTP."""

import asyncio
from collections.abc import Callable

from exporter.proxy.exchange import Exchange
from exporter.proxy.framing import Framing, FramingError, UntilClose, framing_of_response
from exporter.proxy.head import HEAD_END, HEAD_LIMIT, HeadError, ResponseHead

HOLD_LIMIT = 64 * 1024
"""Bytes of an answer that waits for what it says to be durable; a longer one does not wait."""


class Answering:
    """Takes what the upstream says to one request, and writes it to the client; the exchange says how far it is.

    ``closes`` tells whether the client's connection ends after this answer. What comes together is written together.
    """

    def __init__(self, exchange: Exchange, client: asyncio.Transport, *, closes: Callable[[], bool]) -> None:
        self._exchange = exchange
        self._client = client
        self._closes = closes
        self._begun = bytearray()  # of a head that is not whole yet
        self._held: bytearray | None = bytearray() if exchange.route.is_held else None
        self._out: list[bytes] = []

    @property
    def is_held(self) -> bool:
        """Whether some of it may still wait."""
        return self._held is not None

    def take(self, data: bytes) -> bool:
        """Take what came; say whether all of it belongs to this answer. Nobody knows what more would mean."""
        exchange = self._exchange
        if exchange.answer is None:
            data = self._read_head(data)
        is_its_own = True
        if exchange.answer is not None and data:
            is_its_own = self._pass_body(exchange.answer, data)
        if exchange.has_answer and not exchange.request.is_over:  # the client may wait for it with the rest
            self.let_go()
        self._flush()
        return is_its_own

    def let_go(self) -> None:
        """Hold nothing any more."""
        held, self._held = self._held, None
        if held:
            self._out.insert(0, bytes(held))
            self._flush()

    def break_off(self) -> None:
        """No more comes: pass on what there is, half a head as well."""
        if self._exchange.answer is None and self._begun:
            self._out.append(bytes(self._begun))
        self.let_go()
        self._flush()

    # ---- heads -----------------------------------------------------------------------------------------------------

    def _read_head(self, data: bytes) -> bytes:
        """Take the heads that have come whole, and return what is behind the last of them."""
        exchange, begun = self._exchange, self._begun
        begun += data
        while exchange.answer is None and (end := begun.find(HEAD_END)) >= 0:
            raw = bytes(begun[: end + len(HEAD_END)])
            try:
                head = ResponseHead.read(raw[: -len(HEAD_END)])
            except HeadError:
                return self._pass_blindly()
            del begun[: len(raw)]
            self._take_head(head)
        if exchange.answer is None and len(begun) > HEAD_LIMIT:
            return self._pass_blindly()
        return self._rest() if exchange.answer is not None else b""

    def _take_head(self, head: ResponseHead) -> None:
        exchange = self._exchange
        if head.is_interim:  # never held: the client may wait for leave to go on
            self._client.write(head.for_client(closes=False))
            return
        exchange.answer_head, exchange.code = head, head.status
        exchange.answer = framing_of_response(head, method=exchange.head.method)
        self._out.append(head.for_client(closes=self._closes()))
        if exchange.answer.ends_with_connection:  # nobody knows when the client takes it for whole
            self.let_go()

    def _pass_blindly(self) -> bytes:
        """What is not understood passes as it is, up to its end."""
        self._exchange.answer, self._exchange.is_blind = UntilClose(), True
        self.let_go()
        return self._rest()

    def _rest(self) -> bytes:
        rest = bytes(self._begun)
        self._begun.clear()
        return rest

    # ---- bodies ----------------------------------------------------------------------------------------------------

    def _pass_body(self, answer: Framing, data: bytes) -> bool:
        exchange = self._exchange
        told = exchange.route.told
        try:
            taken = answer.feed(data, told.add if told and not exchange.is_blind else None)
        except FramingError:
            exchange.answer, exchange.is_blind = UntilClose(), True
            self.let_go()
            taken = len(data)
        self._out.append(data if taken == len(data) else data[:taken])
        return taken == len(data)

    def _flush(self) -> None:
        out, self._out = self._out, []
        if not out or self._client.is_closing():
            return
        if self._held is None:
            self._client.write(out[0] if len(out) == 1 else b"".join(out))
            return
        for piece in out:
            self._held += piece
        if len(self._held) > HOLD_LIMIT:
            self.let_go()
