"""TLS for asyncio's own server, with OpenSSL contexts that may change from one connection to the next.

asyncio asks an ``ssl.SSLContext`` for one object a connection, and hands it bytes. Both are answered here with
pyOpenSSL, so a server needs no more than ``ssl=CurrentContext(...)``.
"""

import ssl
from collections.abc import Callable
from typing import Any, Self

from OpenSSL import SSL

RECORD = 16 * 1024
"""Bytes in one record of TLS, at most."""

HEADER = 5
"""Bytes by which TLS and HTTP are told apart."""

_HTTP = (b"GET /", b"HEAD ", b"POST ", b"PUT /", b"OPTIO")
"""How requests begin that are not encrypted."""

_SENT = "Client sent an HTTP request to an HTTPS server.\n"
_NOT_TLS = (
    f"HTTP/1.0 400 Bad Request\r\nConnection: close\r\nContent-Length: {len(_SENT)}\r\n"
    f"Content-Type: text/plain; charset=utf-8\r\n\r\n{_SENT}"
).encode()

_INTERNAL_ERROR = bytes((21, 3, 1, 0, 2, 2, 80))
"""The alert by which a Go exporter refuses connections while its web configuration is wrong."""


class CurrentContext(ssl.SSLContext):
    """Each connection is made with what ``current`` returns then; without a context it is refused.

    ``refused`` is told of each connection whose handshake has failed.
    """

    _current: Callable[[], SSL.Context | None]
    _refused: Callable[[], None]

    def __new__(cls, current: Callable[[], SSL.Context | None], refused: Callable[[], None]) -> Self:
        made = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        made._current, made._refused = current, refused
        return made

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *_: Any, **__: Any) -> Any:
        """What asyncio takes for an ``ssl.SSLObject``."""
        return _Connection(self._current(), incoming, outgoing, self._refused)


class _Connection:
    """One connection, between two buffers of asyncio.

    A handshake that fails is told the other end by an alert. asyncio would throw that away, so to asyncio such a
    connection is one that the other end closes before its first byte: it sends what is left, and closes.
    """

    def __init__(
        self,
        context: SSL.Context | None,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        refused: Callable[[], None],
    ) -> None:
        self._refused = refused
        self._incoming = incoming
        self._outgoing = outgoing
        self._first = b""
        self._tls = SSL.Connection(context, None) if context else None  # None: it is refused
        if self._tls:
            self._tls.set_accept_state()

    def do_handshake(self) -> None:
        """Go on as far as the bytes reach; ssl.SSLWantReadError where they do not."""
        if len(self._first) < HEADER:
            self._begin()
        if self._tls is None:
            return
        self._take()
        try:
            self._tls.do_handshake()
        except SSL.WantReadError:
            raise ssl.SSLWantReadError from None
        except SSL.Error:
            self._give()
            self._refuse()
        finally:
            self._give()

    def _begin(self) -> None:
        """Tell TLS from HTTP, which is told so in words of its own."""
        self._first += self._incoming.read(HEADER - len(self._first))
        if len(self._first) < HEADER:
            raise ssl.SSLWantReadError
        if self._first in _HTTP:
            self._refuse(_NOT_TLS)
        elif self._tls is None:
            self._refuse(_INTERNAL_ERROR)
        else:
            self._tls.bio_write(self._first)

    def read(self, size: int, buffer: "memoryview | bytearray | None" = None) -> Any:
        """Bytes of the other end, none where it sends no more; with a ``buffer``, how many are in it now."""
        data = self._read(min(size, RECORD))
        if buffer is None:
            return data
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: Any) -> int:
        """Send all of it."""
        if self._tls is None:
            return len(data)
        try:
            sent = self._tls.send(data) if len(data) else 0
        except SSL.Error as error:
            raise _as_ssl(error) from None
        self._give()
        return sent

    def unwrap(self) -> None:
        """Say that no more comes; nobody waits for the other end to say the same."""
        if self._tls is None:
            return
        try:
            self._tls.shutdown()
        except SSL.Error as error:
            raise _as_ssl(error) from None
        finally:
            self._give()

    def getpeercert(self, *_: object) -> dict[str, object]:
        """Nothing: what the client had to show has been judged."""
        return {}

    def cipher(self) -> tuple[str, str, int] | None:
        """Name, version and bits of what is spoken."""
        if self._tls is None:
            return None
        name, version, bits = self._tls.get_cipher_name(), self._tls.get_cipher_version(), self._tls.get_cipher_bits()
        return (name, version, bits) if name and version and bits else None

    def compression(self) -> None:
        """None is ever spoken."""

    def _read(self, size: int) -> bytes:
        if self._tls is None:
            return b""
        self._take()
        try:
            return self._tls.recv(size)
        except SSL.ZeroReturnError:
            return b""
        except SSL.Error as error:
            raise _as_ssl(error) from None
        finally:
            self._give()

    def _refuse(self, last: bytes = b"") -> None:
        self._tls = None
        self._incoming.read()
        self._outgoing.write(last)
        self._refused()

    def _take(self) -> None:
        """Hand OpenSSL what has arrived."""
        if self._tls and (data := self._incoming.read()):
            self._tls.bio_write(data)

    def _give(self) -> None:
        """Hand asyncio what is to be sent."""
        try:
            while self._tls:
                self._outgoing.write(self._tls.bio_read(4 * RECORD))
        except SSL.WantReadError:
            return


def _as_ssl(error: SSL.Error) -> ssl.SSLError:
    """What asyncio understands."""
    match error:
        case SSL.WantReadError():
            return ssl.SSLWantReadError()
        case SSL.WantWriteError():
            return ssl.SSLWantWriteError()
    return ssl.SSLError("the connection has been broken")
