"""``docs/images/soak.svg``: the memory and the polls of the soak that is kept; ``make docs`` draws it."""

import sys

from benchmarks.charts._chart import Chart, Line, Look, drawn
from benchmarks.soak.record import Record

MINUTE = 60.0


def picture(record: Record) -> str:
    """Over the minutes of the run."""
    samples = record.samples
    memory = Chart(
        title="Memory",
        x="minutes",
        y="MB",
        has_dots=False,
        lines=(Line("", Look.OURS, [(sample.at / MINUTE, sample.rss_mb) for sample in samples]),),
    )
    polls = Chart(
        title="Polls a second; faults hold an account back",
        x="minutes",
        y="",
        has_dots=False,
        lines=(Line("", Look.OURS, [(sample.at / MINUTE, sample.polls_per_second) for sample in samples[1:]]),),
    )
    stalls = Chart(
        title="The event loop's longest stall",
        x="minutes",
        y="milliseconds",
        has_dots=False,
        lines=(Line("", Look.OURS, [(sample.at / MINUTE, sample.stall_ms) for sample in samples]),),
    )
    return drawn(memory, polls, stalls)


if __name__ == "__main__":
    sys.stdout.write(picture(Record.read()))
