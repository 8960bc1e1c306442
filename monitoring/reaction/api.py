"""The API as the exporter meets it in a situation: what it answers, how late, and what it says is left of the quota."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from exporter.dispatcher.answer import DispatcherError, Reason

LATENCY: Final = 0.08
"""Seconds an answer takes on a good day."""


@dataclass(frozen=True, slots=True)
class Fault:
    """From one time to another (seconds) no request gets an answer; ``seconds`` is how late that is known of one."""

    begins: float
    ends: float
    reason: Reason
    seconds: float = LATENCY

    def is_on(self, at: float) -> bool:
        """Whether it meets a request that is sent at that time."""
        return self.begins <= at < self.ends

    def error(self) -> DispatcherError:
        """What a request meets."""
        return DispatcherError(self.reason, "as the situation has it")


@dataclass(frozen=True, slots=True)
class Api:
    """The dispatcher behind the one account there is. Its key may spend ``quota`` credits in all."""

    faults: Sequence[Fault] = ()
    quota: float = 10_000.0

    def fault(self, at: float) -> Fault | None:
        """What is wrong with a request that is sent at that time."""
        return next((fault for fault in self.faults if fault.is_on(at)), None)
