"""Figures: what a share is, whether a goal is reached, and how a report keeps and tells them."""

from pathlib import Path

import pytest

from benchmarks._figures import Figure, Goal, Unit
from benchmarks.report import PARTS, Report, goal, measured, share, shown, table

FIGURE = Figure(name="a poll", cost=2e-5, peer_name="httpx", peer=2e-3, goal=Goal(share=1 / 50), line="poll", at=64)
PLAIN = Figure(name="a task", cost=400.0, peer_name="a dict", peer=500.0, unit=Unit.BYTES)
REPORT = Report({"whole": [FIGURE], "memory": [PLAIN]}, {"cores": "2"})


def costing(cost: float, goal: Goal) -> Figure:
    return Figure(name="it", cost=cost, peer_name="another", peer=10.0, goal=goal)


@pytest.mark.parametrize(
    ("figure", "expected"),
    [
        (costing(1.0, Goal()), None),
        (costing(1.0, Goal(share=0.1)), True),
        (costing(1.1, Goal(share=0.1)), False),
        (costing(1.0, Goal(cost=1.0)), True),
        (costing(1.0, Goal(share=0.1, cost=0.9)), False),
    ],
)
def test_a_goal_is_reached_when_all_that_it_says_is(figure: Figure, expected: bool | None) -> None:
    assert figure.is_reached is expected


@pytest.mark.parametrize(
    ("cost", "unit", "text"),
    [
        (2.5e-6, Unit.SECONDS, "2.5 µs"),
        (0.0123, Unit.SECONDS, "12.3 ms"),
        (1.5, Unit.SECONDS, "1.5 s"),
        (1063.4, Unit.BYTES, "1,063 B"),
    ],
)
def test_a_cost_is_told_in_the_unit_that_fits(cost: float, unit: Unit, text: str) -> None:
    assert shown(cost, unit) == text


@pytest.mark.parametrize(("value", "text"), [(0.01, "1/100"), (0.5, "1/2"), (0.97, "0.97 times"), (2.0, "2.00 times")])
def test_a_share_is_told_as_a_part_or_as_so_many_times(value: float, text: str) -> None:
    assert share(value) == text


def test_a_goal_is_told_in_full() -> None:
    assert goal(Goal(), Unit.SECONDS) == ""
    assert goal(Goal(share=1 / 8, cost=1e-5), Unit.SECONDS) == "1/8, 10 µs"


def test_the_table_has_a_line_for_each() -> None:
    assert list(table([FIGURE, PLAIN]))[2:] == [
        "| a poll | 20 µs | httpx | 2 ms | 1/100 | 1/50 | reached |",
        "| a task | 400 B | a dict | 500 B | 0.80 times |  |  |",
    ]


def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    kept = tmp_path / "performance.json"
    kept.write_text(REPORT.as_json())
    assert Report.read(kept) == REPORT


def test_figures_of_one_line_come_in_order() -> None:
    small = Figure(name="small", cost=1.0, peer_name="it", peer=1.0, line="poll", at=1)
    report = Report({"a": [FIGURE, small], "b": [PLAIN]}, {})
    assert report.line("poll") == [small, FIGURE]
    assert report.kept(("a task", "a dict")) == PLAIN


@pytest.mark.parametrize("part", PARTS)
def test_every_part_has_figures(part: str) -> None:
    next_one = measured(part)
    assert hasattr(next_one, "__next__")
