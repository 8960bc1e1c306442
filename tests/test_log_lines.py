"""Lines of the log are written by a thread: in order, all of them where somebody reads, and never waited for."""

import logging
import os
from collections.abc import Iterator

import pytest
import structlog

from exporter.log_lines import BackgroundHandler
from exporter.logs import configure
from tests.support.logging_kept import logging_kept

ABOVE_A_PIPE = "x" * 1000
"""A hundred of these are more than a pipe takes."""


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    with logging_kept():
        yield


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)
    os.close(writing)


def read(descriptor: int) -> str:
    return os.read(descriptor, 1 << 20).decode()


def test_each_line_is_written_in_its_turn(pipe: tuple[int, int]) -> None:
    lines = BackgroundHandler(pipe[1])
    configure(handler=lines)
    with lines.flushed():
        structlog.get_logger().info("ours", number=1)
        logging.getLogger("library").warning("theirs %s", 2)
        structlog.get_logger().info("ours", number=3)

    first, second, third = read(pipe[0]).splitlines()
    assert first.endswith("level=info event=ours number=1")
    assert second.startswith("ts=20")
    assert second.endswith('level=warning event="theirs 2" logger=library')
    assert third.endswith("number=3")
    assert lines.take_dropped() == 0


def test_a_library_s_line_is_dated_when_it_was_logged(pipe: tuple[int, int]) -> None:
    lines = BackgroundHandler(pipe[1])
    configure(handler=lines)
    record = logging.makeLogRecord({"msg": "long ago", "created": 1.5, "levelno": logging.WARNING})
    lines.handle(record)
    lines.flush()
    assert read(pipe[0]).startswith("ts=1970-01-01T00:00:01.500000Z ")


def test_nobody_waits_for_a_reader_that_has_stopped(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.log_lines.FLUSH_SECONDS", 0.01)
    lines = BackgroundHandler(pipe[1], limit=100)
    configure(handler=lines)
    for number in range(1000):
        structlog.get_logger().info("many", number=number, filler=ABOVE_A_PIPE)
    lines.flush()  # it gives up
    dropped = lines.take_dropped()
    assert 700 < dropped < 900  # a pipe takes some 60 of them, and 100 wait
    assert lines.take_dropped() == 0

    written = ""
    while written.count("\n") < 1000 - dropped:  # once it is read again, what waits is written whole
        written += read(pipe[0])
    assert "number=0 " in written


def test_a_pipe_that_does_not_block_loses_nothing(pipe: tuple[int, int]) -> None:
    os.set_blocking(pipe[1], False)
    lines = BackgroundHandler(pipe[1])
    configure(handler=lines)
    for number in range(200):
        structlog.get_logger().info("many", number=number, filler=ABOVE_A_PIPE)
    written = ""
    while written.count("\n") < 200:
        written += read(pipe[0])
    assert all(f" number={number} " in written for number in range(200))
    assert lines.take_dropped() == 0


def test_nobody_reads_it_any_more() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    lines = BackgroundHandler(writing)
    configure(handler=lines)
    structlog.get_logger().info("into the void")
    lines.flush()
    assert lines.take_dropped() == 1
    os.close(writing)


def test_what_cannot_be_formatted_is_told_as_by_any_handler(
    pipe: tuple[int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = BackgroundHandler(pipe[1])
    configure(handler=lines)
    logging.getLogger("library").warning("%d", "no number")
    logging.getLogger("library").warning("the next one")
    lines.flush()
    assert "Logging error" in capsys.readouterr().err
    assert "the next one" in read(pipe[0])
