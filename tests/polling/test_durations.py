"""What is remembered of durations: little, the latest first, and readable after a restart."""

import json
from itertools import accumulate
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.polling.change import End
from exporter.polling.curve import BINS, EDGES, STRAIGHT
from exporter.polling.durations import FRESH, MEMORY, MOST_LEAD, Durations


def taught(count: int, *, around: float = 1.0, durations: Durations | None = None, first: float = 0.0) -> Durations:
    """Learn from so many tasks, each submitted when the one before it has ended; the first at that time."""
    random, durations, submitted = Random(5), durations or Durations(), first
    for _ in range(count):
        by = around * random.lognormvariate(0.0, 0.2)
        durations.note_start(0.05)
        durations.note_end(End(by - 0.1 * around, by, submitted, 1.0), was_seen_open=True)
        submitted += by
    return durations


def median(durations: Durations) -> float:
    """The age by which half of all are expected to have ended."""
    return next(EDGES[at] for at, sum_ in enumerate(accumulate(durations.curve.expected)) if sum_ >= 0.5)


def test_nothing_is_known_at_first() -> None:
    assert Durations().curve is STRAIGHT


def test_a_change_is_followed() -> None:
    durations = taught(300)
    assert median(durations) == pytest.approx(1.0, rel=0.1)

    taught(400, around=2.0, durations=durations, first=1e3)
    assert median(durations) == pytest.approx(2.0, rel=0.15)

    taught(400, around=0.5, durations=durations, first=1e4)
    assert median(durations) == pytest.approx(0.5, rel=0.15), "either way"


@pytest.mark.parametrize(("around", "outcomes"), [(2.0, 12), (0.5, 12), (0.7, 60)])
def test_a_sudden_change_is_followed_at_once(around: float, outcomes: int) -> None:
    durations = taught(300)
    taught(outcomes, around=around, durations=durations, first=1e3)

    assert median(durations) == pytest.approx(around, rel=0.15)


def test_what_is_as_before_is_not_forgotten() -> None:
    assert sum(taught(3000).masses) == pytest.approx(MEMORY, rel=0.1)


def test_the_shortest_of_many_that_were_submitted_together_do_not_tell_how_long_all_take() -> None:
    random, durations = Random(6), Durations()
    for batch in range(20):
        for by in sorted(random.lognormvariate(0.0, 0.2) for _ in range(100)):
            durations.note_end(End(by - 0.1, by, 100.0 * batch, 1.0), was_seen_open=True)
            if not batch:
                assert durations.curve.shown is EDGES, "they are polled as published"

    assert durations.curve.shown is not EDGES
    assert median(durations) == pytest.approx(1.0, rel=0.1)


def test_it_takes_the_same_room_however_many_there_were() -> None:
    few, many = taught(50), taught(5000)

    assert len(few.masses) == len(many.masses) == BINS
    assert sum(many.masses) / many.weight <= MEMORY
    assert len(many.to_text()) < 4000


def test_a_curve_is_made_anew_seldom() -> None:
    durations, curves = taught(1000), set()
    for _ in range(100):
        taught(1, durations=durations)
        curves.add(id(durations.curve))

    assert len(curves) <= 100 / (MEMORY / FRESH) + 3


def test_an_end_that_nobody_waited_for_costs_no_polls() -> None:
    durations = taught(100)
    lead = durations.lead
    durations.note_end(End(0.0, 30.0, 1e3, 1.0), was_seen_open=False)

    assert durations.lead == lead


@pytest.mark.slow
@given(st.lists(st.tuples(st.floats(0, 1e6), st.none() | st.floats(0, 1e6)), max_size=40))
def test_whatever_is_observed_the_lead_is_bounded(ends: list[tuple[float, float | None]]) -> None:
    durations = Durations()
    for by, gap in ends:
        durations.note_start(by / 2)
        after = 0.0 if gap is None else max(0.0, by - gap)
        durations.note_end(End(after, by, 0.0, 35.0), was_seen_open=gap is not None)

    assert abs(durations.lead) <= MOST_LEAD


def test_it_is_the_same_after_a_restart() -> None:
    durations = taught(321)
    again = Durations.from_text(durations.to_text())

    assert again.to_text() == durations.to_text()
    assert again.curve.shown == pytest.approx(durations.curve.shown, rel=0.1), "but for the latest outcomes"


KEPT = json.loads(taught(3).to_text())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "b'\\x00'",
        "5",
        "[]",
        "null",
        "{}",
        json.dumps(KEPT | {"bins": BINS + 1}),
        json.dumps(KEPT | {"masses": [1, 2]}),
        json.dumps(KEPT | {"masses": {str(BINS): 1.0}}),
        json.dumps(KEPT | {"masses": {"-1": 1.0}}),
        json.dumps(KEPT | {"masses": {"x": 1.0}}),
        json.dumps(KEPT | {"masses": {"3": -1.0}}),
        json.dumps(KEPT | {"masses": {"3": float("nan")}}),
        json.dumps(KEPT | {"masses": {"3": 1e300}}),
        json.dumps(KEPT | {"masses": {"3": True}}),
        json.dumps(KEPT | {"started": "soon"}),
        json.dumps(KEPT | {"lead": float("inf")}),
        json.dumps(KEPT | {"seen": None}),
        json.dumps(KEPT | {"seen": 10**400}),
        json.dumps(KEPT | {"masses": {"3": 10**400}}),
        "[" * 100_000,
    ],
)
def test_what_is_damaged_is_told(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says
        Durations.from_text(text)


@pytest.mark.parametrize("masses", [{}, {"3": 5e-324}, {"3": 1e-9, "100": 1e-9}, {"0": 0.4}])
def test_less_than_an_outcome_leaves_the_clock_straight(masses: dict[str, float]) -> None:
    assert Durations.from_text(json.dumps(KEPT | {"masses": masses})).curve is STRAIGHT
