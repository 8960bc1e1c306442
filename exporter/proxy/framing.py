"""Where the body of a message ends (RFC 9112 §6): bodies pass as they are, so nothing else is asked of them."""

from collections.abc import Callable
from typing import Protocol

from exporter.proxy.head import HeadError, RequestHead, ResponseHead

Take = Callable[[bytes], None]
"""Told of what a body says, piece by piece, without the marks of chunks."""

LINE_LIMIT = 4096
"""Bytes of the line before a chunk, its extensions included."""

TRAILERS_LIMIT = 16 * 1024
"""Bytes of all fields behind the last chunk."""

_LENGTH_DIGITS = 15
_HEX = frozenset(b"0123456789abcdefABCDEF")


class FramingError(ValueError):
    """A body that does not keep to its own framing: nobody can tell where it ends."""


class Framing(Protocol):
    """Follows a body while it passes."""

    @property
    def is_over(self) -> bool: ...

    def feed(self, data: bytes, take: Take | None = None) -> int:
        """How many of these bytes still belong to the body; raises FramingError."""

    @property
    def ends_with_connection(self) -> bool: ...


class Counted:
    """A body of so many bytes, of none as well."""

    ends_with_connection = False

    def __init__(self, length: int) -> None:
        self._left = length

    @property
    def is_over(self) -> bool:
        return not self._left

    def feed(self, data: bytes, take: Take | None = None) -> int:
        size = min(len(data), self._left)
        self._left -= size
        if take and size:
            take(data[:size])
        return size


class UntilClose:
    """A body that ends when the connection does."""

    ends_with_connection = True

    def __init__(self) -> None:
        self.is_over = False

    def feed(self, data: bytes, take: Take | None = None) -> int:
        if take and data:
            take(data)
        return len(data)


class Chunked:
    """A body in chunks, with what may follow the last of them."""

    ends_with_connection = False

    def __init__(self) -> None:
        self._line = bytearray()  # of the line being read: that before a chunk, behind it, or a trailer
        self._left = 0  # bytes of the chunk, and then of the line end behind it
        self._trailers: int | None = None  # bytes of trailers so far, once the last chunk has been
        self.is_over = False

    def feed(self, data: bytes, take: Take | None = None) -> int:
        at = 0
        while at < len(data) and not self.is_over:
            at = self._in_chunk(data, at, take) if self._left else self._in_line(data, at)
        return at

    def _in_chunk(self, data: bytes, at: int, take: Take | None) -> int:
        content = min(self._left - 2, len(data) - at)
        if content > 0:
            if take:
                take(data[at : at + content])
            self._left -= content
            return at + content
        if data[at] != b"\r\n"[2 - self._left]:
            raise FramingError("a chunk longer than it says")
        self._left -= 1
        return at + 1

    def _in_line(self, data: bytes, at: int) -> int:
        end = data.find(b"\n", at)
        stop = len(data) if end < 0 else end + 1
        self._line += data[at:stop]
        if len(self._line) > LINE_LIMIT:
            raise FramingError("a line without end between chunks")
        if end >= 0:
            line, self._line = bytes(self._line), bytearray()
            self._take_line(line)
        return stop

    def _take_line(self, line: bytes) -> None:
        if not line.endswith(b"\r\n"):
            raise FramingError("a line that ends in LF alone")
        if self._trailers is None:
            size = _chunk_size(line)
            self._left, self._trailers = (size + 2, None) if size else (0, 0)
            return
        self._trailers += len(line)
        if self._trailers > TRAILERS_LIMIT:
            raise FramingError("too many trailers")
        self.is_over = line == b"\r\n"


def _chunk_size(line: bytes) -> int:
    digits = line[:-2].partition(b";")[0].rstrip(b" \t")
    if not 0 < len(digits) <= _LENGTH_DIGITS or not _HEX.issuperset(digits):
        raise FramingError("not the size of a chunk")
    return int(digits, 16)


def framing_of_request(head: RequestHead) -> Framing:
    """How a request's body ends; raises HeadError where that could be read in two ways."""
    codings = head.tokens(b"transfer-encoding")
    lengths = head.values(b"content-length")
    if codings:
        if codings != [b"chunked"] or lengths or head.minor == 0:
            raise HeadError("a body whose end could be read in two ways")
        return Chunked()
    return Counted(_length(lengths))


def framing_of_response(head: ResponseHead, *, method: bytes) -> Framing:
    """How a response's body ends. Where that is doubtful it goes on to the end of the connection, as it would alone."""
    if method == b"HEAD" or head.status in (204, 304) or head.is_interim:
        return Counted(0)
    codings = head.tokens(b"transfer-encoding")
    lengths = head.values(b"content-length")
    if codings:
        return Chunked() if codings == [b"chunked"] and not lengths and head.minor else UntilClose()
    if not lengths:
        return UntilClose()
    try:
        return Counted(_length(lengths))
    except HeadError:
        return UntilClose()


def _length(values: list[bytes]) -> int:
    if not values:
        return 0
    if len(values) > 1 or not values[0].isdigit() or len(values[0]) > _LENGTH_DIGITS:
        raise HeadError("not a length")
    return int(values[0])
