"""The collector of cyclic garbage leaves alone what lasts.

A full collection walks over every object there is while the event loop stands still: with 200,000 tasks that is more
than a second. Tasks are freed without it, for they are in no cycles.
"""

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

PAUSE = 0.005
"""A full collection that took so many seconds was over things that last."""

OLDEST = 2
"""The generation of a full collection."""


class Sparing:
    """Is told when collections start and stop, and takes out of the next ones whatever has outlived a long one."""

    def __init__(
        self, *, seconds: Callable[[], float] = time.perf_counter, freeze: Callable[[], None] = gc.freeze
    ) -> None:
        self._seconds = seconds
        self._freeze = freeze
        self._began = 0.0

    def __call__(self, phase: str, info: Mapping[str, int]) -> None:
        if phase == "start":
            self._began = self._seconds()
        elif info["generation"] == OLDEST and self._seconds() - self._began >= PAUSE:
            self._freeze()


@contextmanager
def pauses_bounded() -> Iterator[None]:
    """Keep every collection about as short as ``PAUSE``, however many tasks there are.

    What is there already is the program itself: it lasts, and the first full collection would be the longest of all.
    """
    sparing = Sparing()
    gc.collect()
    gc.freeze()
    gc.collect()  # of nothing: by how much the last one found it is decided when the next is due
    gc.callbacks.append(sparing)
    try:
        yield
    finally:
        gc.callbacks.remove(sparing)
        gc.unfreeze()
