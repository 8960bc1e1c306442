"""Line charts as SVG: from numbers to places, and a template that draws them, light or dark as the reader has it."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from benchmarks._templates import rendered

WIDTH, HEIGHT = 420, 300
LEFT, TOP, RIGHT, BOTTOM = 56, 54, 18, 44
STEPS = 5

Point = tuple[float, float]


class Look(StrEnum):
    """What a line is drawn like."""

    OURS = "ours"
    PEER = "peer"


@dataclass(frozen=True, slots=True)
class Line:
    """Points, and whose they are. Its name begins or ends beside the point of that index, above it or below."""

    name: str
    look: Look
    points: Sequence[Point]
    named_at: int = -1
    anchor: Literal["start", "end"] = "end"
    is_below: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Lines over axes that begin at 0, or, where they are logarithmic, at the power of ten below the least value."""

    title: str
    x: str
    y: str
    lines: Sequence[Line]
    is_logarithmic: bool = False
    has_dots: bool = True


@dataclass(frozen=True, slots=True)
class Placed:
    """A text at a place."""

    x: float
    y: float
    text: str
    anchor: str = "start"
    look: str = ""


@dataclass(frozen=True, slots=True)
class Curve:
    """A line in places of the picture."""

    look: Look
    points: Sequence[Point]
    has_dots: bool


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to places along an axis, and where its grid is."""

    place: Callable[[float], float]
    ticks: Sequence[float]


def drawn(*charts: Chart) -> str:
    """Charts beside each other, as one SVG."""
    panels = [_panel(chart, offset=WIDTH * number) for number, chart in enumerate(charts)]
    return rendered("chart.svg", width=WIDTH * len(charts), height=HEIGHT, panels=panels)


def _panel(chart: Chart, *, offset: int) -> dict[str, object]:
    left, right, bottom = offset + LEFT, offset + WIDTH - RIGHT, HEIGHT - BOTTOM
    points = [point for line in chart.lines for point in line.points]
    scale = logarithmic if chart.is_logarithmic else linear
    x = scale([point[0] for point in points], start=left, end=right)
    y = scale([point[1] for point in points], start=bottom, end=TOP)
    paths = [_path(line, x, y, has_dots=chart.has_dots) for line in chart.lines]
    return {
        "title": Placed(left, 20, chart.title),
        "y_title": Placed(left, 40, chart.y),
        "x_title": Placed((left + right) / 2, HEIGHT - 8, chart.x, "middle"),
        "grid": [((left, y.place(value)), (right, y.place(value))) for value in y.ticks],
        "x_ticks": [Placed(x.place(value), bottom + 16, short(value), "middle") for value in x.ticks],
        "y_ticks": [Placed(left - 6, y.place(value) + 4, short(value), "end") for value in y.ticks],
        "paths": paths,
        "names": [_name(line, path) for line, path in zip(chart.lines, paths, strict=True) if line.points],
    }


def _path(line: Line, x: Scale, y: Scale, *, has_dots: bool) -> Curve:
    return Curve(line.look, [(x.place(at), y.place(value)) for at, value in line.points], has_dots)


def _name(line: Line, path: Curve) -> Placed:
    x, y = path.points[line.named_at]
    return Placed(x, y + 18 if line.is_below else y - 9, line.name, line.anchor, line.look)


# ---- scales ----------------------------------------------------------------------------------------------------------


def linear(values: Sequence[float], *, start: float, end: float) -> Scale:
    """From 0 to a round number that none of the values exceeds."""
    highest = max(values, default=0.0) or 1.0
    step = _round_up(highest / STEPS)
    steps = math.ceil(highest / step - 1e-9)
    ticks = [step * number for number in range(steps + 1)]
    return Scale(lambda value: start + value / ticks[-1] * (end - start), ticks)


def logarithmic(values: Sequence[float], *, start: float, end: float) -> Scale:
    """Whole powers of ten around values above 0, and where those are few, what is twice and five times them."""
    least, most = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)) or 1)
    span = max(1, most - least)
    ticks = list(_powers(least, most, between=(1, 2, 5) if span <= 2 else (1,)))
    return Scale(lambda value: start + (math.log10(value) - least) / span * (end - start), ticks)


def _powers(least: int, most: int, *, between: Sequence[int]) -> Iterator[float]:
    for power in range(least, most):
        yield from (float(10**power * each) if power >= 0 else each / 10**-power for each in between)
    yield float(10**most) if most >= 0 else 1 / 10**-most


def _round_up(value: float) -> float:
    """To 1, 2, 2.5 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(each * power for each in (1, 2, 2.5, 5, 10) if each * power >= value * (1 - 1e-9))


def short(value: float) -> str:
    """A number for an axis."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:.3g}"
