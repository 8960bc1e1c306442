"""The learned cadence: what it does for one task, and what it makes of many, beside the published one.

The many live without a network (``benchmarks/_lives``), from fixed seeds, with wide margins: ``python -m
benchmarks.cadence`` prints the figures.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import _lives as lives
from benchmarks._lives import Life, Optimum, adaptive, log_normal, means, published
from benchmarks.cadence import Scenario, scenarios
from exporter.polling.cadence import AdaptiveCadence, PublishedCadence
from exporter.polling.curve import STRAIGHT, Curve
from exporter.polling.learning import Learning
from exporter.settings.model import PollSettings
from exporter.tasks.observation import Status
from exporter.tasks.view import Course


def learnt(sigma: float = 0.15, *, count: int = 150) -> Curve:
    """A curve learnt from so many tasks that end around their ETA."""
    learning = Learning()
    adaptive(log_normal(count, sigma=sigma), learning=learning)
    return learning.curve(lives.LABELS)


CURVE = learnt()


def task(status: Status = Status.RUNNING, *, eta: float | None = 35.0, number: int = 1) -> Course:
    return Course(number, lives.LABELS, status, 0.0, eta)


def cadence(curve: Curve = CURVE, **poll: float) -> AdaptiveCadence:
    return AdaptiveCadence(PublishedCadence(PollSettings(**poll)), lambda _: curve)  # type: ignore[arg-type] # numbers alone


# ---- one task --------------------------------------------------------------------------------------------------------


def test_polls_are_far_apart_at_first_and_close_when_the_end_is_near() -> None:
    waits = [cadence(min_interval=0.1).after(task(), now=now) for now in (3.0, 33.0)]

    assert waits[0] > 12.0
    assert waits[1] < 2.5


@pytest.mark.parametrize("status", [Status.PENDING, Status.UNOBSERVED, Status.UNKNOWN])
def test_a_start_is_waited_for_as_published(status: Status) -> None:
    assert cadence().after(task(status), now=3.0) == PublishedCadence(PollSettings()).interval(35.0)


@pytest.mark.parametrize("eta", [5e-324, 1e-300, 1e-6, 1e12])
@pytest.mark.parametrize("now", [-1e9, 0.0, 1.0, 1e10])
def test_no_eta_that_an_answer_may_hold_leaves_a_task_without_its_next_poll(eta: float, now: float) -> None:
    assert 2.0 <= cadence().after(task(eta=eta), now=now) <= 300.0


def test_failures_double_the_published_interval() -> None:
    assert cadence().after(task(), now=3.0, failures=3) == PublishedCadence(PollSettings()).interval(35.0, failures=3)


@given(
    st.floats(0.0, 1e6),
    st.none() | st.floats(0.001, 1e7),
    st.integers(0, 10**12),
    st.floats(0.1, 3600.0),
    st.floats(0.1, 86_400.0),
    st.floats(1.0, 1000.0),
)
def test_no_wait_is_shorter_or_longer_than_is_allowed(
    age: float, eta: float | None, number: int, one: float, two: float, polls_per_eta: float
) -> None:
    least, most = sorted((one, two))
    poll = {"min_interval": least, "max_interval": most, "polls_per_eta": polls_per_eta}
    for curve in (CURVE, STRAIGHT):
        assert least <= cadence(curve, **poll).after(task(eta=eta, number=number), now=age) <= most


@pytest.mark.parametrize("now", [-1e9, 1e12])
def test_a_clock_that_was_set_does_no_harm(now: float) -> None:
    assert 2.0 <= cadence().after(task(), now=now) <= 300.0


def test_where_nothing_is_known_the_ticks_are_those_of_the_published_cadence() -> None:
    wait, interval = cadence(STRAIGHT), 35 / 6
    now = wait.after(task(), now=0.0)
    for _ in range(20):
        step = wait.after(task(), now=now)
        assert step == pytest.approx(interval)
        now += step


def test_an_interval_that_may_not_be_longer_leaves_no_room_to_bend() -> None:
    slow = cadence(max_interval=5.0)
    assert all(slow.after(task(eta=600.0), now=now) == pytest.approx(5.0, abs=2.6) for now in range(100, 700, 7))


def test_tasks_that_were_submitted_together_are_not_asked_about_together() -> None:
    dues = sorted(3.0 + cadence(min_interval=0.1).after(task(number=number), now=3.0) for number in range(100))

    assert dues[-1] - dues[0] > 35 / 6, "as far as the published interval"
    assert max(sum(due <= other < due + 1.0 for other in dues) for due in dues) <= 30


# ---- many tasks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sigma", "published_delay"), [(0.15, 0.65), (0.25, 1.03), (0.35, 1.35), (0.5, 1.76)])
def test_the_optimum_is_the_one_that_was_computed_before(sigma: float, published_delay: float) -> None:
    polls = {0.15: 7.6, 0.25: 7.7, 0.35: 8.0, 0.5: 8.4}[sigma]
    assert Optimum(sigma).delay(polls) == pytest.approx(published_delay, rel=0.02)


@pytest.mark.parametrize("sigma", [0.15, 0.25, 0.35, 0.5])
def test_after_200_tasks_it_is_near_the_optimum(sigma: float) -> None:
    some = log_normal(700, sigma=sigma)
    ours, theirs = means(adaptive(some, is_known=True)[200:]), means(published(some, is_known=True)[200:])

    assert ours.polls <= theirs.polls * 1.02
    assert ours.delay <= Optimum(sigma).delay(ours.polls) * 1.2


@pytest.mark.slow
@pytest.mark.parametrize("scenario", tuple(scenarios()), ids=lambda scenario: scenario.name)
def test_it_is_never_much_worse(scenario: Scenario) -> None:
    theirs, ours = scenario.both()

    assert ours.polls <= theirs.polls * 1.05
    assert ours.delay <= theirs.delay * 1.05
    assert ours.start_delay <= theirs.start_delay * 1.05


def test_an_overdue_task_is_polled_on() -> None:
    (forgotten,) = adaptive([Life(35.0 * 200)])
    learning = Learning()
    adaptive(log_normal(200, sigma=0.15), learning=learning)
    (known,) = adaptive([Life(35.0 * 200)], learning=learning)

    assert forgotten.polls == pytest.approx(200 * 7, rel=0.05)
    assert known.polls == pytest.approx(200 * 7, rel=0.8), "beyond all that was learnt, about as published"
    assert known.delay <= 10.0
