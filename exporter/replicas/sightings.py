"""How long something has not changed, by this process's own clock: no other clock is asked."""

from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Sightings(Generic[K, V]):
    """The latest values that were seen, and since when each is the same."""

    def __init__(self) -> None:
        self._seen: dict[K, tuple[V, float]] = {}

    def see(self, values: Mapping[K, V], *, now: float) -> None:
        """These are all there are. ``now`` is when the answer has come: when it was true is not known."""
        self._seen = {key: (value, self._since(key, value, now)) for key, value in values.items()}

    def unchanged_for(self, key: K, *, now: float) -> float:
        """Seconds since this value was first seen."""
        return now - self._seen[key][1]

    def get(self, key: K) -> V | None:
        """The value as it was seen last; None where there was none."""
        seen = self._seen.get(key)
        return None if seen is None else seen[0]

    def __contains__(self, key: object) -> bool:
        return key in self._seen

    def __len__(self) -> int:
        return len(self._seen)

    def values(self) -> Mapping[K, V]:
        """All of them, as they were seen last."""
        return {key: value for key, (value, _) in self._seen.items()}

    def _since(self, key: K, value: V, now: float) -> float:
        before = self._seen.get(key)
        return before[1] if before is not None and before[0] == value else now
