import pytest

from exporter.tasks.observation import Status
from exporter.terminal.words import STYLES, billed_or_expected, credits_text, span, style_of


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0s"), (0.4, "0s"), (8.9, "8s"), (80, "1m20s"), (3600, "1h"), (11_100, "3h5m"), (187_300, "2d4h")],
)
def test_a_span_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("amount", "text"), [(None, ""), (0.0, "0"), (0.042, "0.042"), (1.47, "1.47"), (12345.6, "12,345.60")]
)
def test_credits(amount: float | None, text: str) -> None:
    assert credits_text(amount) == text


def test_every_status_has_a_look_and_one_of_a_newer_exporter_too() -> None:
    assert set(STYLES) == set(Status)
    assert style_of("paused") == style_of("unknown")


@pytest.mark.parametrize(
    ("used", "estimated", "is_open", "text"),
    [(1.47, 1.5, True, "1.47"), (None, 1.5, True, "~1.50"), (None, 1.5, False, ""), (None, None, True, "")],
)
def test_an_estimate_is_never_shown_as_a_bill(
    used: float | None, estimated: float | None, is_open: bool, text: str
) -> None:
    assert billed_or_expected(used, estimated, is_open=is_open) == text
