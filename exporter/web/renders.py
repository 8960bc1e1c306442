"""Rendering in threads, a few at a time, so that a storm of requests neither blocks the loop nor piles up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

AT_ONCE = 2
WAITING = 10


class BusyError(Exception):
    """So many wait already that another one would only make it worse."""


class Renders:
    """The places for rendering and the queue before them. All methods belong to the event loop."""

    def __init__(self, *, at_once: int = AT_ONCE, waiting: int = WAITING) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._most = waiting
        self._waiting = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place; raises BusyError at once where too many wait."""
        if self._places.locked() and self._waiting >= self._most:
            raise BusyError
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._places.release()
