"""Small pictures: from numbers to the paths of an SVG. Pure.

Every picture stands on a grid of its own, one unit wide for each column of time, and all numbers in it are whole: so a
path stays short, however many points it has. The page stretches it to its place.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeGuard

Values = Sequence[float | None]
"""A number for each column of time; None, and whatever is no finite number, is a gap."""

Runs = Iterator[tuple[int, int, int]]
"""Columns of one height: where they begin, how many there are, how high they are."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One path; the style sheet has a look for each kind."""

    kind: str
    path: str


@dataclass(frozen=True, slots=True)
class Figure:
    """One picture: ``title`` and ``words`` say the same to whoever does not see it."""

    title: str
    words: str
    columns: int
    height: int
    layers: tuple[Layer, ...]


def figure(title: str, words: str, *, columns: int, height: int, layers: Iterable[Layer]) -> Figure:
    """A picture without the layers that show nothing."""
    return Figure(title, words, columns, height, tuple(layer for layer in layers if layer.path))


def area(kind: str, values: Values, *, top: float, base: int, room: int) -> Layer:
    """Columns that stand on ``base``, or hang from it where ``room`` is negative, which a number of ``top`` fills."""
    sign, path, end, level = (-1 if room > 0 else 1), "", -1, 0
    for at, width, height in _runs(values, top, abs(room)):
        if at != end:
            path += f"{_closed(path, base)}M{at} {base}"
            level = 0
        path += f"v{sign * (height - level)}h{width}"
        end, level = at + width, height
    return Layer(kind, path + _closed(path, base))


def line(kind: str, values: Values, *, top: float, base: int, room: int) -> Layer:
    """A line in steps, ``room`` above ``base`` where it is at ``top``; it breaks at gaps."""
    path, end, level = "", -1, 0
    for at, width, height in _runs(values, top, room, keep_zero=True):
        path += (f"v{level - height}" if at == end else f"M{at} {base - height}") + f"h{width}"
        end, level = at + width, height
    return Layer(kind, path)


def floor(columns: Sequence[bool], base: int) -> Layer:
    """What columns stand on: a line where something is known, if only that it is nothing."""
    return line("floor", [0.0 if is_so else None for is_so in columns], top=1.0, base=base, room=0)


def block(kind: str, columns: Sequence[bool], *, above: int, base: int) -> Layer:
    """Rectangles that reach from ``base`` so far up, in the columns where it is so."""
    return area(kind, [1.0 if is_so else None for is_so in columns], top=1.0, base=base, room=above)


def _closed(path: str, base: int) -> str:
    return f"V{base}z" if path else ""


def highest(*many: Values) -> float:
    """The largest number of all; 0 where there is none."""
    return max((value for values in many for value in values if _is_number(value)), default=0.0)


def _runs(values: Values, top: float, room: int, *, keep_zero: bool = False) -> Runs:
    """Neighbours of one height together; gaps, and columns of no height unless they are wanted, left out."""
    at = 0
    for height, run in groupby(_height(value, top, room) for value in values):
        width = len(list(run))
        if height is not None and (height or keep_zero):
            yield at, width, height
        at += width


def _height(value: float | None, top: float, room: int) -> int | None:
    """Whatever is more than nothing is to be seen: one failure among a thousand successes, too."""
    if not _is_number(value):
        return None
    return math.ceil(room * min(1.0, value / top)) if value > 0 and top > 0 else 0


def _is_number(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)
