"""Where each of a million names was seen first, without a pause as the memory of them grows."""

PART = 4096
"""So many names share a dictionary: one that grows is made anew in one go, and all of its names with it."""


class FirstSeen:
    """Remembers names and where they were seen first; about as many as are ``expected``."""

    def __init__(self, expected: int) -> None:
        self._parts: list[dict[str, int]] = [{} for _ in range(1 + expected // PART)]

    def at(self, name: str, at: int) -> int:
        """Where this name was seen first; here, if it never was before."""
        return self._parts[hash(name) % len(self._parts)].setdefault(name, at)
