"""Rolling spend windows: what is left, and when it comes back."""

import pytest

from exporter.simulator.accounts import Key
from exporter.simulator.errors import ApiError
from exporter.simulator.money import DAY, HOUR, Bucket, KeySpending, SpendWindow


def test_spends_leave_the_window_one_by_one() -> None:
    window = SpendWindow("w", 100.0, 50)
    window.add(10.0, 20)
    window.add(60.0, 40)
    assert [window.remaining(now) for now in (60.0, 109.9, 110.0, 160.0)] == [0, 0, 10, 50]


def test_the_reset_is_when_the_oldest_spend_leaves() -> None:
    window = SpendWindow("w", 100.0, 50)
    assert window.resets_at(5.0) == 105
    window.add(10.2, 20)
    assert window.resets_at(60.0) == 111


def test_the_tightest_window_is_shown() -> None:
    spending = KeySpending(Key("k", "sk-byts-key", rate_limit_5h=1, rate_limit_1d=1.5, rate_limit_7d=100))
    spending.settle(0.0, held=0, spent=80)
    assert spending.tightest(1.0) == Bucket("rate_limit_5h", 100, 20, int(5 * HOUR))
    spending.settle(6 * HOUR, held=0, spent=60)
    assert spending.tightest(6 * HOUR) == Bucket("rate_limit_1d", 150, 10, int(DAY))
    spending.check_windows(6 * HOUR)
    spending.settle(6 * HOUR, held=0, spent=10)
    with pytest.raises(ApiError) as refused:
        spending.check_windows(6 * HOUR)
    assert refused.value.message == "rate_limit_1d exceeded: 1.50 / 1.50 used; resets at 1970-01-02 00:00:00 UTC"
