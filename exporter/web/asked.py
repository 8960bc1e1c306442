"""What a probe met."""

from dataclasses import dataclass

from exporter.dispatcher.answer import Answer
from exporter.tasks.identity import TaskRef


@dataclass(frozen=True, slots=True)
class Asked:
    """What a probe met: an answer, or in words why there is none. Times are seconds from its beginning."""

    ref: TaskRef
    sent_at: float | None
    ended_at: float
    answer: Answer | None = None
    fault: str | None = None
