"""When tasks end, and so where their polls belong. Pure arithmetic on ages, in units of the task's ETA.

Checks that are to find an end soon belong where the end is likely: the best density of so many checks is proportional
to the square root of the hazard rate (Keller 1974, "Optimum checking schedules for systems subject to random failure";
Barlow and Proschan). Here that is a clock that is bent: it runs slowly while an end is unlikely and fast while it is
likely, and over a task's life goes as far as a straight one does, in the mean. Whatever ticks regularly on the bent
clock makes as many polls as on the straight one, in better places.
"""

import math
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise, zip_longest
from operator import add, mul, sub

LEAST_ETA = 1e-3
"""A shorter ETA (seconds) says nothing of a task, and numbers are too small for ages that are counted in it."""

PER_OCTAVE = 16
OCTAVES = 6
BINS = 2 * OCTAVES * PER_OCTAVE
"""Ages from 1/64 to 64 times the ETA, in steps of about 4 %; what is beyond counts at the end."""

EDGES: Sequence[float] = (0.0, *(math.exp2(at / PER_OCTAVE - OCTAVES) for at in range(1, BINS + 1)))
"""The bounds of the bins; the first bin reaches down to 0."""

UNSEEN = 0.25
"""How many outcomes the prior is worth: what was never seen may happen all the same."""

FAR = 0.05
"""Such a part of the outcomes is taken to lie anywhere near the others: one that ends a little before or after all that
were seen is no wonder, and no change."""

_FARTHEST = 6.0
"""So many bins, and no more, is near: outcomes of two kinds lie farther apart."""

_LEAST_HAZARD = 1e-6
"""Ends a task has in one ETA, whatever is known: numbers are too coarse for less, and no clock may stand still."""

_LEAST_COUNT = 0.5
"""Who has seen one outcome has seen about 1; less comes from a damaged row, and would be spread without end."""

_NEGLIGIBLE = 1e-6
"""Such a part of all outcomes is not worth being spread."""

_LEAST_SPREAD = 2.0
_SQUARES = tuple(at**2 for at in range(BINS))
_WIDTHS = tuple(end - start for start, end in pairwise(EDGES))
_QUARTILES = 1.349
"""The distance of a normal distribution's quartiles, in standard deviations."""

_OUTLIVED = tuple(math.exp(-edge) for edge in EDGES)
"""The prior's chance to outlive each bound: its hazard is the same at every age, which leaves the clock straight."""


@dataclass(frozen=True, slots=True)
class Curve:
    """The bent clock, and what it was made from.

    ``shown`` is what it shows at each bound; beyond the last it runs like the straight one. ``expected`` is the chance
    to end within each bin.
    """

    shown: Sequence[float]
    expected: Sequence[float]

    def reading(self, age: float, *, even: float = 0.0) -> float:
        """What the clock shows at an age; ``even`` is the share of the straight clock in it."""
        if self.shown is EDGES:  # it is the straight one: so it is until something is known
            return age
        at = bisect_right(EDGES, age) - 1
        if at >= BINS:
            shown = self.shown[BINS] + age - EDGES[BINS]
        else:
            share = (age - EDGES[at]) / (EDGES[at + 1] - EDGES[at])
            shown = self.shown[at] + share * (self.shown[at + 1] - self.shown[at])
        return even * age + (1 - even) * shown

    def age(self, reading: float, *, even: float = 0.0) -> float:
        """The age at which it shows that."""
        if self.shown is EDGES:
            return reading
        shown, share = self.shown, 1 - even
        one, other = bisect_right(EDGES, reading) - 1, bisect_right(shown, reading) - 1
        at, beyond = (one, other + 1) if one < other else (other, one + 1)  # it lies between the two clocks
        while beyond - at > 1:
            middle = (at + beyond) // 2
            if even * EDGES[middle] + share * shown[middle] <= reading:
                at = middle
            else:
                beyond = middle
        before = even * EDGES[at] + share * shown[at]
        if at >= BINS:
            return EDGES[BINS] + reading - before
        after = even * EDGES[beyond] + share * shown[beyond]
        return EDGES[at] + (reading - before) / (after - before) * (EDGES[beyond] - EDGES[at])

    def faster(self, factor: float) -> "Curve":
        """The same clock at so many times its pace."""
        return Curve(array("d", (factor * each for each in self.shown)), self.expected)

    def outlived(self, age: float) -> float:
        """The chance to last longer than that."""
        at = bin_of(age)
        share = min(max((EDGES[at + 1] - age) / _WIDTHS[at], 0.0), 1.0)
        return math.fsum(self.expected[at + 1 :]) + share * self.expected[at]

    def shares(self, after: float, by: float) -> Sequence[tuple[int, float]]:
        """Where a task may have ended that ended between these ages: the bins, and how likely each is."""
        first, last = bin_of(after), bin_of(by)
        low, high = max(after, 0.0), min(by, EDGES[-1])
        if first == last or low >= high:
            return ((last, 1.0),)
        likely = [
            self.expected[at] * (min(high, EDGES[at + 1]) - max(low, EDGES[at])) / (EDGES[at + 1] - EDGES[at])
            for at in range(first, last + 1)
        ]
        whole = sum(likely)
        return [(first + off, each / whole) for off, each in enumerate(likely)]


STRAIGHT = Curve(EDGES, tuple(before - after for before, after in pairwise(_OUTLIVED)))


def bent(masses: Sequence[float], *, started: float = 0.0, lead: float = 0.0) -> Curve:
    """The clock for tasks of which so many ended in each bin.

    Until they are seen running, at the age ``started`` in the mean, tasks are polled by the straight clock: from then
    on the bent one goes as far as the straight one, less ``lead``, which pays back what was spent too much.
    """
    count = sum(masses)
    if count < _LEAST_COUNT:
        return STRAIGHT
    prior = UNSEEN / (UNSEEN + count)
    seen = [*accumulate(reversed(_smooth(masses, count)), initial=0.0)]
    share = (1 - prior) / seen[-1]
    outlived = [share * one + prior * other for one, other in zip(reversed(seen), _OUTLIVED, strict=True)]
    clock = Curve(
        shown=array("d", accumulate(_roots_of_hazard(outlived), initial=0.0)),
        expected=array("d", (max(before - after, _LEAST_HAZARD**2) for before, after in pairwise(outlived))),
    )
    return _scaled(clock, outlived, started=started, lead=lead)


def mean(masses: Sequence[float]) -> float:
    """The mean age at which tasks ended, of which so many ended in each bin; 0 where none did."""
    count = sum(masses)
    return sum(map(mul, masses, EDGES[1:])) / count if count else 0.0


def may_go(straight: float, lead: float) -> float:
    """How far the bent clock may go where the straight one goes so far: less its lead, but between half and twice."""
    return min(max(straight - lead, straight / 2), 2 * straight)


def bin_of(age: float) -> int:
    """The bin that an age is in."""
    return min(max(bisect_right(EDGES, age) - 1, 0), BINS - 1)


def _scaled(clock: Curve, outlived: Sequence[float], *, started: float, lead: float) -> Curve:
    """The clock that goes as far as it may, whatever the square roots add up to."""
    straight = _mean(outlived, EDGES) - started
    bent_ = _mean(outlived, clock.shown) - clock.reading(started)
    if straight <= 0 or bent_ <= 0:  # tasks that end as soon as they are seen running: there is nothing to place
        return Curve(EDGES, clock.expected)
    return clock.faster(may_go(straight, lead) / bent_)


def _roots_of_hazard(outlived: Sequence[float]) -> Iterator[float]:
    """The integral of the square root of the hazard rate over each bin, within which the rate is the same."""
    for (before, after), width in zip(pairwise(outlived), _WIDTHS, strict=True):
        yield math.sqrt(max(math.log(before / after), _LEAST_HAZARD * width) * width)


def _mean(outlived: Sequence[float], shown: Sequence[float]) -> float:
    """What a clock shows in the mean when a task ends."""
    ended = map(sub, outlived, outlived[1:])
    both: Iterator[float] = map(add, shown, shown[1:])
    return math.fsum(map(mul, ended, both)) / 2


# ---- from few outcomes to a smooth distribution ----------------------------------------------------------------------


def _smooth(masses: Sequence[float], count: float) -> Sequence[float]:
    """The masses, spread as far as so few outcomes leave open: Silverman's rule, over the logarithm of the age; and a
    few of them as far as they lie apart."""
    spread = _spread(masses, count)
    near, far = _kernel(0.9 * spread * count**-0.2), _kernel(min(spread, _FARTHEST))
    kernel = [(1 - FAR) * one + FAR * other for one, other in zip_longest(near, far, fillvalue=0.0)]
    reach, both_sides = len(kernel) - 1, [*reversed(kernel[1:]), *kernel]
    smooth = [0.0] * (BINS + 2 * reach)
    least = _NEGLIGIBLE * count
    for at, mass in enumerate(masses):
        if mass > least:  # as in few of the bins
            for near_by, weight in enumerate(both_sides, at):
                smooth[near_by] += mass * weight
    return smooth[reach : reach + BINS]


def _kernel(width: float) -> Sequence[float]:
    """A normal curve so many bins wide, from its middle on; both halves together weigh 1."""
    half = [math.exp(-0.5 * (off / width) ** 2) for off in range(int(3 * width) + 1)]
    whole = 2 * sum(half) - half[0]
    return [each / whole for each in half]


def _spread(masses: Sequence[float], count: float) -> float:
    """How far the masses lie apart, in bins: the standard deviation, unless the quartiles tell of less.

    Outcomes alike say little about how alike the next will be, so it is never nothing.
    """
    mean = sum(map(mul, range(BINS), masses)) / count
    deviation = math.sqrt(max(sum(map(mul, _SQUARES, masses)) / count - mean**2, 0.0))
    sums = list(accumulate(masses))
    quartiles = bisect_right(sums, 0.75 * count) - bisect_right(sums, 0.25 * count)
    return max(min(deviation, max(quartiles, 1) / _QUARTILES), _LEAST_SPREAD)
