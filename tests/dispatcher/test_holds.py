from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.dispatcher.answer import DispatcherError, Reason
from exporter.dispatcher.holds import Hold, hold_of, hold_seconds, names_account


class Highest(Random):
    """Draws the upper bound each time."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


class Lowest(Random):
    """Draws the lower bound each time."""

    def uniform(self, a: float, b: float) -> float:
        return min(a, b)


def failure(reason: Reason = Reason.SERVER, **waits: float | None) -> DispatcherError:
    return DispatcherError(reason, "x", **waits)  # type: ignore[arg-type]  # only waits are passed


@pytest.mark.parametrize(
    ("hold", "lowest", "highest"),
    [
        (Hold.KEY, [4.5, 9, 18, 36, 72, 144, 270, 270], [5.5, 11, 22, 44, 88, 176, 330, 330]),
        (Hold.MONEY, [15, 30, 60, 120, 240, 300, 300], [15, 30, 60, 120, 240, 300, 300]),
        (Hold.CONCURRENCY, [1, 1, 1, 1, 1, 1], [3, 6, 12, 24, 30, 30]),
        (Hold.OUTAGE, [0.1] * 8, [1, 2, 4, 8, 16, 32, 60, 60]),
    ],
)
def test_holds_grow_with_each_strike(hold: Hold, lowest: list[float], highest: list[float]) -> None:
    strikes = range(1, len(lowest) + 1)
    assert [hold_seconds(hold, strike, failure(), Lowest()) for strike in strikes] == pytest.approx(lowest)
    assert [hold_seconds(hold, strike, failure(), Highest()) for strike in strikes] == pytest.approx(highest)


@pytest.mark.parametrize(
    ("reset_after", "strikes", "seconds"),
    [(40.0, 1, 40.0), (0.0, 1, 1.0), (0.0, 4, 8.0), (40.0, 4, 40.0), (86400.0, 1, 300.0), (0.0, 99, 300.0)],
)
def test_money_waits_for_the_reset_within_bounds(reset_after: float, strikes: int, seconds: float) -> None:
    error = failure(Reason.RATE_LIMITED, reset_after=reset_after)
    assert hold_seconds(Hold.MONEY, strikes, error, Random(1)) == seconds


@pytest.mark.parametrize(("retry_after", "seconds"), [(0.0, 0.1), (20.0, 20.0), (90_000.0, 3600.0), (None, 0.1)])
def test_retry_after_is_a_minimum_up_to_an_hour(retry_after: float | None, seconds: float) -> None:
    assert hold_seconds(Hold.OUTAGE, 1, failure(retry_after=retry_after), Lowest()) == seconds


def test_a_short_retry_after_does_not_shorten_a_hold() -> None:
    assert hold_seconds(Hold.MONEY, 1, failure(retry_after=2.0), Random(1)) == 15.0


@pytest.mark.parametrize(
    ("reason", "hold"),
    [
        (Reason.TIMEOUT, Hold.OUTAGE),
        (Reason.CONNECT, Hold.OUTAGE),
        (Reason.TLS, Hold.OUTAGE),
        (Reason.NETWORK, Hold.OUTAGE),
        (Reason.TRUNCATED, Hold.OUTAGE),
        (Reason.SERVER, Hold.OUTAGE),
        (Reason.INVALID_API_KEY, Hold.KEY),
        (Reason.FORBIDDEN, Hold.KEY),
        (Reason.PAYMENT, Hold.MONEY),
        (Reason.RATE_LIMITED, Hold.MONEY),
        (Reason.CONCURRENCY, Hold.CONCURRENCY),
        (Reason.BAD_REQUEST, None),
        (Reason.BAD_ROUTE, Hold.OUTAGE),
        (Reason.REDIRECT, Hold.OUTAGE),
        (Reason.TOO_LARGE, Hold.OUTAGE),
        (Reason.BAD_RESPONSE, Hold.OUTAGE),
        (Reason.INTERNAL, Hold.OUTAGE),
    ],
)
def test_every_reason_has_its_consequence(reason: Reason, hold: Hold | None) -> None:
    assert hold_of(reason) is hold
    is_at_once = hold not in (None, Hold.OUTAGE)
    assert names_account(failure(reason)) is is_at_once
    assert names_account(failure(reason, retry_after=5.0)) is (is_at_once or reason is Reason.SERVER)


@given(
    hold=st.sampled_from([hold for hold in Hold if hold is not Hold.SUSPICION]),
    strikes=st.integers(1, 10**6),
    retry_after=st.none() | st.floats(0, 1e300),
    reset_after=st.none() | st.floats(0, 1e300),
    seed=st.integers(),
)
def test_no_hold_is_empty_or_endless(
    hold: Hold, strikes: int, retry_after: float | None, reset_after: float | None, seed: int
) -> None:
    error = failure(retry_after=retry_after, reset_after=reset_after)
    assert 0.1 <= hold_seconds(hold, strikes, error, Random(seed)) <= 3600.0
