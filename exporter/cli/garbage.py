"""The collector of cyclic garbage leaves alone what lasts.

A full collection walks over every object there is while the event loop stands still: with 200,000 tasks that is more
than a second. Tasks are freed without it, for they are in no cycles.
"""

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

PAUSE = 0.002
"""A full collection that took so many seconds of a thread's time was over things that last."""

OLDEST = 2
"""The generation of a full collection."""

FULL_AFTER = 1
"""A full collection comes after so many of the younger generation and one, not after ten and one: what a list leaves is
taken out of the way in parts, each of a few milliseconds."""


class Sparing:
    """Is told when collections start and stop, and takes out of the next ones whatever has outlived a long one.

    ``seconds`` is the time that the thread has worked, so that a busy machine makes no collection look long.
    """

    def __init__(
        self, *, seconds: Callable[[], float] = time.thread_time, freeze: Callable[[], None] = gc.freeze
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
    """Keep every collection as short as some times ``PAUSE``, however many tasks there are.

    What is there already is the program itself: it lasts, and the first full collection would be the longest of all.
    """
    sparing = Sparing()
    youngest, middle, oldest = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.collect()  # of nothing: by how much the last one found it is decided when the next is due
    gc.set_threshold(youngest, middle, FULL_AFTER)
    gc.callbacks.append(sparing)
    try:
        yield
    finally:
        gc.callbacks.remove(sparing)
        gc.set_threshold(youngest, middle, oldest)
        gc.unfreeze()
