"""A dictionary that grows without a pause: a plain one is made anew in one go, a million keys in 50 ms and more."""

from typing import Generic, TypeVar

V = TypeVar("V")

PART = 2048
"""So many keys stand in a part, all in all; twice as many are parted in half a millisecond."""


class Parted(Generic[V]):
    """Values by text. As keys come, one part after the other gives half of its own to a new one (linear hashing)."""

    __slots__ = ("_keys", "_mask", "_parts", "_table")

    def __init__(self) -> None:
        self._table: list[dict[str, V]] = [{}] * 2  # by the last bits of the hash: what is not halved yet stands twice
        self._mask = 1
        self._parts = 1
        self._keys = 0

    def __len__(self) -> int:
        return self._keys

    def get(self, key: str) -> V | None:
        """The value of a key, if there is one."""
        return self._table[hash(key) & self._mask].get(key)

    def setdefault(self, key: str, value: V) -> V:
        """The value of a key; this one from now on, if it had none."""
        part = self._table[hash(key) & self._mask]
        found = part.get(key)
        if found is not None:
            return found
        part[key] = value
        self._keys += 1
        if self._keys > PART * self._parts:
            self._grow()
        return value

    def remove(self, key: str) -> None:
        """Let a key have no value any more."""
        del self._table[hash(key) & self._mask][key]
        self._keys -= 1

    def _grow(self) -> None:
        half = len(self._table) // 2
        at = self._parts - half
        stays: dict[str, V] = {}
        goes: dict[str, V] = {}
        for key, value in self._table[at].items():
            (goes if hash(key) & half else stays)[key] = value
        self._table[at], self._table[at + half] = stays, goes
        self._parts += 1
        if self._parts == len(self._table):
            self._table *= 2
            self._mask = len(self._table) - 1
