"""The bent clock: as many ticks as a straight one in the mean, in the places where tasks end."""

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.polling.curve import BINS, EDGES, STRAIGHT, Curve, bent, bin_of

AGES = st.floats(0.0, 200.0)
MASSES = st.dictionaries(st.integers(0, BINS - 1), st.floats(0.001, 1e4), max_size=12).map(
    lambda found: [found.get(at, 0.0) for at in range(BINS)]
)


def log_normal(sigma: float, *, count: float = 1e5, median: float = 1.0) -> list[float]:
    """The masses of so many outcomes around a median."""
    normal = NormalDist(math.log(median), sigma)
    below = [0.0, *(normal.cdf(math.log(edge)) for edge in EDGES[1:])]
    return [count * (after - before) for before, after in pairwise(below)]


def slope(curve: Curve, age: float) -> float:
    return (curve.reading(age + 0.01) - curve.reading(age - 0.01)) / 0.02


def mean(curve: Curve, masses: Sequence[float]) -> float:
    """What the clock shows in the mean when these tasks end."""
    readings = (curve.reading((start + end) / 2) for start, end in pairwise(EDGES))
    return sum(mass * reading for mass, reading in zip(masses, readings, strict=True)) / sum(masses)


@given(AGES)
def test_where_nothing_is_known_the_clock_is_straight(age: float) -> None:
    assert bent([0.0] * BINS) is STRAIGHT
    assert STRAIGHT.reading(age) == pytest.approx(age)
    assert STRAIGHT.age(age) == pytest.approx(age)


def test_a_hazard_that_never_changes_leaves_it_straight() -> None:
    exponential = [1e6 * (math.exp(-start) - math.exp(-end)) for start, end in pairwise(EDGES)]
    curve = bent(exponential)

    assert all(curve.reading(age) == pytest.approx(age, rel=0.05) for age in (0.2, 0.5, 1.0, 2.0, 4.0))


@pytest.mark.parametrize("sigma", [0.15, 0.25, 0.35, 0.5])
def test_in_the_mean_it_goes_as_far_as_the_straight_one(sigma: float) -> None:
    masses = log_normal(sigma)
    assert mean(bent(masses), masses) == pytest.approx(mean(STRAIGHT, masses), rel=0.03)


@pytest.mark.parametrize("sigma", [0.15, 0.25, 0.35, 0.5])
def test_its_speed_is_as_the_square_root_of_the_hazard(sigma: float) -> None:
    curve, normal = bent(log_normal(sigma)), NormalDist(0.0, sigma)

    def hazard(age: float) -> float:
        score = math.log(age)
        return normal.pdf(score) / age / normal.cdf(-score)

    early, late = math.exp(-sigma), math.exp(sigma)
    assert slope(curve, late) / slope(curve, early) == pytest.approx(math.sqrt(hazard(late) / hazard(early)), rel=0.1)


def test_what_was_never_seen_is_polled_all_the_same() -> None:
    curve = bent(log_normal(0.15, count=200))

    assert slope(curve, 0.2) > 0, "too early"
    assert slope(curve, 10.0) > 0.3, "overdue"
    assert slope(curve, 100.0) == pytest.approx(1.0), "and beyond all bins as published"


def test_what_ends_a_little_beyond_all_that_was_seen_is_no_wonder() -> None:
    seen = [mass if 0.8 < edge < 1.25 else 0.0 for mass, edge in zip(log_normal(0.1), EDGES[1:], strict=True)]
    curve = bent([200 * mass / sum(seen) for mass in seen])

    assert curve.outlived(1.3) > 1 / 1000, "the prior alone would say a third of that"
    assert curve.outlived(1.6) < 1 / 2000, "farther away there is nothing but the prior"


def test_less_is_left_after_a_late_start_and_after_a_lead() -> None:
    masses = log_normal(0.25)
    whole, late, owing = bent(masses), bent(masses, started=0.5), bent(masses, lead=0.2)

    assert mean(late, masses) - late.reading(0.5) == pytest.approx(mean(STRAIGHT, masses) - 0.5, rel=0.05)
    assert mean(owing, masses) == pytest.approx(mean(whole, masses) - 0.2, rel=0.05)
    assert bent(masses, lead=100.0).reading(1.0) == pytest.approx(whole.reading(1.0) / 2), (
        "half is left, whatever it is"
    )


@given(MASSES, st.floats(0.0, 3.0), st.floats(-0.6, 0.6))
def test_it_never_stands_still_nor_goes_back(masses: list[float], started: float, lead: float) -> None:
    curve = bent(masses, started=started, lead=lead)

    assert curve.shown[0] == 0.0
    assert all(math.isfinite(shown) for shown in curve.shown)
    assert all(before < after for before, after in pairwise(curve.shown))
    assert sum(curve.expected) == pytest.approx(1.0)
    assert all(chance > 0 for chance in curve.expected)


@given(MASSES, AGES, st.sampled_from([0.0, 0.02, 0.5, 1.0]))
def test_an_age_and_its_reading_tell_each_other(masses: list[float], age: float, even: float) -> None:
    curve = bent(masses)
    assert curve.age(curve.reading(age, even=even), even=even) == pytest.approx(age, rel=1e-6, abs=1e-6)


@given(MASSES, AGES, AGES)
def test_an_end_between_two_ages_is_shared_out_whole_and_only_there(
    masses: list[float], one: float, two: float
) -> None:
    after, by = sorted((one, two))
    shares = bent(masses).shares(after, by)

    assert sum(share for _, share in shares) == pytest.approx(1.0)
    assert {at for at, _ in shares} <= set(range(bin_of(after), bin_of(by) + 1))


def test_it_is_shared_out_as_is_likely() -> None:
    shares = dict(bent(log_normal(0.15)).shares(0.0, 1.0))
    assert sum(share for at, share in shares.items() if EDGES[at] < 0.6) < 0.01, "a wide gap is no reason to look there"
