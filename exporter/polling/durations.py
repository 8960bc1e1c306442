"""What was observed of the durations of tasks that are alike. It takes the same room however many they were."""

import json
import math
from array import array
from dataclasses import dataclass, field
from typing import Self

from exporter.polling.change import Doubt, End
from exporter.polling.curve import BINS, EDGES, STRAIGHT, Curve, bent, may_go, mean

MEMORY = 200.0
"""So many outcomes weigh as much as all that are remembered: older ones fade."""

PAYBACK = 0.1
"""The bent clock's lead is made up for within such a part of the outcomes that are remembered,"""

LEAST_PAYBACK = 5.0
"""but not within fewer than these."""

MOST_LEAD = 60.0
"""The bent clock's lead (in ETAs, all tasks together) is kept track of up to here, and its lag as well."""

FRESH = 10
"""A curve is made anew when one in so many outcomes is not in it yet."""

UNPAID = 1.0
"""Its pace is set anew when its lead has changed by so much."""

REST = 1.0
"""What came before a change weighs as much as so many outcomes from then on."""

LONG_ENOUGH = 2.0
"""Durations are known once tasks have been followed for so many times their mean: before, only short ones can end."""


@dataclass(slots=True)
class Durations:
    """All times are ages in units of the ETA.

    ``masses`` are the outcomes by bin, each older one a little less than the next; ``weight`` is what the next weighs.
    ``started`` is the mean age at which tasks were seen running, None before the first. ``lead`` is by how much the
    bent clock was ahead of the straight one when tasks ended, all added up: so many polls were made too much.

    The clock stays straight until it is certain that what was seen is not only what ended first. When outcomes tell of
    a change, what came before it is forgotten.
    """

    masses: "array[float]" = field(default_factory=lambda: array("d", bytes(8 * BINS)))
    weight: float = 1.0
    started: float | None = None
    lead: float = 0.0
    curve: Curve = STRAIGHT
    _doubt: Doubt = field(default_factory=Doubt)
    _since: float = math.inf
    _span: float = 0.0
    _is_known: bool = False
    _seen: int = 0
    _renewed_at: int = 0
    _paid_for: float = 0.0

    def note_start(self, age: float) -> None:
        """A task was seen running for the first time."""
        age = min(age, EDGES[-1])  # what lies beyond counts at the end, as with durations: one start is not all
        self.started = age if self.started is None else self.started + (age - self.started) * 2 / MEMORY

    def note_end(self, end: End, *, was_seen_open: bool) -> None:
        """A task ended; where nobody looked while it was open, no polls were made for it."""
        if was_seen_open:
            self.lead = min(max(self.lead + self._lead_of(end.after, end.by), -MOST_LEAD), MOST_LEAD)
        self._note(end)
        if self._is_known:
            self._doubt.note(end, outlived=self.curve.outlived(end.middle))
        if self._doubt.is_certain:
            self._forget()
        elif self._seen - self._renewed_at >= min(self._renewed_at, MEMORY) // FRESH:
            self._renew()
        elif self._is_known and abs(self.lead - self._paid_for) > UNPAID:
            self._pay()

    def _note(self, end: End) -> None:
        self._since = min(self._since, end.submitted)
        self._span = (end.submitted - self._since) / end.eta + end.by
        self.weight /= 1 - 1 / MEMORY
        for at, share in self.curve.shares(end.after, end.by):
            self.masses[at] += self.weight * share
        self._seen += 1

    def _forget(self) -> None:
        """Durations have changed: begin anew with the outcomes since that was first to be seen."""
        rest = REST / sum(self.masses)
        self.masses = array("d", (mass * rest for mass in self.masses))
        self.weight, self._seen, self._since = 1.0, 0, math.inf
        self.curve = bent(self.masses)
        for end in self._doubt.lately:
            self._note(end)
        self._doubt = Doubt()
        self._renew()

    def _lead_of(self, after: float, by: float) -> float:
        """The bent clock's lead in the middle of a gap; until the start the clock that counted was the straight one."""
        started = min(self.started or 0.0, after)
        reading = self.curve.reading
        return (reading(after) - after + reading(by) - by) / 2 - (reading(started) - started)

    def _renew(self) -> None:
        self._renewed_at, self._paid_for = self._seen, self.lead
        self.masses = array("d", (mass / self.weight for mass in self.masses))
        self.weight = 1.0
        self.curve = bent(self.masses, started=self.started or 0.0, lead=self._instalment(self.lead))
        self._is_known = self._span >= LONG_ENOUGH * mean(self.masses)
        if not self._is_known:
            self.curve = Curve(EDGES, self.curve.expected)  # polls are as published still

    def _pay(self) -> None:
        """Let the clock run slower or faster: that takes a tenth of what a new curve does."""
        straight = mean(self.masses) - (self.started or 0.0)
        before, after = (may_go(straight, self._instalment(lead)) for lead in (self._paid_for, self.lead))
        self._paid_for = self.lead
        if before > 0:
            self.curve = self.curve.faster(after / before)

    def _instalment(self, lead: float) -> float:
        return lead / max(PAYBACK * sum(self.masses) / self.weight, LEAST_PAYBACK)

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
        durations = cls(masses, started=started, lead=lead, _seen=seen, _since=-math.inf, _span=math.inf)
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
