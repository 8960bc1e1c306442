"""Draws ``docs/images/cadence.svg`` from what ``python -m benchmarks.cadence --json`` prints.

``python -m benchmarks.cadence --json | python scripts/draw_cadence.py > docs/images/cadence.svg``
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

WIDTH, HEIGHT = 420, 300
LEFT, TOP, RIGHT, BOTTOM = 50, 50, 15, 45
PUBLISHED, ADAPTIVE, OPTIMUM = "#8a8a8a", "#1f6fc4", "#2e8b57"
SECONDS_A_TICK = 5.0

Point = tuple[float, float]


class Chart:
    """Axes with a title, ``at`` so far to the right; x from 0 to ``x_most``, y from 0 to ``y_most``."""

    def __init__(self, title: str, *, at: int, x: str, y: str, x_most: float, y_most: float) -> None:
        self._at, self._x_most, self._y_most = at, x_most, y_most
        self.parts = [
            _text(at + LEFT, 22, title, size=14),
            _text(at + LEFT + (WIDTH - LEFT - RIGHT) / 2, HEIGHT - 8, x, anchor="middle"),
            _text(at + LEFT, 40, y),
        ]
        for step in range(6):
            across, up = step * x_most / 5, step * y_most / 5
            self.parts += [
                _text(self.x(across), HEIGHT - BOTTOM + 16, f"{across:g}", anchor="middle"),
                _text(self.x(0) - 6, self.y(up) + 4, f"{up:g}", anchor="end"),
                _line([(self.x(0), self.y(up)), (self.x(x_most), self.y(up))], "#dddddd", 1),
            ]

    def x(self, value: float) -> float:
        return self._at + LEFT + value / self._x_most * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - value / self._y_most * (HEIGHT - TOP - BOTTOM)

    def line(self, points: Sequence[Point], colour: str, name: str, *, named_at: Point, dots: bool = False) -> None:
        """A line, and its name beside a point."""
        placed = [(self.x(x), self.y(y)) for x, y in points]
        self.parts.append(_line(placed, colour, 2))
        if dots:
            self.parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in placed]
        self.parts.append(_text(self.x(named_at[0]), self.y(named_at[1]), name, colour=colour))

    def ticks(self, ages: Sequence[float], colour: str, *, height: float) -> None:
        """Short strokes at ages."""
        for age in ages:
            self.parts.append(_line([(self.x(age), self.y(height)), (self.x(age), self.y(height) - 9)], colour, 2))


def clock(points: Sequence[Point]) -> Chart:
    """What both clocks show, and where they tick."""
    chart = Chart("The bent clock", at=0, x="age of a task, s", y="what the clock shows, s", x_most=70, y_most=100)
    shown = [(age, reading) for age, reading in points if reading <= 100]
    chart.line([(0, 0), (70, 70)], PUBLISHED, "published", named_at=(50, 43))
    chart.line(shown, ADAPTIVE, "adaptive", named_at=(29, 72))
    chart.ticks(range(5, 70, 5), PUBLISHED, height=5)
    chart.ticks([*_ticks(points)], ADAPTIVE, height=0)
    return chart


def _ticks(points: Sequence[Point]) -> Iterator[float]:
    """The ages at which the bent clock has gone another interval."""
    tick = SECONDS_A_TICK
    for age, reading in points:
        while reading >= tick:
            yield age
            tick += SECONDS_A_TICK


def trade(rows: Sequence[Mapping[str, float]]) -> Chart:
    """Delay against polls."""
    chart = Chart("Delay against polls", at=WIDTH, x="polls a task", y="mean delay, s", x_most=15, y_most=10)

    def points(name: str, polls: str) -> list[Point]:
        found = [(row[f"{polls}_polls"], row[f"{name}_delay"]) for row in rows]
        return [point for point in found if point[0] <= 15 and point[1] <= 10]

    chart.line(points("published", "published"), PUBLISHED, "published", named_at=(5.2, 5), dots=True)
    chart.line(points("adaptive", "adaptive"), ADAPTIVE, "adaptive", named_at=(9.5, 1.6), dots=True)
    chart.line(points("optimum", "adaptive"), OPTIMUM, "optimum", named_at=(4.2, 0.6))
    return chart


def _line(points: Sequence[Point], colour: str, width: int) -> str:
    placed = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{placed}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def _text(x: float, y: float, text: str, *, size: int = 11, anchor: str = "start", colour: str = "#333333") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}">{text}</text>'


def drawn(data: Mapping[str, Any]) -> str:
    """The whole picture."""
    parts = [*clock([(age, reading) for age, reading in data["curve"]]).parts, *trade(data["trade"]).parts]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * WIDTH} {HEIGHT}" font-family="sans-serif">',
            f'<rect width="{2 * WIDTH}" height="{HEIGHT}" fill="white"/>',
            *parts,
            "</svg>\n",
        ]
    )


if __name__ == "__main__":
    sys.stdout.write(drawn(json.load(sys.stdin)))
