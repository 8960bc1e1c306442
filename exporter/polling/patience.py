"""When a stream may be tried (again). Pure: times are monotonic seconds and the caller's."""

from dataclasses import dataclass

from exporter.tasks.task import Task

FIRST_PAUSE, LONGEST_PAUSE = 10.0, 600.0
"""Seconds without a stream for a task whose stream has ended, doubled each time."""

ODD_IN_A_ROW = 3
"""After so many streams in a row that came to nothing, all of the account rest."""

FIRST_REST, LONGEST_REST = 60.0, 3600.0
"""Seconds of such a rest, doubled each time."""


@dataclass(frozen=True, slots=True)
class _Pause:
    ends: int
    until: float


class Patience:
    """How often, and how lately, the streams of one account and of each of its tasks have disappointed."""

    def __init__(self) -> None:
        self._pauses: dict[Task, _Pause] = {}
        self._odd = 0
        self._rests = 0
        self._rest_until = float("-inf")

    def allows(self, task: Task, *, now: float) -> bool:
        """Whether a task may be streamed now."""
        pause = self._pauses.get(task)
        return now >= self._rest_until and (pause is None or now >= pause.until)

    def ended(self, task: Task, *, now: float) -> None:
        """A task's stream has ended, however well: the next one is some time away."""
        ends = self._pauses[task].ends + 1 if task in self._pauses else 1
        self._pauses[task] = _Pause(ends, now + _doubled(FIRST_PAUSE, ends, LONGEST_PAUSE))

    def forget(self, task: Task) -> None:
        self._pauses.pop(task, None)

    def fine(self, *, now: float) -> None:
        """A stream did what it is for. Rests are forgiven once it has gone well for as long as the last one took."""
        self._odd = 0
        if now >= self._rest_until + _rest(self._rests):
            self._rests = 0

    def odd(self, *, now: float) -> float:
        """A stream came to nothing; the seconds of the rest that follows, 0 where none does."""
        self._odd += 1
        return self.rest(now=now) if self._odd >= ODD_IN_A_ROW else 0.0

    def rest(self, *, now: float) -> float:
        """Open no stream for some time; return the seconds."""
        self._odd = 0
        self._rests += 1
        self._rest_until = now + _rest(self._rests)
        return _rest(self._rests)


def _rest(number: int) -> float:
    return _doubled(FIRST_REST, number, LONGEST_REST)


def _doubled(first: float, times: int, cap: float) -> float:
    """The first value, doubled with each further time, up to the cap."""
    return min(first * 2.0 ** min(times - 1, 32), cap)
