"""``docs/images/performance.svg``: polls, scrapes and delays, beside what others need; ``make docs`` draws it."""

import sys
from collections.abc import Sequence

from benchmarks._figures import Figure
from benchmarks.charts._chart import Chart, Line, Look, drawn
from benchmarks.report import Report

OURS = "this exporter"


def polls(figures: Sequence[Figure]) -> Chart:
    """What a core can do."""
    return Chart(
        title="Polls",
        x="requests in flight",
        y="polls in a second of CPU",
        is_logarithmic=True,
        lines=(
            Line(OURS, Look.OURS, [(figure.at, 1 / figure.cost) for figure in figures]),
            Line("the published loop", Look.PEER, [(figure.at, 1 / figure.peer) for figure in figures], is_below=True),
        ),
    )


def scrapes(figures: Sequence[Figure]) -> Chart:
    """How long a page takes."""
    return Chart(
        title="A scrape",
        x="series of single tasks on the page",
        y="milliseconds",
        is_logarithmic=True,
        lines=(
            Line(
                OURS, Look.OURS, [(figure.at, figure.cost * 1e3) for figure in figures], anchor="start", is_below=True
            ),
            Line("a registry of gauges", Look.PEER, [(figure.at, figure.peer * 1e3) for figure in figures]),
        ),
    )


def delays(figures: Sequence[Figure]) -> Chart:
    """What both cadences make of as many polls."""
    return Chart(
        title="An end is seen",
        x="polls a task",
        y="seconds late, in the mean",
        lines=(
            Line("adaptive", Look.OURS, [(figure.at, figure.cost) for figure in figures], named_at=0),
            Line(
                "published",
                Look.PEER,
                [(figure.peer_at or figure.at, figure.peer) for figure in figures],
                named_at=1,
                anchor="start",
            ),
        ),
    )


def picture(report: Report) -> str:
    """All three."""
    return drawn(polls(report.line("poll")), scrapes(report.line("scrape")), delays(report.line("delay")))


if __name__ == "__main__":
    sys.stdout.write(picture(Report.read()))
