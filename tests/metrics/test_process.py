"""The series of the process, without /proc/stat and with a clock that steps."""

import os
import time
from pathlib import Path

import pytest
from prometheus_client.process_collector import ProcessCollector

from exporter.clock import SystemClock
from exporter.metrics.process import ProcessSeries

START = "process_start_time_seconds"


class Stepping(SystemClock):
    """The machine's clock, set to another time."""

    ahead = 0.0

    def wall(self) -> float:
        return time.time() + self.ahead


def values(collector: ProcessCollector) -> dict[str, float]:
    return {sample.name: sample.value for metric in collector.collect() for sample in metric.samples}


def test_it_shows_what_the_library_does() -> None:
    ours, theirs = values(ProcessSeries(SystemClock())), values(ProcessCollector(registry=None))
    assert ours.keys() == theirs.keys()
    assert ours[START] == pytest.approx(theirs[START], abs=2.0)


def test_nothing_is_missing_where_only_processes_are_seen(tmp_path: Path) -> None:
    (tmp_path / "self").symlink_to(f"/proc/{os.getpid()}")
    shown = values(ProcessSeries(SystemClock(), proc=str(tmp_path)))
    assert shown.keys() == values(ProcessSeries(SystemClock())).keys()
    assert not values(ProcessCollector(proc=str(tmp_path), registry=None)), "for the library that is too little"


def test_without_proc_there_is_nothing_to_show(tmp_path: Path) -> None:
    assert not values(ProcessSeries(SystemClock(), proc=str(tmp_path)))


def test_the_start_stays_the_same_until_the_clock_steps() -> None:
    clock = Stepping()
    series = ProcessSeries(clock)
    first = values(series)[START]
    clock.ahead = 0.4
    assert values(series)[START] == first, "else it would look like a restart"
    clock.ahead = 7200.0
    assert values(series)[START] == pytest.approx(first + 7200.0, abs=2.0)
