"""Charts: where values are placed, what the axes say, and that the picture is whole."""

from xml.etree import ElementTree as ET

import pytest

from benchmarks.charts._chart import BOTTOM, HEIGHT, TOP, WIDTH, Chart, Line, Look, drawn, linear, logarithmic, short

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("most", "ticks"),
    [
        (10.0, [0, 2, 4, 6, 8, 10]),
        (0.9, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (11.0, [0, 2.5, 5, 7.5, 10, 12.5]),
        (6.0, [0, 2, 4, 6]),
    ],
)
def test_a_linear_axis_ends_at_a_round_number(most: float, ticks: list[float]) -> None:
    scale = linear([most / 2, most], start=0, end=100)
    assert scale.ticks == pytest.approx(ticks)
    assert scale.place(0) == 0
    assert scale.place(scale.ticks[-1]) == 100


def test_an_axis_of_nothing_is_one_all_the_same() -> None:
    assert linear([], start=0, end=100).ticks[-1] > 0
    assert linear([0.0], start=0, end=100).ticks[-1] > 0


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([3.0, 60.0], [1, 2, 5, 10, 20, 50, 100]),
        ([2.0, 5e4], [1, 10, 100, 1000, 10000, 100000]),
        ([0.02, 0.05], [0.01, 0.02, 0.05, 0.1]),
    ],
)
def test_a_logarithmic_axis_has_whole_powers_of_ten(values: list[float], ticks: list[float]) -> None:
    scale = logarithmic(values, start=0, end=100)
    assert scale.ticks == pytest.approx(ticks)
    assert scale.place(ticks[0]) == pytest.approx(0)
    assert scale.place(ticks[-1]) == pytest.approx(100)


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (7.5, "7.5"), (1000.0, "1k"), (25_000.0, "25k"), (2e6, "2M"), (0.02, "0.02")]
)
def test_numbers_of_an_axis_are_short(value: float, text: str) -> None:
    assert short(value) == text


def test_charts_stand_beside_each_other_and_stay_in_the_picture() -> None:
    lines = (Line("ours <it>", Look.OURS, [(0, 0), (10, 5)]), Line("theirs", Look.PEER, [(0, 1), (10, 9)]))
    chart = Chart(title="Title", x="across", y="up", lines=lines)
    root = ET.fromstring(drawn(chart, chart))
    assert root.attrib["viewBox"] == f"0 0 {2 * WIDTH} {HEIGHT}"
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert [texts.count(text) for text in ("Title", "across", "up", "ours <it>", "theirs")] == [2] * 5
    dots = [(float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in root.iter(f"{SVG}circle")]
    assert len(dots) == 8
    assert all(0 < x < 2 * WIDTH and TOP <= y <= HEIGHT - BOTTOM for x, y in dots)
