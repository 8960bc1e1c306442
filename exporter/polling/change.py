"""Whether durations are still what they were: Page's test (1954) on how far out outcomes lie. Pure arithmetic."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

CHANGED = 7.0
"""So much doubt (the logarithm of a ratio of likelihoods) means that durations are not what they were. With less
a change is seen an outcome sooner, and what still holds is forgotten as often as once in some two thousand outcomes."""

LATELY = 32
"""So many outcomes, at most, are known to be from after a change."""

TOGETHER = 0.1
"""Tasks were submitted together if no more than such a part of their duration lies between."""

WITNESSES = 3
"""So many of them are believed."""

_POWER = 0.25
"""After a change outcomes are far out: their ranks, or what is left to 1, are distributed as this power says."""

_LEAST_RANK = 1e-6


class End(NamedTuple):
    """A task that was seen open ``after`` an age and had ended ``by`` another, in ETAs; ``eta`` and ``submitted`` are
    seconds, by any clock.
    """

    after: float
    by: float
    submitted: float
    eta: float

    @property
    def middle(self) -> float:
        return (self.after + self.by) / 2


@dataclass(slots=True)
class _Cohort:
    """What tasks tell that were submitted at about this time (seconds): as much as a few of them would, in the mean.

    The shortest of them end first, and would seem to tell of a change otherwise.
    """

    submitted: float = -math.inf
    surprise: float = 0.0
    count: int = 0

    def has(self, end: End) -> bool:
        return abs(end.submitted - self.submitted) <= TOGETHER * end.by * end.eta

    def note(self, surprise: float) -> None:
        self.surprise += surprise
        self.count += 1

    @property
    def doubt(self) -> float:
        return self.surprise / max(self.count, 1) * min(self.count, WITNESSES)


@dataclass(slots=True)
class Doubt:
    """Adds up while outcomes lie farther out than was to be expected, and never falls below 0."""

    _settled: float = 0.0
    _cohort: _Cohort = field(default_factory=_Cohort)
    _lately: deque[End] = field(default_factory=lambda: deque(maxlen=LATELY))

    @property
    def is_certain(self) -> bool:
        """Whether durations have changed."""
        return self._settled + self._cohort.doubt > CHANGED

    @property
    def lately(self) -> Sequence[End]:
        """The outcomes since it arose."""
        return tuple(self._lately)

    def note(self, end: End, *, outlived: float) -> None:
        """A task ended; by what was known, such a share of tasks lasts longer."""
        if not self._cohort.has(end):
            self._settled = max(0.0, self._settled + self._cohort.doubt)
            self._cohort = _Cohort(end.submitted)
            if not self._settled:
                self._lately.clear()
        self._cohort.note(_surprise(outlived))
        self._lately.append(end)


def _surprise(rank: float) -> float:
    """The logarithm of how much likelier this rank is after a change than before, when all are as likely."""
    low = min(max(rank, _LEAST_RANK), 1 - _LEAST_RANK)
    return math.log(_POWER / 2 * (low ** (_POWER - 1) + (1 - low) ** (_POWER - 1)))
