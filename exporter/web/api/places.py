"""So many requests of a kind at once, and no queue before them."""

from collections.abc import Iterator
from contextlib import contextmanager

from exporter.web.api.refusals import refusal


class Places:
    """A number of places; whoever finds none is told to come back."""

    def __init__(self, most: int) -> None:
        self._free = most

    @contextmanager
    def one(self) -> Iterator[None]:
        """Take a place; raise a Refusal (429) where there is none."""
        if not self._free:
            raise refusal(429, "too many requests at once", headers={"Retry-After": "1"})
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1
