import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.durations import duration, faster, printed, seconds


@pytest.mark.parametrize(
    ("text", "length"), [("15s", 15), ("5m", 300), ("6h", 21600), ("3d", 259200), ("1w", 604800), ("250ms", 0.25)]
)
def test_seconds(text: str, length: float) -> None:
    assert seconds(text) == length


@pytest.mark.parametrize("text", ["", "5", "m", "1h30m", "-5m", "1.5h", "5 m"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        seconds(text)


@pytest.mark.parametrize(
    ("length", "text"), [(0.25, "250ms"), (90, "90s"), (3600, "1h"), (86400, "1d"), (604800, "7d"), (0.00001, "1ms")]
)
def test_the_largest_unit_that_is_exact(length: float, text: str) -> None:
    assert duration(length) == text


@given(st.integers(min_value=1, max_value=10**10))
def test_nothing_is_lost_in_print(milliseconds: int) -> None:
    assert round(seconds(duration(milliseconds / 1000)) * 1000) == milliseconds


def test_faster() -> None:
    assert (faster("5m", 60), faster("1m", 40)) == ("5s", "1500ms")


@pytest.mark.parametrize(
    ("expression", "shipped", "sixty_times_faster"),
    [
        ("rate(x_total[5m]) > 0", "rate(x_total[5m]) > 0", "rate(x_total[5s]) > 0"),
        ("time() - x > 10m", "time() - x > 600", "time() - x > 10"),
        ("a:b:rate10m * 10m >= 10", "a:b:rate10m * 600 >= 10", "a:b:rate10m * 10 >= 10"),
        ("a:b:rate1d offset 1h > 4", "a:b:rate1d offset 1h > 4", "a:b:rate1d offset 1m > 4"),
        ("predict_linear(x[1h], 4h)", "predict_linear(x[1h], 14400)", "predict_linear(x[1m], 240)"),
        ('x{code="5m_ago"} > 0.05', 'x{code="5m_ago"} > 0.05', 'x{code="5m_ago"} > 0.05'),
    ],
)
def test_durations_are_windows_or_numbers_of_seconds(expression: str, shipped: str, sixty_times_faster: str) -> None:
    assert printed(expression) == shipped
    assert printed(expression, speed=60) == sixty_times_faster
