"""From the bytes of a body to a JSON value, within limits."""

import json
import zlib

from exporter.dispatcher.answer import DispatcherError, Reason

BODY_LIMIT = 1024 * 1024
"""Bytes of a body as sent, and once more as decoded; the API's own limit for a task's body is the same."""

_GZIP = 16 + zlib.MAX_WBITS

# A shorter key is no secret, and blotting it out could garble a whole answer.
_SHORTEST_SECRET = 8


def unpack(body: bytes, encoding: str) -> bytes:
    """Undo a ``Content-Encoding``. None is asked for, but a proxy may add gzip on its own.

    The output is bounded while it is produced, so that a small body cannot fill the memory.
    """
    match encoding.strip().lower():
        case "" | "identity":
            return body
        case "gzip" | "x-gzip":
            return _gunzip(body)
        case _:
            raise DispatcherError(Reason.BAD_RESPONSE, "a content encoding that was not asked for")


def decode(body: bytes) -> object:
    """The JSON value of a body; a DispatcherError (BAD_RESPONSE) where it is none."""
    try:
        return json.loads(body)
    except RecursionError:
        raise DispatcherError(Reason.BAD_RESPONSE, "JSON nested too deep") from None
    except ValueError:  # not JSON, not UTF-8, or a number of thousands of digits
        raise DispatcherError(Reason.BAD_RESPONSE, "not JSON") from None


def may_quote(body: bytes, secret: str) -> bool:
    """Whether a JSON body may hold the (ASCII) secret: as it is, escaped, or in UTF-16 or UTF-32 (with null bytes)."""
    return len(secret) >= _SHORTEST_SECRET and (b"\\" in body or secret.encode() in body or b"\0" in body)


def conceal(body: bytes, secret: str) -> bytes:
    """A JSON body without the (ASCII) secret, however it was escaped: an answer that quotes the key must not spread it.

    What is not JSON is handed back as it is: no part of it is ever kept.
    """
    if not may_quote(body, secret):
        return body
    try:
        text = json.dumps(decode(body))
    except (DispatcherError, RecursionError):
        return body
    return text.replace(json.dumps(secret)[1:-1], "***").encode()


def _gunzip(body: bytes) -> bytes:
    unpacker = zlib.decompressobj(_GZIP)
    try:
        plain = unpacker.decompress(body, BODY_LIMIT)
    except zlib.error:
        raise DispatcherError(Reason.BAD_RESPONSE, "a gzip body that cannot be unpacked") from None
    if unpacker.unconsumed_tail:
        raise DispatcherError(Reason.TOO_LARGE, f"more than {BODY_LIMIT} bytes once unpacked")
    if not unpacker.eof:
        raise DispatcherError(Reason.TRUNCATED, "a gzip body without its end")
    return plain
