"""Bodies as they come, slowly where somebody likes that: so much of them is kept in memory, and no more."""

import asyncio

from starlette.requests import Request

from exporter.web.api.refusals import refusal

MOST_BYTES = 32 << 20


class Bodies:
    """Reads bodies, so many bytes of all of them at once. Where there are more, those are given up that have been on
    their way longest: whoever sends at once is served, however many others do not.
    """

    def __init__(self, *, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._held = 0
        self._read: dict[asyncio.Timeout, int] = {}

    async def read(self, request: Request) -> bytes:
        """The whole body; raise a Refusal (429) where it has to make room."""
        body = bytearray()
        try:
            async with asyncio.timeout(None) as patience:
                try:
                    async for piece in request.stream():
                        body += piece
                        self._note(patience, len(piece))
                finally:
                    self._held -= self._read.pop(patience, 0)
        except TimeoutError:
            raise refusal(429, "too many bodies are on their way at once", headers={"Retry-After": "1"}) from None
        return bytes(body)

    def _note(self, patience: asyncio.Timeout, size: int) -> None:
        self._held += size
        self._read[patience] = self._read.get(patience, 0) + size
        while self._held > self._most and len(self._read) > 1:
            oldest = next(iter(self._read))
            self._held -= self._read.pop(oldest)
            oldest.reschedule(asyncio.get_running_loop().time())
