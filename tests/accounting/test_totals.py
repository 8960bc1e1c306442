from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from exporter.accounting.series import Exemplar, Increments, Series
from exporter.accounting.totals import Aggregates
from exporter.metrics.events import count_request

REQUESTS = Series("bytespike_api_requests_total", (("account", "a"),))
LAG = Series("bytespike_exporter_poll_lag_seconds", (("account", "a"),), "sum")
FINISHED = Series("bytespike_tasks_finished_total", (("account", "a"),))


def test_starts_from_what_the_ledger_holds() -> None:
    aggregates = Aggregates()
    aggregates.load({FINISHED: 3.0})
    aggregates.publish({FINISHED: 1.0})
    assert aggregates.view() == aggregates.totals == {FINISHED: 4.0}


def test_a_view_is_a_copy_that_nobody_can_change() -> None:
    aggregates = Aggregates()
    view: Any = aggregates.view()
    aggregates.publish({FINISHED: 1.0})
    assert view == {}
    with pytest.raises(TypeError):
        view[FINISHED] = 2.0


def test_latest_exemplar_is_kept() -> None:
    aggregates = Aggregates()
    aggregates.publish({FINISHED: 1.0}, {FINISHED: Exemplar(1.0, "task_1", 10.0)})
    before = aggregates.exemplars
    aggregates.publish({FINISHED: 1.0}, {FINISHED: Exemplar(1.0, "task_2", 20.0)})
    assert aggregates.exemplars == {FINISHED: Exemplar(1.0, "task_2", 20.0)}
    assert before == {FINISHED: Exemplar(1.0, "task_1", 10.0)}


def test_meters_are_shown_once_committed() -> None:
    aggregates = Aggregates()
    aggregates.meter({REQUESTS: 1.0})
    assert aggregates.view() == {}
    taken = aggregates.take_meters()
    assert aggregates.view() == {}
    aggregates.publish(taken)
    assert aggregates.view() == {REQUESTS: 1.0}
    assert aggregates.take_meters() == {}


def test_meters_of_a_failed_commit_wait_again() -> None:
    aggregates = Aggregates()
    aggregates.meter({REQUESTS: 1.0})
    aggregates.give_back(aggregates.take_meters())
    aggregates.meter({REQUESTS: 2.0})
    assert aggregates.view(include_pending=True) == {REQUESTS: 3.0}
    assert aggregates.take_meters() == {REQUESTS: 3.0}


def test_while_the_ledger_fails_own_counters_go_on_and_outcomes_do_not() -> None:
    aggregates = Aggregates()
    aggregates.load({REQUESTS: 10.0, FINISHED: 5.0})
    aggregates.meter({REQUESTS: 1.0, FINISHED: 1.0})
    assert aggregates.view(include_pending=True) == {REQUESTS: 11.0, FINISHED: 5.0}


def test_meters_on_their_way_are_still_shown() -> None:
    aggregates = Aggregates()
    aggregates.meter({REQUESTS: 2.0})
    aggregates.take_meters()
    aggregates.meter({REQUESTS: 1.0})
    assert aggregates.view(include_pending=True) == {REQUESTS: 3.0}


def test_recovery_takes_nothing_back() -> None:
    aggregates = Aggregates()
    aggregates.meter({REQUESTS: 2.0})
    taken = aggregates.take_meters()
    aggregates.meter({REQUESTS: 1.0})
    assert aggregates.view(include_pending=True) == {REQUESTS: 3.0}
    aggregates.publish(taken)
    assert aggregates.totals == {REQUESTS: 2.0}
    assert aggregates.view() == {REQUESTS: 3.0}
    aggregates.publish(aggregates.take_meters())
    aggregates.publish({REQUESTS: 1.0})
    assert aggregates.view() == {REQUESTS: 4.0}


def test_what_is_metered_is_left_alone() -> None:
    aggregates = Aggregates()
    request = count_request("a", "tasks/query", seconds=0.1)
    before = request.copy()
    aggregates.meter(request)
    aggregates.meter(request)
    assert request == before


amounts = st.dictionaries(st.sampled_from([REQUESTS, LAG, FINISHED]), st.integers(0, 9).map(float), max_size=3)


class ShownNumbers(RuleBasedStateMachine):
    """Events, commits that succeed or fail, and scrapes, in any order: what was shown never goes down."""

    def __init__(self) -> None:
        super().__init__()
        self.aggregates = Aggregates()
        self.taken: Increments | None = None
        self.batch: dict[Series, float] = {}
        self.happened = Increments()
        self.committed = Increments()
        self.shown: dict[Series, float] = {}

    @rule(increments=amounts)
    def meter(self, increments: dict[Series, float]) -> None:
        own = {series: by for series, by in increments.items() if series is not FINISHED}
        self.aggregates.meter(own)
        self.happened.merge(own)

    @rule(outcomes=st.integers(0, 3))
    def begin_commit(self, outcomes: int) -> None:
        if self.taken is None:
            self.taken = self.aggregates.take_meters()
            self.batch = {FINISHED: float(outcomes)}

    @rule(succeeds=st.booleans())
    def end_commit(self, succeeds: bool) -> None:
        if self.taken is None:
            return
        if succeeds:
            increments = self.taken.copy()
            increments.merge(self.batch)
            self.happened.merge(self.batch)
            self.committed.merge(increments)
            self.aggregates.publish(increments)
        else:
            self.aggregates.give_back(self.taken)
        self.taken = None

    @rule(failing=st.booleans())
    def scrape(self, failing: bool) -> None:
        view = self.aggregates.view(include_pending=failing)
        for series, number in self.shown.items():
            assert view.get(series, 0.0) >= number
        for series, number in view.items():
            assert number <= self.happened.get(series, 0.0)
        if failing:
            assert {s: n for s, n in view.items() if n and s is not FINISHED} == {
                s: n for s, n in self.happened.items() if n and s is not FINISHED
            }
        self.shown = dict(view)

    @invariant()
    def totals_are_what_is_committed(self) -> None:
        assert self.aggregates.totals == self.committed


TestShownNumbers = ShownNumbers.TestCase
