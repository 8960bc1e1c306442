"""The figures that the documentation shows, and the page, the table and the pictures that are made of them."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks._figures import Figure, Goal
from benchmarks.charts import performance, soak
from benchmarks.page import END, HEADLINES, START, page, with_figures
from benchmarks.report import PARTS, Report
from benchmarks.soak.plan import RATE, SECONDS
from benchmarks.soak.record import Record

README = Path(__file__).parents[2] / "README.md"

KEPT, SOAKED = Report.read(), Record.read()


def test_each_part_is_kept_and_each_name_once() -> None:
    keys = [figure.key for found in KEPT.figures.values() for figure in found]
    assert tuple(KEPT.figures) == PARTS
    assert len(keys) == len({*keys})


def test_the_page_shows_each_figure_and_each_verdict() -> None:
    text = page(KEPT, SOAKED)
    for found in KEPT.figures.values():
        for figure in found:
            assert f"| {figure.name} | " in text or figure.line == "delay"
    for verdict in SOAKED.verdicts:
        assert f"| {verdict.name}" in text


def test_every_verdict_of_the_soak_that_is_kept_is_good_and_it_took_its_hour() -> None:
    assert [verdict.name for verdict in SOAKED.verdicts if not verdict.is_good] == []
    assert (SOAKED.plan.seconds, SOAKED.plan.rate) == (SECONDS, RATE)


def test_the_readme_shows_the_headlines_as_they_are_kept() -> None:
    text = README.read_text()
    assert with_figures(text, KEPT) == text
    [between] = re.findall(f"{START}(.*){END}", text, re.DOTALL)
    assert between.count("\n") == 2 + len(HEADLINES)


def test_only_what_is_between_the_marks_is_written() -> None:
    figure = Figure(name="it", cost=1.0, peer_name="another", peer=4.0, goal=Goal(share=0.5))
    report = Report({part: [figure] for part in HEADLINES}, {})
    text = with_figures(f"before\n{START}old\n{END}after\n", report)
    assert text.startswith(f"before\n{START}| what |")
    assert text.endswith(f"| it | 1 s | another: 4 s; ours is 1/4 |\n{END}after\n")


def test_without_marks_nothing_is_written() -> None:
    with pytest.raises(ValueError, match="lacks"):
        with_figures("no marks", KEPT)


def test_the_pictures_show_every_figure_of_a_line() -> None:
    drawn = ET.fromstring(performance.picture(KEPT))
    dots = drawn.findall(".//{http://www.w3.org/2000/svg}circle")
    assert len(dots) == 2 * sum(len(KEPT.line(line)) for line in ("poll", "scrape", "delay"))


def test_the_picture_of_the_soak_is_one_of_all_samples() -> None:
    drawn = ET.fromstring(soak.picture(SOAKED))
    lines = drawn.findall(".//{http://www.w3.org/2000/svg}path[@class='ours']")
    assert [line.attrib["d"].count(" ") for line in lines] == [
        len(SOAKED.samples),
        len(SOAKED.samples) - 1,
        len(SOAKED.samples),
    ]
