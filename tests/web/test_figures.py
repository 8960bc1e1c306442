"""Paths: from numbers to whole units, with gaps where there is no number."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.web.figures import Layer, Values, area, block, figure, floor, highest, line

NAN = float("nan")


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ([], ""),
        ([None, 0, NAN], ""),
        ([4], "M0 10v-10h1V10z"),
        ([4, 4, 2], "M0 10v-10h2v5h1V10z"),
        ([2, None, 4], "M0 10v-5h1V10zM2 10v-10h1V10z"),
        ([2, 0, 4], "M0 10v-5h1V10zM2 10v-10h1V10z"),
        ([0.001], "M0 10v-1h1V10z"),  # whatever is more than nothing is seen
        ([9], "M0 10v-10h1V10z"),  # and nothing is higher than its room
    ],
)
def test_an_area(values: Values, path: str) -> None:
    assert area("open", values, top=4, base=10, room=10) == Layer("open", path)


def test_an_area_that_hangs() -> None:
    assert area("bad", [0, 4, 2], top=4, base=6, room=-4).path == "M1 6v4h1v-2h1V6z"


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ([], ""),
        ([0], "M0 10h1"),
        ([4, 4, 2], "M0 0h2v5h1"),
        ([4, None, NAN, 2], "M0 0h1M3 5h1"),
    ],
)
def test_a_line(values: Values, path: str) -> None:
    assert line("line", values, top=4, base=10, room=10) == Layer("line", path)


def test_a_floor_is_where_something_is_known() -> None:
    assert floor([True, True, False, True], 24).path == "M0 24h2M3 24h1"


def test_blocks() -> None:
    assert block("bad", [False, True, True], above=24, base=24).path == "M1 24v-24h2V24z"


def test_a_layer_that_shows_nothing_is_left_out() -> None:
    layers = [Layer("a", ""), Layer("b", "M0 0h1")]
    assert figure("t", "w", columns=1, height=1, layers=layers).layers == (Layer("b", "M0 0h1"),)


def test_the_highest_of_nothing_is_nothing() -> None:
    assert highest([None, NAN, float("inf")], []) == 0
    assert highest([1, None], [3, 2]) == 3


@given(
    st.lists(st.none() | st.floats() | st.integers(-5, 10**9).map(float), max_size=120),
    st.floats(allow_nan=False, min_value=0),
)
def test_a_path_is_whole_numbers_within_the_grid_whatever_is_drawn(values: list[float | None], top: float) -> None:
    for layer in (
        area("a", values, top=top, base=48, room=48),
        area("b", values, top=top, base=4, room=-44),
        line("c", values, top=top, base=48, room=47),
    ):
        assert re.fullmatch(r"(?:M\d+ \d+|[vh]-?\d+|V\d+|z)*", layer.path)
        across = sum(map(int, re.findall(r"h(\d+)", layer.path)))
        assert across <= len(values)
        assert len(layer.path) <= 22 * len(values)
