"""What was observed of the durations of tasks that are alike. It takes the same room however many they were."""

import json
import math
from array import array
from dataclasses import dataclass, field
from typing import Self

from exporter.polling.curve import BINS, STRAIGHT, Curve, bent

MEMORY = 200.0
"""So many outcomes weigh as much as all that are remembered: older ones fade."""

PAYBACK = 100.0
"""Within so many outcomes the bent clock's lead is made up for."""

MOST_LEAD = 60.0
"""The bent clock's lead (in ETAs, all tasks together) is kept track of up to here, and its lag as well."""

FRESH = 10
"""A curve is made anew when one in so many outcomes is not in it yet."""


@dataclass(slots=True)
class Durations:
    """All times are ages in units of the ETA.

    ``masses`` are the outcomes by bin, each older one a little less than the next; ``weight`` is what the next weighs.
    ``started`` is the mean age at which tasks were seen running, None before the first. ``lead`` is by how much the
    bent clock was ahead of the straight one when tasks ended, all added up: so many polls were made too much.
    """

    masses: "array[float]" = field(default_factory=lambda: array("d", bytes(8 * BINS)))
    weight: float = 1.0
    started: float | None = None
    lead: float = 0.0
    curve: Curve = STRAIGHT
    _seen: int = 0
    _renewed_at: int = 0

    def note_start(self, age: float) -> None:
        """A task was seen running for the first time."""
        self.started = age if self.started is None else self.started + (age - self.started) * 2 / MEMORY

    def note_end(self, by: float, *, after: float | None) -> None:
        """A task ended by then; ``after`` is when it was last seen open, None where it never was."""
        curve, begin = self.curve, after or 0.0
        if after is not None:
            self.lead = min(max(self.lead + self._lead_of(after, by), -MOST_LEAD), MOST_LEAD)
        self.weight /= 1 - 1 / MEMORY
        for at, share in curve.shares(begin, by):
            self.masses[at] += self.weight * share
        self._seen += 1
        if self._seen - self._renewed_at >= min(self._renewed_at, MEMORY) // FRESH:
            self._renew()

    def _lead_of(self, after: float, by: float) -> float:
        """The bent clock's lead in the middle of a gap; until the start the clock that counted was the straight one."""
        started = min(self.started or 0.0, after)
        reading = self.curve.reading
        return (reading(after) - after + reading(by) - by) / 2 - (reading(started) - started)

    def _renew(self) -> None:
        self._renewed_at = self._seen
        self.masses = array("d", (mass / self.weight for mass in self.masses))
        self.weight = 1.0
        self.curve = bent(self.masses, started=self.started or 0.0, lead=self.lead / PAYBACK)

    # ---- kept over a restart ---------------------------------------------------------------------------------------

    def to_text(self) -> str:
        """All of it, as short JSON; bins without an outcome are left out."""
        masses = {str(at): float(f"{mass / self.weight:.4g}") for at, mass in enumerate(self.masses) if mass}
        return json.dumps(
            {"bins": BINS, "seen": self._seen, "started": self.started, "lead": self.lead, "masses": masses},
            separators=(",", ":"),
        )

    @classmethod
    def from_text(cls, text: str) -> Self:
        """What ``to_text`` wrote; ValueError where this is something else."""
        try:
            kept = json.loads(text)
            if kept["bins"] != BINS:
                raise ValueError("other bins")
            masses = array("d", bytes(8 * BINS))
            for at, mass in kept["masses"].items():
                masses[_index(at)] = _finite(mass, least=0.0, most=10 * MEMORY)
            started = None if kept["started"] is None else _finite(kept["started"], least=0.0, most=math.inf)
            lead = _finite(kept["lead"], least=-MOST_LEAD, most=MOST_LEAD)
            seen = int(_finite(kept["seen"], least=0.0, most=1e15))
        except (KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError) as error:
            raise ValueError(f"no durations: {error}") from None
        durations = cls(masses, started=started, lead=lead, _seen=seen)
        durations._renew()
        return durations


def _index(text: str) -> int:
    at = int(text)
    if not 0 <= at < BINS:
        raise ValueError(f"there is no bin {at}")
    return at


def _finite(value: object, *, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no finite number")
    if not least <= value <= most:
        raise ValueError(f"{value!r} is out of bounds")
    return float(value)
