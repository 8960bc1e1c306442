"""A limit of how many may be inside at once: where there is room, it costs next to nothing."""

import asyncio
from collections import deque


class Turnstile:
    """Lets so many in at once, first come, first served. Whoever was let in leaves again, once."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: deque[asyncio.Future[None]] = deque()  # only while there is no place free

    def enter_at_once(self) -> bool:
        """Go in where there is room, and tell whether there was."""
        if not self._free:
            return False
        self._free -= 1
        return True

    async def enter(self) -> None:
        """Go in as soon as there is room."""
        if self.enter_at_once():
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except BaseException:
            if not place.cancel() and not place.cancelled():  # it was had in the very moment it was given up
                self.leave()
            raise

    def leave(self) -> None:
        """Make room: for whoever waits first, where anybody does."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._free += 1
