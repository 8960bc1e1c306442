"""The last answers as they came, of the tasks that changed last: for people, who want to see it in black and white.

Answers that say what the last one said come by the thousand and are not kept, so that nothing is done for them. Those
that tell of a failure have a room of their own: they are what is looked for, long after.
"""

from dataclasses import dataclass

from exporter.tasks.latest import Latest
from exporter.tasks.observation import Said, Status
from exporter.tasks.tracker import Change, ChangeKind

MOST = 500
"""Tasks in each of the two rooms."""

MOST_BYTES = 2 * 1024 * 1024
"""Of all texts in a room together."""

LONGEST = 16 * 1024
"""Bytes. The documented record has some hundred; what is longer is not kept."""


GONE = frozenset({ChangeKind.DROPPED, ChangeKind.MERGED, ChangeKind.REDATED})
"""A clock that has stepped would give the answer a time that it did not come at."""


@dataclass(frozen=True, slots=True)
class LastAnswer:
    """An answer and when it came (Unix seconds). ``said`` is None where it was too long; ``length`` is in bytes."""

    at: float
    said: Said | None
    length: int


class LastAnswers:
    """Is told of every change; never raises."""

    def __init__(self) -> None:
        self._failed: Latest[LastAnswer] = Latest(most=MOST, most_size=MOST_BYTES)
        self._others: Latest[LastAnswer] = Latest(most=MOST, most_size=MOST_BYTES)

    def __len__(self) -> int:
        return len(self._failed) + len(self._others)

    def get(self, number: int) -> LastAnswer | None:
        """The last answer that said something new of a task, where it is still kept."""
        return self._failed.get(number) or self._others.get(number)

    def take(self, change: Change) -> None:
        """Keep an answer that says something new; nothing of a task that is not followed any more."""
        number, state = change.task.number, change.task.state
        if change.kind in GONE:
            self._failed.forget(number)
            self._others.forget(number)
        elif state.is_terminal and change.outcome is None:
            return  # it had ended before, and this answer changes nothing
        elif change.said.text and state.observed_at is not None:
            self._keep(number, change.said, at=state.observed_at, has_failed=state.status is Status.FAILED)

    def _keep(self, number: int, said: Said, *, at: float, has_failed: bool) -> None:
        room, other = (self._failed, self._others) if has_failed else (self._others, self._failed)
        length = len(said.text)
        answer = LastAnswer(at, said if length <= LONGEST else None, length)
        other.forget(number)
        room.note(number, answer, size=length if answer.said else 0)
