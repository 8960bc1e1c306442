"""A figure: what something costs, what a peer's way to do the same costs in the same run, and the goal.

A benchmark whose figures stand in ``docs/performance.md`` has a function ``figures`` that yields them.
"""

from dataclasses import dataclass
from enum import StrEnum


class Unit(StrEnum):
    """What a cost is in."""

    SECONDS = "s"
    BYTES = "B"


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a figure should come to at most: a share of the peer's cost, or a cost."""

    share: float | None = None
    cost: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A cost is in the unit, for each of what is counted: the smaller, the better.

    ``name`` and ``peer_name`` together are unique.
    Figures of one ``line`` are of one thing at several sizes, ``at``, which a chart draws; ``peer_at`` is the peer's
    size where it is another.
    """

    name: str
    cost: float
    peer_name: str
    peer: float
    unit: Unit = Unit.SECONDS
    goal: Goal = Goal()
    line: str = ""
    at: float = 0.0
    peer_at: float = 0.0

    @property
    def key(self) -> tuple[str, str]:
        """What it is known by from one report to the next."""
        return self.name, self.peer_name

    @property
    def share(self) -> float:
        """Of the peer's cost: 0.1 is a tenth of it. The machine's speed is in neither."""
        return self.cost / self.peer

    @property
    def is_reached(self) -> bool | None:
        """Whether the goal is; None where there is none."""
        wanted = [
            found <= most
            for found, most in ((self.share, self.goal.share), (self.cost, self.goal.cost))
            if most is not None
        ]
        return all(wanted) if wanted else None
