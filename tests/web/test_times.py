import pytest

from exporter.web.times import as_age, as_utc


def test_a_time_is_absolute_and_says_its_zone() -> None:
    assert as_utc(1_780_000_000.9) == "2026-05-28 20:26:40 UTC"


@pytest.mark.parametrize(
    ("seconds", "age"),
    [
        (-5, "0 s"),  # the clock was set back
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (86399, "23 h 59 min"),
        (86400, "1 d 0 h"),
        (400 * 86400 + 7200, "400 d 2 h"),
    ],
)
def test_an_age_has_the_two_units_that_matter(seconds: float, age: str) -> None:
    assert as_age(seconds) == age
