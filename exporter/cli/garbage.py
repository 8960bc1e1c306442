"""The collector of cyclic garbage leaves alone what lasts.

A full collection walks over every object that it knows while the event loop stands still: the program itself takes it
25 ms and more. Tasks are freed without it, for they are in no cycles, and it does not know them one by one; but it
walks over the pages in which they stand.

What is left alone is never looked at again, though it may end: so it is looked through when it has become a lot.
"""

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

PAUSE = 0.002
"""A full collection that took so many seconds of a thread's time was over things that last: some ten thousands of
tasks. An exporter of a few thousand never comes to it, so nothing of it but the program itself is left alone."""

MOST = 0.1
"""So many seconds of such collections, all in all, leave things alone before everything is looked through: those of a
million tasks. It tells about how much they are: to count objects would take as long, or hand them out half made."""

OLDEST = 2
"""The generation of a full collection."""

FULL_AFTER = 1
"""A full collection comes after so many of the younger generation and one, not after ten and one: what a list leaves is
taken out of the way in parts, each of a few milliseconds."""


class Sparing:
    """Is told when collections start and stop, and takes out of the next ones whatever has outlived a long one.

    What it has taken out is brought back when it is a lot (``MOST``), for one collection, which looks at everything.
    ``seconds`` is the time that the thread has worked, so that a busy machine makes no collection look long.
    """

    def __init__(
        self,
        *,
        seconds: Callable[[], float] = time.thread_time,
        freeze: Callable[[], None] = gc.freeze,
        unfreeze: Callable[[], None] = gc.unfreeze,
    ) -> None:
        self._seconds = seconds
        self._freeze = freeze
        self._unfreeze = unfreeze
        self._began = 0.0
        self._left_alone = 0.0
        self._looks_at_everything = False

    def __call__(self, phase: str, info: Mapping[str, int]) -> None:
        if phase == "start":
            self._began = self._seconds()
        elif info["generation"] != OLDEST:
            return
        elif self._looks_at_everything:
            self._freeze()
            self._left_alone, self._looks_at_everything = 0.0, False
        elif (took := self._seconds() - self._began) >= PAUSE:
            self._spare(took)

    def _spare(self, took: float) -> None:
        """Leave alone what is left; or look at everything next time, now that so much has been left alone."""
        self._left_alone += took
        if self._left_alone <= MOST:
            self._freeze()
        else:
            self._unfreeze()
            self._looks_at_everything = True


@contextmanager
def pauses_bounded() -> Iterator[None]:
    """Keep every collection as short as some times ``PAUSE``, however many tasks there are, but for a rare one.

    What is there already is the program itself: it lasts, and the first full collection would be the longest of all.
    So does what a start adds to it: for that there is ``leave_alone``.
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


def leave_alone() -> None:
    """Let what has been made until now be looked at no more, while pauses are bounded: what a start imports and makes.

    No collection goes before it, which would be as long as the one that is spared.
    """
    gc.freeze()
