import pytest

from exporter.metrics.labelling import printable


@pytest.mark.parametrize(
    ("value", "shown"), [("plain", "plain"), ("größer 動画", "größer 動画"), ("cut\ud83d", "cut?"), ("", "")]
)
def test_only_what_utf8_cannot_carry_is_replaced(value: str, shown: str) -> None:
    assert printable(value) == shown
