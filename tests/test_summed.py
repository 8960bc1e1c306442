"""What strangers cause is told once, then summed up."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from exporter.summed import MOST_KINDS, SummedLog
from tests.support.fake_clock import FakeClock


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    with capture_logs() as found:
        yield found


@pytest.fixture
async def summed(clock: FakeClock) -> AsyncIterator[SummedLog]:
    log = SummedLog(structlog.get_logger(), clock)
    yield log
    log.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def told(lines: list[Any]) -> list[tuple[str, int]]:
    """The kind of each line, and how often it says that it has happened."""
    return [(line["kind"], line.get("times", 1)) for line in lines]


async def test_the_first_is_told_at_once_and_the_others_once_a_minute(
    summed: SummedLog, clock: FakeClock, lines: list[Any]
) -> None:
    for _ in range(1_000):
        summed.warning("refused", "framing", client="192.0.2.1")
    assert lines == [{"log_level": "warning", "event": "refused", "kind": "framing", "client": "192.0.2.1"}]
    await clock.advance(60)
    assert told(lines) == [("framing", 1), ("framing", 999)]
    summed.warning("refused", "framing")
    await clock.advance(59)
    assert told(lines) == [("framing", 1), ("framing", 999)]
    await clock.advance(1)
    assert told(lines) == [("framing", 1), ("framing", 999), ("framing", 1)]


async def test_after_a_quiet_minute_the_next_is_told_at_once(
    summed: SummedLog, clock: FakeClock, lines: list[Any]
) -> None:
    summed.warning("refused", "framing")
    await clock.advance(60)
    summed.warning("refused", "framing")
    assert told(lines) == [("framing", 1), ("framing", 1)]


async def test_kinds_are_told_apart_and_so_are_events(summed: SummedLog, lines: list[Any]) -> None:
    summed.warning("refused", "framing")
    summed.error("refused", "slow")
    summed.warning("failed", "slow")
    assert told(lines) == [("framing", 1), ("slow", 1), ("slow", 1)]


async def test_there_are_never_more_kinds_than_so_many(summed: SummedLog, lines: list[Any]) -> None:
    for number in range(2 * MOST_KINDS):
        summed.warning("refused", f"kind {number}")
    assert len(lines) == MOST_KINDS + 1
    assert lines[-1]["kind"] == "other"


async def test_what_is_left_is_told_at_the_end(summed: SummedLog, lines: list[Any]) -> None:
    summed.warning("refused", "framing")
    summed.warning("refused", "framing")
    summed.close()
    assert told(lines) == [("framing", 1), ("framing", 1)]
