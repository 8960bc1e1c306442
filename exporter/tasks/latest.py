"""A few of many: what was noted last stays, what was noted longest ago goes first."""

from collections import OrderedDict
from typing import Generic, TypeVar

V = TypeVar("V")


class Latest(Generic[V]):
    """The latest values by the number of their task: so many at most, and no more than that by the sizes given."""

    def __init__(self, *, most: int, most_size: int = 0) -> None:
        self._most = most
        self._most_size = most_size
        self._kept: OrderedDict[int, tuple[V, int]] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def size(self) -> int:
        """That of all that is kept."""
        return self._size

    def get(self, number: int) -> V | None:
        """What was noted last of a task, as far as it is still there."""
        kept = self._kept.get(number)
        return kept[0] if kept else None

    def note(self, number: int, value: V, *, size: int = 0) -> None:
        """Keep this of a task, in place of what was; whatever there is no more room for goes."""
        self.forget(number)
        self._kept[number] = value, size
        self._size += size
        while len(self._kept) > self._most or self._size > self._most_size:
            _, (_, gone) = self._kept.popitem(last=False)
            self._size -= gone

    def forget(self, number: int) -> None:
        """Keep nothing of a task."""
        kept = self._kept.pop(number, None)
        if kept:
            self._size -= kept[1]
