"""An answer's body is copied while the application reads it: nothing is read earlier or later than it would have been.

This alone needs httpx, which whoever passes an answer of it has already.
"""

from collections.abc import AsyncIterator, Callable, Iterator

import httpx

Note = Callable[[bytes | None], None]
"""Told once of the decoded body, or of None where it was not read to its end or was too long."""


def copy_body(response: httpx.Response, note: Note, *, most: int) -> None:
    """Have the body noted once it was read; at once, where it was read already. Of a longer one than ``most`` bytes,
    as they come, nothing is kept.
    """
    try:
        note(response.content)
    except httpx.ResponseNotRead:
        copy = _Copy(note, encoding=response.headers.get("content-encoding", ""), most=most)
        if isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = _AsyncPassing(response.stream, copy)
        else:
            response.stream = _Passing(response.stream, copy)


def known_body(request: httpx.Request) -> bytes | None:
    """What the request says, where that is more than a stream."""
    try:
        return request.content
    except httpx.RequestNotRead:
        return None


class _Copy:
    """What has passed so far."""

    def __init__(self, note: Note, *, encoding: str, most: int) -> None:
        self._note: Note | None = note
        self._encoding = encoding
        self._most = most
        self._body = bytearray()

    def take(self, chunk: bytes) -> None:
        if self._note is not None:
            self._body += chunk
            if len(self._body) > self._most:
                self._end(None)

    def end(self) -> None:
        self._end(bytes(self._body))

    def give_up(self) -> None:
        self._end(None)

    def _end(self, body: bytes | None) -> None:
        if self._note is not None:
            note, self._note = self._note, None
            self._body.clear()
            note(self._decoded(body) if body is not None and self._encoding else body)

    def _decoded(self, body: bytes) -> bytes | None:
        """By whatever codings httpx has asked the server for."""
        try:
            return httpx.Response(200, headers={"content-encoding": self._encoding}, content=body).content
        except httpx.DecodingError:
            return None


class _Passing(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream, copy: _Copy) -> None:
        self._stream = stream
        self._copy = copy

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            self._copy.take(chunk)
            yield chunk
        self._copy.end()

    def close(self) -> None:
        self._copy.give_up()
        self._stream.close()


class _AsyncPassing(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, copy: _Copy) -> None:
        self._stream = stream
        self._copy = copy

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._copy.take(chunk)
            yield chunk
        self._copy.end()

    async def aclose(self) -> None:
        self._copy.give_up()
        await self._stream.aclose()
