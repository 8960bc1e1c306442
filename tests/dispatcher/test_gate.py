from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from exporter.dispatcher.answer import DispatcherError, Reason
from exporter.dispatcher.gate import Gate, Pass

KEY, MONEY, BUSY, DOWN = Reason.INVALID_API_KEY, Reason.PAYMENT, Reason.CONCURRENCY, Reason.SERVER


def new_gate(*, max_in_flight: int = 2, rate: float = 1000.0) -> Gate:
    return Gate(max_in_flight=max_in_flight, max_requests_per_second=rate, random=Random(7))


def failure(reason: Reason, *, retry_after: float | None = None, reset_after: float | None = None) -> DispatcherError:
    return DispatcherError(reason, "x", retry_after=retry_after, reset_after=reset_after)


def fail(gate: Gate, error: DispatcherError | Reason, *, now: float) -> float:
    """Send at once, fail at once; return the seconds that follow until the next try."""
    leave = gate.sent(now)
    gate.failed(leave, error if isinstance(error, DispatcherError) else failure(error), now)
    return gate.delay(now) or 0.0


def reason(gate: Gate, now: float) -> Reason | None:
    found = gate.suspension(now)
    return found.reason if found else None


def test_sends_are_spaced_by_the_rate() -> None:
    gate = new_gate(max_in_flight=9, rate=4.0)
    assert gate.delay(10.0) == 0.0
    gate.sent(10.0)
    assert gate.delay(10.0) == 0.25
    assert gate.delay(10.1) == pytest.approx(0.15)
    assert gate.delay(10.25) == 0.0
    with pytest.raises(RuntimeError, match="without leave"):
        gate.sent(10.2)


def test_no_more_are_out_than_may_be() -> None:
    gate = new_gate(max_in_flight=2)
    first = gate.sent(0.0)
    second = gate.sent(1.0)
    assert (gate.delay(2.0), gate.in_flight) == (None, 2)
    gate.abandoned(first)
    assert (gate.delay(2.0), gate.in_flight) == (0.0, 1)
    gate.succeeded(second, 2.0)
    assert gate.in_flight == 0


@pytest.mark.parametrize(("max_in_flight", "room"), [(1, 0), (2, 1), (5, 4)])
def test_streams_never_take_the_last_slot(max_in_flight: int, room: int) -> None:
    gate, now = new_gate(max_in_flight=max_in_flight), 0.0
    while gate.may_stream(now):
        leave = gate.sent(now)
        gate.streams_on(leave)
        now += 1.0
    assert (gate.streams, gate.delay(now)) == (room, 0.0)


def test_a_stream_that_is_brought_back_makes_room_for_another() -> None:
    gate = new_gate()
    leave = gate.sent(0.0)
    gate.streams_on(leave)
    assert (gate.may_stream(1.0), gate.is_out(leave)) == (False, True)
    gate.abandoned(leave)
    assert (gate.may_stream(1.0), gate.is_out(leave), gate.streams) == (True, False, 0)


@pytest.mark.parametrize("kind", [KEY, MONEY, BUSY, DOWN])
def test_no_stream_is_opened_while_the_account_is_held_back(kind: Reason) -> None:
    gate = new_gate(max_in_flight=9)
    now = fail(gate, kind, now=0.0)
    assert not gate.may_stream(now / 2)
    gate.succeeded(gate.sent(now), now)
    assert gate.may_stream(now)


def test_a_leave_is_brought_back_once() -> None:
    gate = new_gate()
    leave = gate.sent(0.0)
    gate.abandoned(leave)
    with pytest.raises(KeyError):
        gate.succeeded(leave, 0.0)


def test_new_limits_hold_at_once() -> None:
    gate = new_gate(max_in_flight=2, rate=1.0)
    gate.sent(0.0)
    gate.relimit(max_in_flight=1, max_requests_per_second=10.0)
    assert gate.delay(0.5) is None
    gate.relimit(max_in_flight=2, max_requests_per_second=10.0)
    assert gate.delay(0.05) == pytest.approx(0.05)


@pytest.mark.parametrize("first", [Reason.INVALID_API_KEY, Reason.FORBIDDEN])
def test_a_refused_key_is_probed_at_growing_intervals(first: Reason) -> None:
    gate = new_gate()
    now, waits = 0.0, []
    for _ in range(9):
        wait = fail(gate, first, now=now)
        waits.append(wait)
        assert reason(gate, now) is first
        now += wait
    expected = [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert all(0.9 * e <= wait <= 1.1 * e for wait, e in zip(waits, expected, strict=True))
    assert sum(1 for i in range(9) if sum(waits[:i]) <= 60) <= 5


def test_one_probe_at_a_time_decides() -> None:
    gate = new_gate(max_in_flight=5)
    now = fail(gate, KEY, now=0.0)
    probe = gate.sent(now)
    assert gate.delay(now) is None
    gate.succeeded(probe, now + 1)
    assert (reason(gate, now + 1), gate.delay(now + 1)) == (None, 0.0)


def test_a_suspension_outlasts_its_hold_until_a_probe_succeeds() -> None:
    gate = new_gate()
    fail(gate, KEY, now=0.0)
    assert (reason(gate, 9999.0), gate.delay(9999.0)) == (KEY, 0.0)


def test_an_abandoned_probe_makes_room_for_another() -> None:
    gate = new_gate()
    now = fail(gate, DOWN, now=0.0)
    gate.abandoned(gate.sent(now))
    assert gate.delay(now + 1) == 0.0
    assert reason(gate, now + 1) is DOWN


@pytest.mark.parametrize("limited", [Reason.PAYMENT, Reason.RATE_LIMITED])
@pytest.mark.parametrize(("reset", "wait"), [(40.0, 40.0), (0.0, 1.0), (9e6, 300.0), (None, 15.0)])
def test_money_waits_for_its_reset(limited: Reason, reset: float | None, wait: float) -> None:
    assert fail(new_gate(), failure(limited, reset_after=reset), now=0.0) == wait


def test_concurrency_backs_off_shortly_and_goes_on_without_a_probe() -> None:
    gate = new_gate()
    wait = fail(gate, BUSY, now=0.0)
    assert 1.0 <= wait <= 3.0
    assert reason(gate, 0.0) is BUSY
    gate.sent(wait)
    assert reason(gate, wait) is None
    assert gate.delay(wait + 0.01) == 0.0


def test_concurrency_backs_off_longer_where_it_repeats() -> None:
    gate = new_gate()
    now, waits = 0.0, []
    for _ in range(60):
        waits.append(fail(gate, BUSY, now=now))
        now += waits[-1]
    assert all(1.0 <= wait <= 30.0 for wait in waits)
    assert max(waits) > 20.0


@pytest.mark.parametrize(
    "kind", [Reason.SERVER, Reason.TIMEOUT, Reason.CONNECT, Reason.TLS, Reason.NETWORK, Reason.TRUNCATED]
)
def test_an_outage_backs_off_exponentially_with_jitter(kind: Reason) -> None:
    gate = new_gate()
    now = 0.0
    for strike in range(12):
        wait = fail(gate, kind, now=now)
        assert 0.1 <= wait <= min(2.0**strike, 60.0)
        now += wait
    assert reason(gate, now) is kind


def test_one_outage_met_by_many_requests_is_one_strike() -> None:
    gate = new_gate(max_in_flight=50)
    leaves = [gate.sent(float(i)) for i in range(50)]
    for leave in leaves:
        gate.failed(leave, failure(DOWN), 100.0)
    wait = gate.delay(100.0)
    assert wait is not None
    assert wait <= 1.0


@pytest.mark.parametrize("kind", [KEY, MONEY, DOWN, BUSY])
def test_retry_after_is_a_minimum(kind: Reason) -> None:
    assert fail(new_gate(), failure(kind, retry_after=500.0), now=0.0) == 500.0
    assert fail(new_gate(), failure(kind, retry_after=50_000.0), now=0.0) == 3600.0


def test_a_late_retry_after_lengthens_the_hold() -> None:
    gate = new_gate()
    one, two = gate.sent(0.0), gate.sent(1.0)
    gate.failed(one, failure(DOWN), 2.0)
    gate.failed(two, failure(DOWN, retry_after=77.0), 2.0)
    assert gate.delay(2.0) == 77.0


@pytest.mark.parametrize("kind", [Reason.BAD_REQUEST, Reason.BAD_RESPONSE, Reason.REDIRECT])
def test_a_failure_of_one_task_does_not_hold_the_others(kind: Reason) -> None:
    gate = new_gate()
    assert fail(gate, kind, now=0.0) < 0.01
    assert reason(gate, 0.0) is None


@pytest.mark.parametrize("kind", [Reason.BAD_RESPONSE, Reason.REDIRECT, Reason.BAD_ROUTE, Reason.TOO_LARGE])
def test_answers_that_make_no_sense_become_an_outage_in_a_row(kind: Reason) -> None:
    gate = new_gate()
    for now in range(4):
        fail(gate, kind, now=float(now))
    gate.succeeded(gate.sent(5.0), 5.0)
    for now in range(10, 14):
        fail(gate, kind, now=float(now))
    assert reason(gate, 14.0) is None
    fail(gate, kind, now=14.0)
    assert reason(gate, 14.0) is kind


def test_bad_requests_never_become_an_outage() -> None:
    gate = new_gate()
    for now in range(50):
        fail(gate, Reason.BAD_REQUEST, now=float(now))
    assert reason(gate, 50.0) is None


# What the probe of a suspension meets, and the reason that is in force afterwards.
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
    now = fail(gate, held, now=0.0)
    fail(gate, met, now=now)
    assert reason(gate, now) is then


# What a request from before the suspension meets, and the reason that is in force afterwards.
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
        (BUSY, DOWN, DOWN),
        (DOWN, BUSY, DOWN),
        (DOWN, Reason.BAD_REQUEST, DOWN),
        (DOWN, Reason.BAD_RESPONSE, DOWN),
    ],
)
def test_old_news_changes_little(held: Reason, met: Reason | None, then: Reason | None) -> None:
    gate = new_gate()
    one, late = gate.sent(0.0), gate.sent(0.1)
    gate.failed(one, failure(held), 0.2)
    if met is None:
        gate.succeeded(late, 0.3)
    else:
        gate.failed(late, failure(met), 0.3)
    assert reason(gate, 0.3) is then


def test_a_late_success_does_not_override_retry_after() -> None:
    gate = new_gate()
    one, late = gate.sent(0.0), gate.sent(0.1)
    gate.failed(one, failure(DOWN, retry_after=30.0), 0.2)
    gate.succeeded(late, 0.3)
    assert reason(gate, 0.3) is DOWN


def test_a_failure_from_before_the_recovery_is_forgotten() -> None:
    gate = new_gate()
    one, late = gate.sent(0.0), gate.sent(0.1)
    gate.failed(one, failure(DOWN), 1.0)
    probe = gate.sent(3.0)
    gate.succeeded(probe, 3.1)
    gate.failed(late, failure(Reason.TIMEOUT), 10.0)
    assert reason(gate, 10.0) is None


def test_a_success_forgives_every_strike() -> None:
    gate = new_gate()
    now = fail(gate, KEY, now=0.0)
    now += fail(gate, KEY, now=now)
    gate.succeeded(gate.sent(now), now)
    assert fail(gate, KEY, now=now + 1) <= 5.5


def test_a_changed_key_is_tried_at_once_by_one_request() -> None:
    gate = new_gate()
    now = 0.0
    for _ in range(5):
        now += fail(gate, KEY, now=now)
    fail(gate, KEY, now=now)
    gate.retry_now(now + 1)
    assert gate.delay(now + 1) == 0.0
    probe = gate.sent(now + 1)
    assert gate.delay(now + 2) is None
    gate.failed(probe, failure(KEY), now + 2)
    wait = gate.delay(now + 2)
    assert wait is not None
    assert wait <= 5.5


def test_what_the_old_key_meets_is_void_once_the_key_has_changed() -> None:
    gate = new_gate()
    old = gate.sent(0.0)
    gate.retry_now(0.1)
    gate.failed(old, failure(KEY), 0.2)
    assert reason(gate, 0.2) is None


@pytest.mark.parametrize("kind", [DOWN, BUSY])
def test_a_changed_key_does_not_end_an_outage(kind: Reason) -> None:
    gate = new_gate()
    fail(gate, failure(kind, retry_after=20.0), now=0.0)
    gate.retry_now(1.0)
    assert gate.delay(1.0) == 19.0


class Neighbour(RuleBasedStateMachine):
    """Any order of events: the limits hold, and in the end a request may go."""

    LIMIT, RATE = 3, 5.0

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.gate = Gate(max_in_flight=self.LIMIT, max_requests_per_second=self.RATE, random=Random(3))
        self.out: list[Pass] = []
        self.sends: list[float] = []
        self.probes: list[Pass] = []

    @rule(seconds=st.floats(0, 10))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def wait_and_send(self) -> None:
        delay = self.gate.delay(self.now)
        if delay is None:
            assert self.out
            return
        assert 0.0 <= delay < 3600.001
        self.now += delay
        if self.gate.delay(self.now) != 0.0:  # a rounding error is left to wait for
            self.now += 1e-6
        suspended = self.gate.suspension(self.now)
        leave = self.gate.sent(self.now)
        self.out.append(leave)
        self.sends.append(self.now)
        if self.gate.may_stream(self.now):
            self.gate.streams_on(leave)
        if suspended:
            assert not [probe for probe in self.probes if probe in self.out and probe.epoch == leave.epoch]
            self.probes.append(leave)

    @precondition(lambda self: self.out)
    @rule(data=st.data(), seconds=st.floats(0, 5))
    def comes_back(self, data: st.DataObject, seconds: float) -> None:
        leave = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        self.now += seconds
        waits = st.none() | st.floats(0, 1e6)
        match data.draw(st.sampled_from(["well", "abandoned", *Reason])):
            case "well":
                self.gate.succeeded(leave, self.now)
            case "abandoned":
                self.gate.abandoned(leave)
            case kind:
                error = failure(Reason(kind), retry_after=data.draw(waits), reset_after=data.draw(waits))
                self.gate.failed(leave, error, self.now)

    @rule()
    def key_changes(self) -> None:
        self.gate.retry_now(self.now)

    @invariant()
    def limits_hold(self) -> None:
        assert self.gate.in_flight == len(self.out) <= self.LIMIT
        assert self.gate.streams < self.LIMIT
        if len(self.sends) > 1:
            assert self.sends[-1] - self.sends[-2] >= 1 / self.RATE - 1e-9

    def teardown(self) -> None:
        while self.out:
            self.gate.abandoned(self.out.pop())
        assert self.gate.delay(self.now) is not None
        assert (self.gate.delay(self.now + 3600.001) or 0.0) == 0.0


TestNeighbour = Neighbour.TestCase
TestNeighbour.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
