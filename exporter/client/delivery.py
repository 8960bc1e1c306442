"""What waits is brought to the exporter, a request at a time: when, how much of it at once, and for how long."""

import logging
from collections.abc import Callable, Sequence

from exporter.client.backlog import Backlog, Waiting
from exporter.client.counts import Counts
from exporter.client.posting import Answer, Outcome, Post

AT_ONCE = 100
"""Tasks in a request."""

PACE = 0.05
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
"""Seconds after a request that was taken, after the first that was not, and at most (unless the exporter says more)."""

PATIENCE = 600.0
"""Seconds that a task waits at most."""

TELL_EVERY = 60.0
"""Seconds between two lines of the log."""


class Delivery:
    """Empties a backlog. It belongs to one thread."""

    def __init__(
        self,
        backlog: Backlog,
        post: Post,
        log: logging.Logger,
        *,
        name: str,
        monotonic: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._backlog = backlog
        self._post = post
        self._log = log
        self._name = name
        self._monotonic = monotonic
        self._random = random
        self._at_once = AT_ONCE
        self._failures = 0
        self._said = ""
        self._told = Counts()
        self._told_at: float | None = None

    def run(self) -> None:
        """Go on until the backlog is closed and empty, or what is left in it is not taken then."""
        while self._backlog.wait_for_tasks(TELL_EVERY):
            was_closed = self._backlog.is_closed
            self._backlog.pause(self.step())
            if was_closed and self._failures:
                break
        self._backlog.expire_all()

    def step(self) -> float:
        """One request; the seconds until the next."""
        self._backlog.expire(older_than=PATIENCE)
        tasks = self._backlog.first(self._at_once)
        pause = self._heed(tasks, self._post(tasks)) if tasks else 0.0
        self._tell_sometimes()
        return pause

    def _heed(self, tasks: Sequence[Waiting], answer: Answer) -> float:
        match answer.outcome:
            case Outcome.REGISTERED:
                self._backlog.registered(tasks)
                self._failures = 0
                return PACE
            case Outcome.TOO_LARGE if len(tasks) > 1:
                self._at_once = len(tasks) // 2
                return PACE
            case Outcome.REFUSED | Outcome.TOO_LARGE:
                self._said = answer.text
                everything = range(len(tasks))
                self._backlog.refused(tasks, set(everything).intersection(answer.faulty) or everything)
                self._failures = 0
                return PACE
            case _:
                self._said = answer.text
                self._failures += 1
                return max(answer.after, self._back_off())

    def _back_off(self) -> float:
        """Longer each time, and no two applications in step."""
        longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self._failures - 1, 10))
        return longest * (0.5 + self._random() / 2)

    # ---- what is told ------------------------------------------------------------------------------------------------

    def tell(self) -> None:
        """One line for all that was lost since the last one, and for what waits because nobody takes it."""
        counts = self._backlog.counts
        lost = counts.lost - self._told.lost
        if lost or (self._failures and counts.waiting):
            self._told, self._told_at = counts, self._monotonic()
            self._log.warning(
                "tasks that the exporter at %s does not know of: %d more are lost, %d wait; since the start: "
                "%d overflowed, %d refused, %d expired, %d unread; last fault: %s",
                *(self._name, lost, counts.waiting),
                *(counts.overflowed, counts.refused, counts.expired, counts.unread),
                self._said or "none",
            )

    def _tell_sometimes(self) -> None:
        if self._told_at is None or self._monotonic() - self._told_at >= TELL_EVERY:
            self.tell()
