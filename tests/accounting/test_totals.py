"""What is shown of what has been counted: totals of tasks once they are durable, the exporter's own as they are."""

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from exporter.accounting.local_histogram import LocalHistogram
from exporter.accounting.series import Exemplar, Increments, Series
from exporter.accounting.totals import Joined, Meters, Totals

REQUESTS = Series("requests_total", (("account", "a"),))
LAG = Series("lag_seconds", (("account", "a"),), "sum")
FINISHED = Series("finished_total", (("account", "a"),))


# ---- totals of tasks -----------------------------------------------------------------------------------------------


def test_totals_start_from_what_the_ledger_holds() -> None:
    totals = Totals()
    totals.load({FINISHED: 3.0})
    totals.publish({FINISHED: 1.0})
    assert totals.view() == {FINISHED: 4.0}


def test_a_view_never_changes_and_nobody_can_change_it() -> None:
    totals = Totals()
    totals.publish({FINISHED: 1.0}, {FINISHED: Exemplar(1.0, "task_1", 10.0)})
    view: Any = totals.view()
    exemplars = totals.exemplars()
    totals.publish({FINISHED: 1.0}, {FINISHED: Exemplar(1.0, "task_2", 20.0)})
    totals.load({FINISHED: 9.0})
    totals.publish({}, {FINISHED: Exemplar(1.0, "task_3", 30.0)})

    assert (view, exemplars[FINISHED].task_id) == ({FINISHED: 1.0}, "task_1")
    assert (totals.view(), totals.exemplars()[FINISHED].task_id) == ({FINISHED: 9.0}, "task_3")
    with pytest.raises(TypeError):
        view[FINISHED] = 2.0


# ---- the exporter's own --------------------------------------------------------------------------------------------


def test_meters_are_shown_once_they_are_durable() -> None:
    meters = Meters()
    meters.load({REQUESTS: 10.0})
    meters.add({REQUESTS: 1.0})
    assert meters.take() == {REQUESTS: 1.0}
    assert meters.view(live=False) == {REQUESTS: 10.0}
    meters.settle()
    assert meters.view(live=False) == {REQUESTS: 11.0}
    assert meters.take() == {}


def test_live_meters_show_what_waits_and_what_is_on_its_way() -> None:
    meters = Meters()
    meters.load({REQUESTS: 10.0})
    meters.add({REQUESTS: 2.0})
    meters.take()
    meters.add({REQUESTS: 1.0})
    assert meters.view(live=True) == {REQUESTS: 13.0}


def test_what_was_shown_live_is_not_taken_back() -> None:
    meters = Meters()
    meters.add({REQUESTS: 2.0})
    meters.take()
    meters.add({REQUESTS: 1.0})
    assert meters.view(live=True) == {REQUESTS: 3.0}
    meters.settle()
    assert meters.view(live=False) == {REQUESTS: 3.0}
    meters.take()
    meters.settle()
    meters.add({REQUESTS: 1.0})
    meters.take()
    meters.settle()
    assert meters.view(live=False) == {REQUESTS: 4.0}


def test_what_is_metered_is_left_alone() -> None:
    meters = Meters()
    request = Increments({REQUESTS: 1.0})
    meters.add(request)
    meters.add(request)
    assert request == {REQUESTS: 1.0}


def test_one_batch_at_a_time() -> None:
    meters = Meters()
    meters.add({REQUESTS: 1.0})
    meters.take()
    with pytest.raises(RuntimeError, match="not settled"):
        meters.take()


amounts = st.dictionaries(st.sampled_from([REQUESTS, LAG]), st.integers(0, 9).map(float), max_size=2)


def test_what_was_counted_locally_waits_with_the_rest() -> None:
    meters, local = Meters(), LocalHistogram("lag_seconds", (("account", "a"),), (0.1, 1.0))

    def flush_into(increments: Increments) -> None:
        local.flush_into(increments)

    meters.flush_from(flush_into)
    local.observe(0.5)
    assert meters.view(live=False) == {}
    assert meters.view(live=True)[LAG] == 0.5
    local.observe(0.25)
    assert meters.take()[LAG] == 0.75
    meters.settle()
    assert meters.view(live=False)[LAG] == 0.75
    assert meters.take() == {}


class ShownNumbers(RuleBasedStateMachine):
    """Events, batches that become durable sooner or later, and scrapes, in any order: nothing shown ever goes down."""

    def __init__(self) -> None:
        super().__init__()
        self.meters = Meters()
        self.taken: Increments | None = None
        self.happened = Increments()
        self.committed = Increments()
        self.shown: dict[Series, float] = {}

    @rule(increments=amounts)
    def happen(self, increments: dict[Series, float]) -> None:
        self.meters.add(increments)
        self.happened.merge(increments)

    @rule()
    def take(self) -> None:
        if not self.taken:
            self.taken = self.meters.take()

    @rule()
    def settle(self) -> None:
        if self.taken is not None:
            self.committed.merge(self.taken)
            self.meters.settle()
            self.taken = None

    @rule(live=st.booleans())
    def scrape(self, live: bool) -> None:
        view = self.meters.view(live=live)
        for series, number in self.shown.items():
            assert view.get(series, 0.0) >= number
        for series, number in view.items():
            assert self.committed.get(series, 0.0) <= number <= self.happened.get(series, 0.0)
        if live:
            assert {series: by for series, by in view.items() if by} == {s: by for s, by in self.happened.items() if by}
        self.shown = dict(view)

    @invariant()
    def what_is_durable_is_shown(self) -> None:
        view = self.meters.view(live=False)
        assert all(view[series] >= number for series, number in self.committed.items())


TestShownNumbers = ShownNumbers.TestCase


# ---- both ----------------------------------------------------------------------------------------------------------


def test_both_together_are_one_mapping() -> None:
    joined = Joined({FINISHED: 1.0}, {REQUESTS: 2.0})
    assert joined == {FINISHED: 1.0, REQUESTS: 2.0}
    assert list(joined.items()) == [(FINISHED, 1.0), (REQUESTS, 2.0)]
    assert (joined[FINISHED], joined[REQUESTS], joined.get(LAG), len(joined)) == (1.0, 2.0, None, 2)
    assert (FINISHED, 1.0) in joined.items()
