"""Durations as Prometheus writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.settings.durations import parse, to_text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("500ms", 0.5),
        ("2s", 2),
        ("90s", 90),
        ("5m", 300),
        ("1h30m", 5400),
        ("1d", 86_400),
        ("1w", 604_800),
        ("1y", 31_536_000),
        ("1y2w3d4h5m6s7ms", 33_019_506.007),
    ],
)
def test_reads(text: str, seconds: float) -> None:
    assert parse(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "2", "s", "2 s", "-2s", "2.5s", "1m1h", "1s1s", "2S", "1h\n", "0x1s", "9" * 10 + "s", "\u0662s"]
)
def test_refuses(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a duration; write one such as 500ms, 2s, 5m, 1h30m or 1d"):
        parse(text)


def test_does_not_repeat_what_is_long_or_unprintable() -> None:
    with pytest.raises(ValueError, match=r"^this is not a duration"):
        parse("x" * 31)
    with pytest.raises(ValueError, match=r"^this is not a duration"):
        parse("\x1b[31m")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0"),
        (0.0004, "0"),
        (0.5, "500ms"),
        (2, "2s"),
        (300, "5m"),
        (5400, "1h30m"),
        (86_400, "1d"),
        (7 * 86_400, "1w"),
        (8 * 86_400, "8d"),
        (30 * 86_400, "30d"),
        (365 * 86_400, "365d"),
    ],
)
def test_writes(seconds: float, text: str) -> None:
    assert to_text(seconds) == text


@given(st.integers(min_value=0, max_value=100 * 365 * 86_400 * 1000))
def test_reads_what_it_wrote(milliseconds: int) -> None:
    assert parse(to_text(milliseconds / 1000)) == milliseconds / 1000
