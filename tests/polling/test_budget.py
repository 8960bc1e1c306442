"""More polls due than may be sent: whole groups for a quarter of an hour, before an account that takes too few.

They live without a network (``benchmarks/budget``), from a fixed seed: ``python -m benchmarks.budget`` prints figures.
"""

from functools import cache
from statistics import fmean

import pytest

from benchmarks.budget import CROWDS, Outcome, Simulation, due_order, fair, fair_parts

BOTH = pytest.mark.parametrize("is_adaptive", [True, False], ids=["adaptive", "published"])


@cache
def shared(overload: float, *, is_adaptive: bool) -> Outcome:
    return Simulation(CROWDS, overload=overload, schedule=fair, is_adaptive=is_adaptive).run()


@cache
def by_due_time(overload: float, *, is_adaptive: bool) -> Outcome:
    return Simulation(CROWDS, overload=overload, schedule=due_order, is_adaptive=is_adaptive).run()


@pytest.mark.slow
@BOTH
def test_where_all_polls_may_be_sent_nothing_is_other_than_in_due_order(*, is_adaptive: bool) -> None:
    assert shared(0.5, is_adaptive=is_adaptive) == by_due_time(0.5, is_adaptive=is_adaptive)


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize("overload", [2.0, 10.0])
def test_each_group_gets_its_part(overload: float, *, is_adaptive: bool) -> None:
    outcome = shared(overload, is_adaptive=is_adaptive)

    assert outcome.fairness() >= 0.97
    assert outcome.fairness() > by_due_time(overload, is_adaptive=is_adaptive).fairness()
    for name, part in fair_parts(outcome.wanted, outcome.rate).items():
        used = shared(0.5, is_adaptive=is_adaptive).got(name)
        assert outcome.got(name) >= 0.8 * min(part, used)


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize("overload", [1.0, 2.0, 10.0])
def test_nobody_starves(overload: float, *, is_adaptive: bool) -> None:
    outcome = shared(overload, is_adaptive=is_adaptive)

    for fate in outcome.fates.values():
        assert max(fate.stretches) <= 2.5 * overload, "the longest interval, as a multiple of what it should be"
        assert max(fate.firsts) <= 2.5 * overload * 5.0, "a new task's first poll, too"


@BOTH
def test_a_small_group_does_not_suffer_from_a_large_one(*, is_adaptive: bool) -> None:
    one = shared(10.0, is_adaptive=is_adaptive).fates["one"]
    other = by_due_time(10.0, is_adaptive=is_adaptive).fates["one"]

    assert max(one.stretches) <= 3.0
    assert max(other.stretches) >= 8.0, "as it did"


@BOTH
@pytest.mark.parametrize("overload", [2.0, 10.0])
def test_the_attainable_interval_is_what_results(overload: float, *, is_adaptive: bool) -> None:
    outcome = shared(overload, is_adaptive=is_adaptive)

    assert outcome.gap() == pytest.approx(outcome.attainable(), rel=0.03)


@pytest.mark.parametrize("overload", [0.5, 1.0, 2.0, 10.0])
def test_the_learned_cadence_is_no_worse_than_the_published_one(overload: float) -> None:
    ours, theirs = (
        fmean(delay for fate in shared(overload, is_adaptive=one).fates.values() for delay in fate.delays)
        for one in (True, False)
    )

    assert ours <= 1.05 * theirs
