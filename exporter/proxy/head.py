"""The head of an HTTP/1.1 message: read strictly, and sent on with as little changed as RFC 9110 §7.6 allows."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self

HEAD_LIMIT = 64 * 1024
"""Bytes of a head; no client and no server in use sends more."""

HEAD_END = b"\r\n\r\n"

VIA = b"1.1 bytespike-exporter"

_ABSOLUTE = re.compile(rb"https?://([^/?#]*)(.*)", re.IGNORECASE)

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST = re.compile(rb"(" + _TOKEN + rb") ([\x21-\x7e\x80-\xff]+) HTTP/1\.([01])")
_RESPONSE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?")
# Possessive: else a long run of spaces before a byte that may not be there is tried at each of its lengths.
_FIELD = re.compile(
    rb"(" + _TOKEN + rb"):[ \t]*+((?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?)[ \t]*"
)

_OF_ONE_HOP = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"te", b"upgrade"})
# They say where a body ends, and bodies pass as they are: whatever Connection names, these stay.
_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"host", b"trailer"})

Field = tuple[bytes, bytes]


class HeadError(ValueError):
    """These bytes are no head of an HTTP/1.1 message."""


@dataclass(frozen=True, slots=True)
class Head:
    """Header fields in their order, with names as they were sent, and the minor version of HTTP/1."""

    minor: int
    fields: tuple[Field, ...] = field(repr=False)  # the caller's key is among them

    def values(self, name: bytes) -> list[bytes]:
        """The values of every field of that (lower-case) name."""
        return [value for each, value in self.fields if each.lower() == name]

    def tokens(self, name: bytes) -> list[bytes]:
        """The members of a field that is a comma-separated list, in lower case."""
        members = b",".join(self.values(name)).split(b",")
        return [member.strip().lower() for member in members if member.strip()]

    @property
    def closes(self) -> bool:
        """Whether its sender ends the connection after this message."""
        said = self.tokens(b"connection")
        return b"close" in said or (self.minor == 0 and b"keep-alive" not in said)

    def passed_on(self) -> Iterator[Field]:
        """The fields for the next hop: all but those that spoke of this one."""
        named = {*self.tokens(b"connection"), *_OF_ONE_HOP} - _FRAMING
        return ((name, value) for name, value in self.fields if name.lower() not in named)


@dataclass(frozen=True, slots=True)
class RequestHead(Head):
    """A request's. ``target`` is what was asked for, as it was spelled.

    ``authority``: the server that was named there besides, as a proxy's clients do (RFC 9112 §3.2.2); else empty.
    """

    method: bytes
    target: bytes
    authority: bytes = b""

    @classmethod
    def read(cls, head: bytes) -> Self:
        """Read a head without its final empty line; raises HeadError."""
        first, fields = _lines(head)
        match = _REQUEST.fullmatch(first)
        if match is None:
            raise HeadError("not a request line")
        method, target, minor = match.groups()
        authority = b""
        if absolute := _ABSOLUTE.fullmatch(target):
            authority, path = absolute.groups()
            target = path if path.startswith(b"/") else b"/" + path
        elif not target.startswith(b"/") and target != b"*" and method != b"CONNECT":
            raise HeadError("not the target of a request")
        return cls(int(minor), fields, method, target, authority)

    def for_upstream(self, *, host: bytes, prefix: bytes = b"", more: Sequence[Field] = ()) -> bytes:
        """The bytes of this head for the server of that name, which is another than the client spoke to.

        ``prefix`` is what paths begin with there, and ``more`` are fields for whoever is next on the way.
        """
        target = self.target if self.target == b"*" else prefix + self.target
        fields = [(name, host if name.lower() == b"host" else value) for name, value in self.passed_on()]
        fields += more
        if b"trailers" in self.tokens(b"te"):
            fields.append((b"TE", b"trailers"))
            fields.append((b"Connection", b"TE, close" if self.closes else b"TE"))
        elif self.closes:
            fields.append((b"Connection", b"close"))
        elif self.minor == 0:
            fields.append((b"Connection", b"keep-alive"))
        fields.append((b"Via", VIA))
        return _written(b"%b %b HTTP/1.%d" % (self.method, target, self.minor), fields)


@dataclass(frozen=True, slots=True)
class ResponseHead(Head):
    """A response's."""

    status: int
    reason: bytes | None

    @classmethod
    def read(cls, head: bytes) -> Self:
        """Read a head without its final empty line; raises HeadError."""
        first, fields = _lines(head)
        match = _RESPONSE.fullmatch(first)
        if match is None:
            raise HeadError("not a status line")
        minor, status, reason = match.groups()
        return cls(int(minor), fields, int(status), reason)

    @property
    def is_interim(self) -> bool:
        """Whether another head follows it, that of the answer itself."""
        return self.status < 200 and self.status != 101

    def for_client(self, *, closes: bool) -> bytes:
        """The bytes of this head for the client; ``closes``: its connection ends after the message."""
        fields = [*self.passed_on(), (b"Via", VIA)]
        if closes and not self.is_interim:
            fields.append((b"Connection", b"close"))
        elif self.minor == 0 and not self.is_interim:
            fields.append((b"Connection", b"keep-alive"))
        reason = b"" if self.reason is None else b" " + self.reason
        return _written(b"HTTP/1.%d %d%b" % (self.minor, self.status, reason), fields)


def _lines(head: bytes) -> tuple[bytes, tuple[Field, ...]]:
    first, *lines = head.split(b"\r\n")
    return first, tuple(_field(line) for line in lines)


def _field(line: bytes) -> Field:
    match = _FIELD.fullmatch(line)
    if match is None:  # a folded line among them: RFC 9112 §5.2 lets a server refuse it
        raise HeadError("not a header field")
    name, value = match.groups()
    return name, value


def _written(first: bytes, fields: Sequence[Field]) -> bytes:
    return b"".join((first, b"\r\n", *(b"%b: %b\r\n" % field for field in fields), b"\r\n"))
