"""Where a task is kept, told by its number, in a few bytes each. Pure."""

from typing import Generic, TypeVar

import msgspec

PAGE = 64
"""Numbers that follow each other share a page: tasks come and go about in the order of their numbers."""

Place = TypeVar("Place")


class _Page(msgspec.Struct, Generic[Place], eq=False):
    """Where numbers that follow each other are, and how many of them are anywhere."""

    places: list[Place | None]
    taken: int = 0


class Places(Generic[Place]):
    """A mapping from numbers to objects that many of them share: about 10 bytes a number, a tenth of what a dict takes.

    It holds for numbers that lie close together. A number that is alone on its page takes some hundred bytes.
    """

    def __init__(self) -> None:
        self._pages: dict[int, _Page[Place]] = {}

    def get(self, number: int) -> Place | None:
        """Where a number is, if it is anywhere."""
        page = self._pages.get(number // PAGE)
        return page.places[number % PAGE] if page else None

    def put(self, number: int, place: Place) -> None:
        """A number is there, and nowhere else."""
        page = self._pages.get(number // PAGE)
        if page is None:
            page = self._pages[number // PAGE] = _Page([None] * PAGE)
        page.taken += page.places[number % PAGE] is None
        page.places[number % PAGE] = place

    def pop(self, number: int) -> Place | None:
        """Where a number was, until now."""
        page = self._pages.get(number // PAGE)
        if page is None:
            return None
        place, page.places[number % PAGE] = page.places[number % PAGE], None
        page.taken -= place is not None
        if not page.taken:
            del self._pages[number // PAGE]
        return place
