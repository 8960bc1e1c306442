from collections.abc import Iterator
from itertools import cycle, repeat
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from exporter.dispatcher.answer import Blame, DispatcherError, Reason
from exporter.dispatcher.gate import ASIDE_SHARE, SUSPECT_FAILURES, SUSPECT_TASKS, Gate, Grant
from exporter.dispatcher.holds import names_account, told_seconds

KEY, MONEY, BUSY, DOWN = Reason.INVALID_API_KEY, Reason.PAYMENT, Reason.CONCURRENCY, Reason.SERVER
TROUBLES = [
    *(Reason.SERVER, Reason.TIMEOUT, Reason.CONNECT, Reason.TLS, Reason.NETWORK, Reason.TRUNCATED),
    *(Reason.BAD_RESPONSE, Reason.REDIRECT, Reason.BAD_ROUTE, Reason.TOO_LARGE, Reason.INTERNAL),
]
"""What may be one task's own, or everybody's."""


def new_gate(*, max_in_flight: int = 2, rate: float = 1000.0) -> Gate:
    return Gate(max_in_flight=max_in_flight, max_requests_per_second=rate, random=Random(7))


def failure(reason: Reason, *, retry_after: float | None = None, reset_after: float | None = None) -> DispatcherError:
    return DispatcherError(reason, "x", retry_after=retry_after, reset_after=reset_after)


def send(gate: Gate, now: float) -> Grant:
    grant = gate.grant(now)
    gate.sent(grant, now)
    return grant


def stream(gate: Gate, now: float) -> Grant:
    grant = gate.grant(now)
    gate.sent(grant, now, as_stream=True)
    return grant


def succeed(gate: Gate, grant: Grant, now: float) -> None:
    gate.succeeded(grant, now)
    gate.give_back(grant)


def fail(gate: Gate, grant: Grant, error: DispatcherError | Reason, now: float, *, task: object = "a") -> Blame:
    blame = gate.failed(grant, task, failure(error) if isinstance(error, Reason) else error, now)
    gate.give_back(grant)
    return blame


def meet(gate: Gate, error: DispatcherError | Reason, *, now: float, task: object = "a") -> float:
    """Send at once, fail at once; return the seconds that follow until the next try."""
    fail(gate, send(gate, now), error, now, task=task)
    return gate.delay(now) or 0.0


def hold(gate: Gate, error: DispatcherError | Reason, *, now: float) -> float:
    """Let as many tasks fail as it takes to hold the account back; return when the next may try."""
    for task in range(SUSPECT_TASKS + 1):
        now += meet(gate, error, now=now, task=task)
        if gate.suspension(now - 1e-9):
            return now
    raise AssertionError(f"no hold for {error}")


def suspect(gate: Gate, *, now: float) -> float:
    """Let as many tasks fail as it takes to make the account suspect; return when the next may try."""
    for task in range(SUSPECT_TASKS):
        now += meet(gate, DOWN, now=now, task=task)
    assert gate.suspension(now) is None
    return now


def reason(gate: Gate, now: float) -> Reason | None:
    found = gate.suspension(now)
    return found.reason if found else None


# ---- limits ----------------------------------------------------------------------------------------------------------


def test_requests_are_spaced_by_the_rate() -> None:
    gate = new_gate(max_in_flight=9, rate=4.0)
    assert gate.delay(10.0) == 0.0
    send(gate, 10.0)
    assert gate.delay(10.0) == 0.25
    assert gate.delay(10.1) == pytest.approx(0.15)
    assert gate.delay(10.25) == 0.0
    with pytest.raises(RuntimeError, match="may not go yet"):
        gate.grant(10.2)


def sent_within(gate: Gate, seconds: float, *, late: Iterator[float]) -> list[float]:
    """When requests go that never wait for anything but the rate, each let go so late by its timer."""
    now, times = 0.0, []
    while now < seconds:
        times.append(now)
        gate.give_back(send(gate, now))
        while (delay := gate.delay(now)) != 0.0:
            assert delay is not None
            now += delay + next(late)
    return times


def test_timers_that_are_late_do_not_cost_a_fast_rate_its_requests() -> None:
    times = sent_within(new_gate(rate=500.0), 10.0, late=repeat(0.0015))
    assert len(times) >= 0.98 * 5000


@given(st.integers(51, 2000), st.lists(st.floats(0.0, 0.02), min_size=1, max_size=20))
def test_no_second_has_more_requests_than_it_may(rate: int, late: list[float]) -> None:
    times = sent_within(new_gate(rate=float(rate)), 3.0, late=cycle(late))
    for first, beyond in zip(times, times[rate:], strict=False):
        assert beyond - first >= 1.0 - 1e-9


def test_no_more_are_out_than_may_be() -> None:
    gate = new_gate(max_in_flight=2)
    first = send(gate, 0.0)
    second = send(gate, 1.0)
    assert (gate.delay(2.0), gate.in_flight) == (None, 2)
    gate.give_back(first)
    assert (gate.delay(2.0), gate.in_flight) == (0.0, 1)
    succeed(gate, second, 2.0)
    assert gate.in_flight == 0


def test_what_was_not_sent_is_as_if_it_had_never_been_granted() -> None:
    gate = new_gate(max_in_flight=9, rate=1.0)
    send(gate, 0.0)
    gate.give_back(gate.grant(1.0))
    assert gate.delay(1.0) == 0.0
    unused, used = gate.grant(1.0), gate.grant(2.0)
    gate.give_back(unused)
    assert gate.delay(2.0) == 1.0
    gate.give_back(used)
    assert gate.delay(2.0) == 0.0


def test_the_rate_counts_from_when_a_request_is_sent() -> None:
    gate = new_gate(max_in_flight=9, rate=1.0)
    gate.sent(gate.grant(0.0), 5.0)
    assert gate.delay(5.0) == 1.0


def test_a_grant_is_for_one_request() -> None:
    gate = new_gate()
    grant = send(gate, 0.0)
    with pytest.raises(RuntimeError, match="one request"):
        gate.sent(grant, 1.0)
    late = gate.grant(1.0)
    gate.give_back(late)
    gate.give_back(late)
    with pytest.raises(RuntimeError, match="one request"):
        gate.sent(late, 1.0)


@pytest.mark.parametrize(("max_in_flight", "room"), [(1, 0), (2, 1), (5, 4)])
def test_streams_never_take_the_last_slot(max_in_flight: int, room: int) -> None:
    gate, now = new_gate(max_in_flight=max_in_flight), 0.0
    while gate.may_stream(now):
        stream(gate, now)
        now += 1.0
    assert (gate.streams, gate.delay(now)) == (room, 0.0)


def test_a_stream_that_is_over_makes_room_for_another() -> None:
    gate = new_gate()
    grant = stream(gate, 0.0)
    assert not gate.may_stream(1.0)
    gate.give_back(grant)
    assert (gate.may_stream(1.0), gate.streams) == (True, 0)


@pytest.mark.parametrize("kind", [KEY, MONEY, BUSY, DOWN])
def test_no_stream_is_opened_while_the_account_is_held_back(kind: Reason) -> None:
    gate = new_gate(max_in_flight=9)
    now = hold(gate, kind, now=0.0)
    assert not gate.may_stream(now - 0.01)
    succeed(gate, send(gate, now), now)
    assert gate.may_stream(now)


def test_no_stream_is_opened_under_suspicion() -> None:
    gate = new_gate()
    assert not gate.may_stream(suspect(gate, now=0.0))


def test_new_limits_hold_at_once() -> None:
    gate = new_gate(max_in_flight=2, rate=1.0)
    send(gate, 0.0)
    gate.relimit(max_in_flight=1, max_requests_per_second=10.0)
    assert gate.delay(0.5) is None
    gate.relimit(max_in_flight=2, max_requests_per_second=10.0)
    assert gate.delay(0.05) == pytest.approx(0.05)


# ---- whose fault it is -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TROUBLES)
def test_the_trouble_of_one_task_is_its_own(kind: Reason) -> None:
    gate = new_gate()
    grant = send(gate, 0.0)
    assert fail(gate, grant, kind, 0.0) is Blame.TASK
    assert (reason(gate, 0.0), gate.delay(1.0)) == (None, 0.0)
    assert not send(gate, 1.0).is_probe


@pytest.mark.parametrize("kind", [KEY, MONEY, BUSY, Reason.FORBIDDEN, Reason.RATE_LIMITED])
def test_what_the_api_says_of_the_account_holds_it_back_at_once(kind: Reason) -> None:
    gate = new_gate()
    assert fail(gate, send(gate, 0.0), kind, 0.0) is Blame.ACCOUNT
    assert reason(gate, 0.0) is kind


def test_retry_after_beside_a_5xx_is_for_the_account() -> None:
    gate = new_gate()
    assert fail(gate, send(gate, 0.0), failure(DOWN, retry_after=20.0), 0.0) is Blame.ACCOUNT
    assert (reason(gate, 0.0), gate.delay(0.0)) == (DOWN, 20.0)


@pytest.mark.parametrize("kind", TROUBLES)
def test_several_tasks_in_trouble_make_the_account_suspect(kind: Reason) -> None:
    gate = new_gate(max_in_flight=5)
    for task in range(SUSPECT_TASKS):
        assert fail(gate, send(gate, float(task)), kind, float(task), task=task) is Blame.TASK
    assert (reason(gate, 2.0), gate.delay(2.001)) == (None, 0.0)
    probe = send(gate, 3.0)
    assert probe.is_probe
    assert gate.delay(4.0) is None, "one at a time"
    assert fail(gate, probe, kind, 4.0, task="another") is Blame.ACCOUNT
    assert reason(gate, 4.0) is kind


def test_a_validated_answer_in_between_clears_every_task() -> None:
    gate = new_gate()
    for now in range(0, 60, 3):
        meet(gate, DOWN, now=float(now), task=1)
        meet(gate, DOWN, now=now + 1.0, task=2)
        succeed(gate, send(gate, now + 2.0), now + 2.0)
    meet(gate, DOWN, now=60.0, task=3)
    assert not send(gate, 61.0).is_probe


def test_a_plain_refusal_shows_that_the_api_answers() -> None:
    gate = new_gate()
    for now in range(50):
        assert fail(gate, send(gate, float(now)), Reason.BAD_REQUEST, float(now), task=now) is Blame.TASK
        meet(gate, DOWN, now=now + 0.5, task=now)
    assert reason(gate, 50.0) is None
    assert not send(gate, 50.0).is_probe


def test_a_probe_that_is_answered_clears_the_suspicion() -> None:
    gate = new_gate()
    now = suspect(gate, now=0.0)
    succeed(gate, send(gate, now), now)
    assert not send(gate, now + 1).is_probe
    assert gate.delay(now + 2) == 0.0


@pytest.mark.parametrize("kind", TROUBLES)
def test_one_task_that_fails_again_and_again_with_nothing_in_between_makes_the_account_suspect(kind: Reason) -> None:
    gate = new_gate()
    for now in range(SUSPECT_FAILURES):
        assert fail(gate, send(gate, float(now)), kind, float(now)) is Blame.TASK
    assert reason(gate, 4.0) is None
    assert fail(gate, send(gate, 5.0), kind, 5.0) is Blame.ACCOUNT
    assert reason(gate, 5.0) is kind


def test_a_suspicion_does_not_wait_for_what_is_under_way() -> None:
    gate = new_gate(max_in_flight=9)
    slow = [send(gate, number / 10) for number in range(5)]
    now = suspect(gate, now=1.0)
    probe = send(gate, now)
    for number, grant in enumerate(slow):
        assert fail(gate, grant, DOWN, now + 1, task=number) is Blame.TASK
    assert reason(gate, now + 1) is None
    fail(gate, probe, DOWN, now + 2)
    assert reason(gate, now + 2) is DOWN


def test_what_comes_back_late_in_an_outage_is_not_the_tasks_fault() -> None:
    gate = new_gate()
    slow = send(gate, 0.0)
    now = hold(gate, DOWN, now=1.0)
    assert fail(gate, slow, Reason.TIMEOUT, now, task="slow") is Blame.ACCOUNT


@pytest.mark.parametrize("kind", [BUSY, Reason.BAD_REQUEST])
def test_what_a_probe_may_meet_under_suspicion_beside_an_outage(kind: Reason) -> None:
    gate = new_gate()
    now = suspect(gate, now=0.0)
    meet(gate, kind, now=now)
    later = now + 30.0
    assert not send(gate, later).is_probe


def test_a_probe_under_suspicion_that_is_given_back_makes_room_for_another() -> None:
    gate = new_gate()
    now = suspect(gate, now=0.0)
    gate.give_back(gate.grant(now))
    assert gate.delay(now) == 0.0
    assert gate.grant(now).is_probe


# ---- holds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [Reason.INVALID_API_KEY, Reason.FORBIDDEN])
def test_a_refused_key_is_probed_at_growing_intervals(first: Reason) -> None:
    gate = new_gate()
    now, waits = 0.0, []
    for _ in range(9):
        wait = meet(gate, first, now=now)
        waits.append(wait)
        assert reason(gate, now) is first
        now += wait
    expected = [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert all(0.9 * e <= wait <= 1.1 * e for wait, e in zip(waits, expected, strict=True))
    assert sum(1 for i in range(9) if sum(waits[:i]) <= 60) <= 5


def test_one_probe_at_a_time_decides() -> None:
    gate = new_gate(max_in_flight=5)
    now = hold(gate, KEY, now=0.0)
    probe = send(gate, now)
    assert probe.is_probe
    assert gate.delay(now) is None
    succeed(gate, probe, now + 1)
    assert (reason(gate, now + 1), gate.delay(now + 1)) == (None, 0.0)


def test_a_suspension_outlasts_its_hold_until_a_probe_succeeds() -> None:
    gate = new_gate()
    hold(gate, KEY, now=0.0)
    assert (reason(gate, 9999.0), gate.delay(9999.0)) == (KEY, 0.0)


def test_a_probe_given_back_makes_room_for_another() -> None:
    gate = new_gate()
    now = hold(gate, DOWN, now=0.0)
    gate.give_back(send(gate, now))
    assert gate.delay(now + 1) == 0.0
    assert reason(gate, now + 1) is DOWN


@pytest.mark.parametrize("limited", [Reason.PAYMENT, Reason.RATE_LIMITED])
@pytest.mark.parametrize(("reset", "wait"), [(40.0, 40.0), (0.0, 1.0), (9e6, 300.0), (None, 15.0)])
def test_money_waits_for_its_reset(limited: Reason, reset: float | None, wait: float) -> None:
    assert meet(new_gate(), failure(limited, reset_after=reset), now=0.0) == wait


def test_concurrency_backs_off_shortly_and_goes_on_without_a_probe() -> None:
    gate = new_gate()
    wait = meet(gate, BUSY, now=0.0)
    assert 1.0 <= wait <= 3.0
    assert reason(gate, 0.0) is BUSY
    assert not send(gate, wait).is_probe
    assert reason(gate, wait) is None
    assert gate.delay(wait + 0.01) == 0.0


def test_concurrency_backs_off_longer_where_it_repeats() -> None:
    gate = new_gate()
    now, waits = 0.0, []
    for _ in range(60):
        waits.append(meet(gate, BUSY, now=now))
        now += waits[-1]
    assert all(1.0 <= wait <= 30.0 for wait in waits)
    assert max(waits) > 20.0


@pytest.mark.parametrize("kind", TROUBLES)
def test_an_outage_backs_off_exponentially_with_jitter(kind: Reason) -> None:
    gate = new_gate()
    now = suspect(gate, now=0.0)
    for strike in range(12):
        wait = meet(gate, kind, now=now)
        assert 0.1 <= wait <= min(2.0**strike, 60.0)
        now += wait
    assert reason(gate, now) is kind


def test_one_outage_met_by_many_requests_is_one_strike() -> None:
    gate = new_gate(max_in_flight=51)
    grants = [send(gate, float(number)) for number in range(50)]
    probe = None
    for task, grant in enumerate(grants):
        fail(gate, grant, DOWN, 100.0, task=task)
        if probe is None and task >= SUSPECT_TASKS:
            probe = send(gate, 100.0)
            fail(gate, probe, DOWN, 100.0)
    wait = gate.delay(100.0)
    assert wait is not None
    assert 0.1 <= wait <= 1.0


@pytest.mark.parametrize("kind", [KEY, MONEY, DOWN, BUSY])
def test_retry_after_is_a_minimum(kind: Reason) -> None:
    assert meet(new_gate(), failure(kind, retry_after=500.0), now=0.0) == 500.0
    assert meet(new_gate(), failure(kind, retry_after=50_000.0), now=0.0) == 3600.0


@pytest.mark.parametrize("first", [failure(DOWN, retry_after=1.0), failure(MONEY, retry_after=1.0)])
def test_a_late_retry_after_lengthens_the_hold(first: DispatcherError) -> None:
    gate = new_gate()
    one, two = send(gate, 0.0), send(gate, 1.0)
    fail(gate, one, first, 2.0)
    fail(gate, two, failure(first.reason, retry_after=77.0), 2.0)
    assert gate.delay(2.0) == 77.0


def test_a_late_retry_after_is_heard_under_suspicion() -> None:
    gate = new_gate()
    late = send(gate, 0.0)
    now = suspect(gate, now=1.0)
    fail(gate, late, failure(DOWN, retry_after=77.0), now)
    assert (reason(gate, now), gate.delay(now)) == (DOWN, 77.0)


@pytest.mark.parametrize("first", [BUSY, DOWN])
def test_a_retry_after_that_comes_when_the_hold_is_over_holds(first: Reason) -> None:
    gate = new_gate(max_in_flight=4)
    late = send(gate, 0.0)
    now = 1.0 + meet(gate, failure(first, retry_after=1.0), now=1.0)
    succeed(gate, send(gate, now), now)
    fail(gate, late, failure(BUSY, retry_after=77.0), now + 1.0)
    assert gate.delay(now + 1.0) == 77.0


def test_a_retry_after_lengthens_a_graver_hold() -> None:
    gate = new_gate()
    late = send(gate, 0.0)
    meet(gate, KEY, now=1.0)
    fail(gate, late, failure(BUSY, retry_after=77.0), 2.0)
    assert (reason(gate, 2.0), gate.delay(2.0)) == (KEY, 77.0)


def test_a_retry_after_for_the_old_key_is_void() -> None:
    gate = new_gate()
    late = send(gate, 0.0)
    gate.retry_now(1.0)
    fail(gate, late, failure(MONEY, retry_after=77.0), 2.0)
    assert gate.delay(2.0) == 0.0


def test_what_is_sent_once_more_takes_a_place_in_the_rate() -> None:
    gate = new_gate(max_in_flight=4, rate=2.0)
    send(gate, 0.0)
    assert gate.repeat(0.125, within=5.0) == 0.375
    assert gate.delay(0.125) == 0.875
    assert gate.repeat(0.125, within=0.5) is None, "there is no place in time"
    assert gate.delay(0.125) == 0.875


@pytest.mark.parametrize("kind", [KEY, MONEY, BUSY, DOWN])
def test_nothing_is_sent_once_more_while_the_account_is_held_back(kind: Reason) -> None:
    gate = new_gate()
    send(gate, 0.0)
    meet(gate, failure(kind, retry_after=9.0), now=1.0)
    assert gate.repeat(2.0, within=60.0) is None


# What the probe of a hold meets, and the reason that is in force afterwards.
@pytest.mark.parametrize(
    ("held", "met", "then"),
    [
        (KEY, KEY, KEY),
        (KEY, Reason.FORBIDDEN, Reason.FORBIDDEN),
        (KEY, Reason.TIMEOUT, KEY),
        (KEY, Reason.BAD_RESPONSE, KEY),
        (KEY, MONEY, MONEY),
        (KEY, BUSY, BUSY),
        (KEY, Reason.BAD_REQUEST, None),
        (MONEY, Reason.CONNECT, MONEY),
        (MONEY, KEY, KEY),
        (DOWN, Reason.TIMEOUT, Reason.TIMEOUT),
        (DOWN, Reason.BAD_RESPONSE, Reason.BAD_RESPONSE),
        (DOWN, KEY, KEY),
        (DOWN, BUSY, BUSY),
        (DOWN, Reason.BAD_REQUEST, None),
    ],
)
def test_what_the_probe_meets_decides(held: Reason, met: Reason, then: Reason | None) -> None:
    gate = new_gate()
    now = hold(gate, held, now=0.0)
    blame = fail(gate, send(gate, now), met, now)
    assert reason(gate, now) is then
    assert blame is (Blame.TASK if met is Reason.BAD_REQUEST else Blame.ACCOUNT)


# What a request from before the hold meets, and the reason that is in force afterwards.
@pytest.mark.parametrize(
    ("held", "met", "then"),
    [
        (KEY, None, KEY),
        (MONEY, None, MONEY),
        (BUSY, None, BUSY),
        (DOWN, None, None),
        (KEY, DOWN, KEY),
        (KEY, MONEY, KEY),
        (MONEY, KEY, KEY),
        (DOWN, KEY, KEY),
        (DOWN, MONEY, MONEY),
        (BUSY, DOWN, BUSY),
        (DOWN, BUSY, DOWN),
        (DOWN, Reason.BAD_REQUEST, DOWN),
        (DOWN, Reason.BAD_RESPONSE, DOWN),
    ],
)
def test_old_news_changes_little(held: Reason, met: Reason | None, then: Reason | None) -> None:
    gate = new_gate()
    late = send(gate, 0.0)
    now = hold(gate, held, now=0.1) - 0.05
    if met is None:
        succeed(gate, late, now)
    else:
        fail(gate, late, met, now, task="late")
    assert reason(gate, now) is then


def test_a_late_answer_clears_a_suspicion() -> None:
    gate = new_gate()
    late = send(gate, 0.0)
    now = suspect(gate, now=1.0)
    succeed(gate, late, now)
    assert not send(gate, now).is_probe


def test_a_late_success_does_not_override_retry_after() -> None:
    gate = new_gate()
    one, late = send(gate, 0.0), send(gate, 0.1)
    fail(gate, one, failure(DOWN, retry_after=30.0), 0.2)
    succeed(gate, late, 0.3)
    assert reason(gate, 0.3) is DOWN


def test_a_failure_from_before_the_recovery_is_forgotten() -> None:
    gate = new_gate(max_in_flight=9)
    late = [send(gate, number / 10) for number in range(5)]
    now = hold(gate, DOWN, now=1.0)
    succeed(gate, send(gate, now), now)
    for number, grant in enumerate(late):
        assert fail(gate, grant, Reason.TIMEOUT, 10.0, task=number) is Blame.TASK
    assert not send(gate, 10.0).is_probe


def test_a_success_forgives_every_strike() -> None:
    gate = new_gate()
    now = meet(gate, KEY, now=0.0)
    now += meet(gate, KEY, now=now)
    succeed(gate, send(gate, now), now)
    assert meet(gate, KEY, now=now + 1) <= 5.5


def test_a_changed_key_is_tried_at_once_by_one_request() -> None:
    gate = new_gate()
    now = 0.0
    for _ in range(5):
        now += meet(gate, KEY, now=now)
    meet(gate, KEY, now=now)
    gate.retry_now(now + 1)
    assert gate.delay(now + 1) == 0.0
    probe = send(gate, now + 1)
    assert gate.delay(now + 2) is None
    fail(gate, probe, KEY, now + 2)
    wait = gate.delay(now + 2)
    assert wait is not None
    assert wait <= 5.5


def test_what_the_old_key_meets_is_void_once_the_key_has_changed() -> None:
    gate = new_gate()
    old = send(gate, 0.0)
    gate.retry_now(0.1)
    fail(gate, old, KEY, 0.2)
    assert reason(gate, 0.2) is None


@pytest.mark.parametrize("kind", [DOWN, BUSY])
def test_a_changed_key_does_not_end_an_outage(kind: Reason) -> None:
    gate = new_gate()
    meet(gate, failure(kind, retry_after=20.0), now=0.0)
    gate.retry_now(1.0)
    assert gate.delay(1.0) == 19.0


# ---- any order of events ---------------------------------------------------------------------------------------------


class Neighbour(RuleBasedStateMachine):
    """Any order of events: the limits hold, and in the end a request may go."""

    LIMIT, RATE = 3, 5.0

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.gate = Gate(max_in_flight=self.LIMIT, max_requests_per_second=self.RATE, random=Random(3))
        self.out: list[Grant] = []
        self.sends: list[float] = []
        self.probes: list[Grant] = []
        self.told_until = 0.0
        self.of_old_key: set[Grant] = set()

    @rule(seconds=st.floats(0, 10))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(is_used=st.booleans())
    def wait_and_send(self, is_used: bool) -> None:
        delay = self.gate.delay(self.now)
        if delay is None:
            assert self.out
            return
        assert 0.0 <= delay < 3600.001
        self.now += delay
        if self.gate.delay(self.now) != 0.0:  # a rounding error is left to wait for
            self.now += 1e-6
        suspended = self.gate.suspension(self.now)
        may_stream = self.gate.may_stream(self.now)
        grant = self.gate.grant(self.now)
        if not is_used:
            self.gate.give_back(grant)
            assert self.gate.delay(self.now) == 0.0
            return
        self.gate.sent(grant, self.now, as_stream=may_stream)
        self.out.append(grant)
        self.sends.append(self.now)
        assert self.now >= self.told_until - 1e-6
        assert grant.is_probe or not suspended
        if grant.is_probe:
            assert not [probe for probe in self.probes if probe in self.out and probe.epoch == grant.epoch]
            self.probes.append(grant)

    @precondition(lambda self: self.out)
    @rule(data=st.data(), seconds=st.floats(0, 5), task=st.integers(0, 5))
    def comes_back(self, data: st.DataObject, seconds: float, task: int) -> None:
        grant = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        self.now += seconds
        waits = st.none() | st.floats(0, 1e6)
        match data.draw(st.sampled_from(["well", "abandoned", *Reason])):
            case "well":
                self.gate.succeeded(grant, self.now)
            case "abandoned":
                pass
            case kind:
                error = failure(Reason(kind), retry_after=data.draw(waits), reset_after=data.draw(waits))
                blame = self.gate.failed(grant, task, error, self.now)
                assert blame is Blame.TASK or kind is not Reason.BAD_REQUEST
                if names_account(error) and grant not in self.of_old_key:
                    self.told_until = max(self.told_until, self.now + told_seconds(error))
        self.gate.give_back(grant)

    @rule()
    def key_changes(self) -> None:
        self.gate.retry_now(self.now)
        self.told_until = 0.0
        self.of_old_key = set(self.out)

    @rule(within=st.floats(0, 10))
    def meets_a_closed_connection(self, within: float) -> None:
        wait = self.gate.repeat(self.now, within=within)
        if wait is not None:
            assert wait <= within
            self.now += wait
            self.sends.append(self.now)
            assert self.now >= self.told_until - 1e-6

    @invariant()
    def limits_hold(self) -> None:
        assert self.gate.in_flight == len(self.out) <= self.LIMIT
        assert self.gate.streams < self.LIMIT
        if len(self.sends) > 1:
            assert self.sends[-1] - self.sends[-2] >= 1 / self.RATE - 1e-9

    def teardown(self) -> None:
        while self.out:
            self.gate.give_back(self.out.pop())
        assert self.gate.delay(self.now) is not None
        assert (self.gate.delay(self.now + 3600.001) or 0.0) == 0.0


TestNeighbour = Neighbour.TestCase
TestNeighbour.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_a_probe_that_is_still_out_is_the_only_one_whatever_comes_back_late() -> None:
    gate = new_gate(max_in_flight=8)
    late = send(gate, 0.0)
    at = hold(gate, DOWN, now=1.0)
    probe = send(gate, at)
    fail(gate, late, KEY, at)
    assert reason(gate, at) is KEY
    assert gate.delay(at + 1000.0) is None, "an API in trouble meets one request at a time"

    gate.give_back(probe)
    assert gate.delay(at + 1000.0) == 0.0


def test_another_key_is_tried_at_once_though_a_probe_with_the_old_one_is_out() -> None:
    gate = new_gate(max_in_flight=8)
    at = hold(gate, KEY, now=1.0)
    old = send(gate, at)
    gate.retry_now(at + 1.0)
    new = send(gate, at + 1.0)
    gate.give_back(old)

    assert new.is_probe
    assert gate.delay(at + 2.0) is None


# ---- requests aside --------------------------------------------------------------------------------------------------


def aside(gate: Gate, now: float) -> Grant:
    grant = gate.grant_aside(now)
    gate.sent(grant, now)
    return grant


def test_requests_aside_have_a_share_of_the_rate_and_what_polls_leave_of_it() -> None:
    gate, now = new_gate(max_in_flight=8, rate=10.0), 0.0
    succeed(gate, aside(gate, now), now)
    assert gate.delay(now) == pytest.approx(0.1)
    assert gate.delay_aside(now) == pytest.approx(0.1 * ASIDE_SHARE)
    now += 0.1 * ASIDE_SHARE
    succeed(gate, send(gate, now), now)
    assert gate.delay_aside(now) == pytest.approx(0.1), "a poll's place is no other's"
    with pytest.raises(RuntimeError):
        gate.grant_aside(now)


@pytest.mark.parametrize(("slots", "asides", "polls"), [(1, 1, 0), (2, 1, 1), (4, 1, 3), (8, 2, 6)])
def test_requests_aside_have_a_share_of_the_slots_and_never_the_last_one(slots: int, asides: int, polls: int) -> None:
    gate, now = new_gate(max_in_flight=slots), 0.0
    for _ in range(asides):
        now += 1
        aside(gate, now)
    assert gate.delay_aside(now + 1) is None
    for _ in range(polls):
        now += 1
        send(gate, now)
    assert gate.delay(now + 1) is None


def test_the_last_slot_is_a_polls() -> None:
    gate = new_gate(max_in_flight=4)
    for now in range(3):
        send(gate, float(now))
    assert gate.delay_aside(5.0) is None
    assert gate.delay(5.0) == 0.0


@pytest.mark.parametrize("reason", [*TROUBLES, Reason.BAD_REQUEST])
def test_what_a_request_aside_meets_of_its_own_tells_nothing(reason: Reason) -> None:
    gate = new_gate()
    for now in range(20):
        assert fail(gate, aside(gate, float(now)), reason, float(now), task=now) is Blame.TASK
    assert gate.is_open


@pytest.mark.parametrize("reason", [KEY, Reason.FORBIDDEN, MONEY, Reason.RATE_LIMITED, BUSY])
def test_what_the_api_says_of_the_account_holds_whoever_hears_it(reason: Reason) -> None:
    gate = new_gate()
    assert fail(gate, aside(gate, 0.0), reason, 0.0) is Blame.ACCOUNT
    assert gate.suspension(0.0) is not None


def test_a_request_aside_neither_lengthens_an_outage_nor_keeps_polls_from_finding_out() -> None:
    gate = new_gate()
    until = hold(gate, DOWN, now=0.0)
    before = gate.suspension(until)
    assert gate.delay_aside(until) == 0.0
    grant = aside(gate, until)
    assert grant.is_probe
    fail(gate, grant, DOWN, until)
    assert gate.suspension(until) == before
    assert gate.delay(until + 1.0) == 0.0


@pytest.mark.parametrize("met", [None, Reason.BAD_REQUEST])
def test_a_request_aside_finds_out_that_the_api_answers_again(met: Reason | None) -> None:
    gate = new_gate()
    until = hold(gate, DOWN, now=0.0)
    grant = aside(gate, until)
    if met is None:
        succeed(gate, grant, until)
    else:
        fail(gate, grant, met, until)
    assert gate.is_open
