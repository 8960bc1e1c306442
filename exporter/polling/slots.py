"""The slots of many tasks, packed: two numbers each and hardly anything else."""

from array import array

import msgspec

PAGE = 32
"""So many tasks stand together: those that arrived together, of which most leave together."""

NOBODY = float("nan")
"""When a task is due that has no slot: at no time, whatever it is compared with."""


class Slot(msgspec.Struct, frozen=True, gc=False):
    """When a task is due, and how far (seconds, not 0) its polls are apart.

    ``is_hurried`` marks one that was brought forward: it is for a query, never for a stream.
    """

    due: float
    interval: float
    is_hurried: bool = False


class _Page(msgspec.Struct, eq=False, gc=False):
    """Due and interval of one task after the other; an interval of 0 is nobody's."""

    numbers: "array[float]"
    tasks: int = 0


class Slots:
    """At most one for each task, by its number."""

    def __init__(self) -> None:
        self.tasks = 0
        """How many have one."""
        self._pages: dict[int, _Page] = {}
        self._hurried: set[int] = set()

    def __contains__(self, number: int) -> bool:
        page = self._pages.get(number // PAGE)
        return page is not None and page.numbers[number % PAGE * 2 + 1] != 0.0

    def due(self, number: int) -> float:
        """When a task is due; NOBODY where it has no slot."""
        page, at = self._pages.get(number // PAGE), number % PAGE * 2
        return page.numbers[at] if page is not None and page.numbers[at + 1] else NOBODY

    def get(self, number: int) -> Slot | None:
        """A task's slot, if it has one."""
        page, at = self._pages.get(number // PAGE), number % PAGE * 2
        if page is None or not page.numbers[at + 1]:
            return None
        return Slot(page.numbers[at], page.numbers[at + 1], number in self._hurried)

    def add(self, number: int, slot: Slot) -> bool:
        """Give a task its slot, if it has none, and tell whether it had none."""
        page, at = self._pages.get(number // PAGE), number % PAGE * 2
        if page is None:
            page = self._pages[number // PAGE] = _Page(array("d", bytes(PAGE * 16)))
        elif page.numbers[at + 1]:
            return False
        page.numbers[at], page.numbers[at + 1] = slot.due, slot.interval
        page.tasks += 1
        self.tasks += 1
        if slot.is_hurried:
            self._hurried.add(number)
        return True

    def pop(self, number: int, *, due: float | None = None) -> Slot | None:
        """Take a task's slot away; return it, if it had one: with ``due``, if it was due then."""
        page, at = self._pages.get(number // PAGE), number % PAGE * 2
        if page is None or not (interval := page.numbers[at + 1]) or (due is not None and page.numbers[at] != due):
            return None
        is_hurried = number in self._hurried
        if is_hurried:
            self._hurried.remove(number)
        slot = Slot(page.numbers[at], interval, is_hurried)
        page.numbers[at + 1] = 0.0
        page.tasks -= 1
        self.tasks -= 1
        if not page.tasks:
            del self._pages[number // PAGE]
        return slot
