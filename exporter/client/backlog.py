"""The tasks that wait to be told of: so many at most, and each so long. Whoever adds one never waits."""

import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from exporter.client.counts import Counts


@dataclass(frozen=True, slots=True)
class Waiting:
    """A task that waits; ``at`` is when it was submitted (Unix seconds), ``since`` by the monotonic clock."""

    task_id: str
    model: str | None
    at: float
    since: float


class Backlog:
    """Filled by any thread, emptied by one."""

    def __init__(self, *, most: int, monotonic: Callable[[], float]) -> None:
        self._most = most
        self._monotonic = monotonic
        self._tasks: deque[Waiting] = deque()
        self._counts = Counts()
        self._closed = False
        # reentrant: a signal's handler may submit a task while its own thread is in here
        self._changed = threading.Condition(threading.RLock())

    @property
    def counts(self) -> Counts:
        with self._changed:
            return replace(self._counts, waiting=len(self._tasks))

    @property
    def is_closed(self) -> bool:
        return self._closed

    # ---- whoever fills it --------------------------------------------------------------------------------------------

    def add(self, task: Waiting) -> None:
        """Have a task wait, or count it where that cannot be."""
        with self._changed:
            if self._closed:
                self._count(expired=1)
            elif len(self._tasks) >= self._most:
                self._count(overflowed=1)
            else:
                self._tasks.append(task)
                if len(self._tasks) == 1:  # nobody waits for a second one
                    self._changed.notify_all()

    def add_unread(self) -> None:
        """Count an answer that could not be read."""
        with self._changed:
            self._count(unread=1)

    def wait_until_empty(self, seconds: float) -> bool:
        """Wait until none waits; False where that takes longer."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._tasks, seconds)

    def close(self) -> None:
        """Take no more; whoever sends tries once more, at once."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def expire_all(self) -> None:
        """Give up whatever still waits."""
        with self._changed:
            self._count(expired=len(self._tasks))
            self._tasks.clear()
            self._changed.notify_all()

    # ---- whoever empties it ------------------------------------------------------------------------------------------

    def wait_for_tasks(self, seconds: float) -> bool:
        """Wait until there is one, so long at most; False where none will come any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._tasks or self._closed, seconds)
            return bool(self._tasks) or not self._closed

    def pause(self, seconds: float) -> None:
        """Wait so long, or until it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed, seconds)

    def first(self, most: int) -> Sequence[Waiting]:
        """Those that have waited longest. They wait on until it is said what has become of them."""
        with self._changed:
            return [self._tasks[index] for index in range(min(most, len(self._tasks)))]

    def registered(self, tasks: Sequence[Waiting]) -> None:
        """The exporter has these, the first ones."""
        with self._changed:
            if self._take_out(tasks):
                self._count(registered=len(tasks))

    def refused(self, tasks: Sequence[Waiting], faulty: Collection[int]) -> None:
        """Of these, the first ones, those at the places that are ``faulty`` are given up; the others wait on."""
        with self._changed:
            if self._take_out(tasks):
                kept = [task for index, task in enumerate(tasks) if index not in faulty]
                self._tasks.extendleft(reversed(kept))
                self._count(refused=len(tasks) - len(kept))

    def expire(self, *, older_than: float) -> None:
        """Give up those that have waited for more than so many seconds."""
        with self._changed:
            oldest = self._monotonic() - older_than
            while self._tasks and self._tasks[0].since < oldest:
                self._tasks.popleft()
                self._count(expired=1)
            self._changed.notify_all()

    def _take_out(self, tasks: Sequence[Waiting]) -> bool:
        """False where all were given up meanwhile: they are counted already."""
        if not tasks or not self._tasks or self._tasks[0] is not tasks[0]:
            return False
        for _ in tasks:
            self._tasks.popleft()
        self._changed.notify_all()
        return True

    def _count(self, **more: int) -> None:
        counts = self._counts
        self._counts = replace(counts, **{name: getattr(counts, name) + count for name, count in more.items()})
