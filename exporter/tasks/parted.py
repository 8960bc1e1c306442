"""A dictionary that grows without a pause: a plain one is made anew in one go, a million keys in 50 ms and more."""

from typing import Generic, TypeVar

V = TypeVar("V")

PART = 2048
"""So many keys stand in a part, all in all; twice as many are parted in half a millisecond."""


class Parted(Generic[V]):
    """Values by text. As keys come, one part after the other gives half of its own to a new one (linear hashing)."""

    __slots__ = ("_half", "_keys", "_parts")

    def __init__(self) -> None:
        self._parts: list[dict[str, V]] = [{}]
        self._half = 1
        self._keys = 0

    def __len__(self) -> int:
        return self._keys

    def get(self, key: str) -> V | None:
        """The value of a key, if there is one."""
        return self._part(key).get(key)

    def setdefault(self, key: str, value: V) -> V:
        """The value of a key; this one from now on, if it had none."""
        part = self._part(key)
        if key in part:
            return part[key]
        part[key] = value
        self._keys += 1
        if self._keys > PART * len(self._parts):
            self._grow()
        return value

    def remove(self, key: str) -> None:
        """Let a key have no value any more."""
        del self._part(key)[key]
        self._keys -= 1

    def _part(self, key: str) -> dict[str, V]:
        """There is a part for each value of some last bits of the hash; one that is not there yet is with its half."""
        at = hash(key) & (2 * self._half - 1)
        return self._parts[at if at < len(self._parts) else at - self._half]

    def _grow(self) -> None:
        at = len(self._parts) - self._half
        stays: dict[str, V] = {}
        goes: dict[str, V] = {}
        for key, value in self._parts[at].items():
            (goes if hash(key) & self._half else stays)[key] = value
        self._parts[at] = stays
        self._parts.append(goes)
        if len(self._parts) == 2 * self._half:
            self._half *= 2
