"""The chaos run of replicas: its plan, what its judge lets pass and what not, and a short one of the real program."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.chaos import judge
from benchmarks.chaos.__main__ import main
from benchmarks.chaos.plan import Fault, Plan
from benchmarks.chaos.process import Pause
from benchmarks.chaos.prometheus import ONE, Grown, configuration
from benchmarks.chaos.rounds import Page, Round
from benchmarks.chaos.upstream import Book
from benchmarks.chaos.witness import Asked, Passage
from exporter.ledger.checking import Held

PLAN = Plan()

BOOKS = {"blue": Book(submitted=10, open=0, outcomes={"completed": 10}, credits={"completed": 5.0}, most_in_flight=2)}
HELD = Held("blue", "completed", outcomes=10, counted=10, credits=5.0, credits_counted=5.0)
GROWN = Grown(ends=10.0, credits=5.0, instances=frozenset({ONE}))


def asked(replica: int, begun: float, ended: float, account: str = "blue") -> Asked:
    return Asked(account, replica, begun, ended, is_answered=True)


# ---- the plan --------------------------------------------------------------------------------------------------------


def test_ten_minutes_have_every_fault_for_every_replica() -> None:
    turns = list(PLAN.turns())
    assert {turn.fault for turn in turns} == set(Fault)
    assert {turn.replica for turn in turns} == set(range(PLAN.replicas))


@given(st.integers(0, 2**32), st.floats(10, 900))
def test_a_process_has_one_fault_at_a_time_and_each_ends_in_time(seed: int, seconds: float) -> None:
    turns = list(Plan(seconds, seed).turns())
    assert all(turn.end <= seconds for turn in turns)
    assert [turn.at for turn in turns] == sorted(turn.at for turn in turns)
    for replica in range(PLAN.replicas):
        of_process = [
            turn
            for turn in turns
            if turn.fault is Fault.UPGRADE or (turn.replica == replica and turn.fault.is_of_process)
        ]
        assert all(one.end < other.at for one, other in itertools.pairwise(of_process))


def test_the_same_seed_is_the_same_bad_luck() -> None:
    assert list(Plan(seed=3).turns()) == list(Plan(seed=3).turns()) != list(Plan(seed=4).turns())


# ---- the witness -----------------------------------------------------------------------------------------------------


def test_a_request_lasts_until_the_last_of_its_answer() -> None:
    seen: list[Asked] = []
    passage = Passage(1, {b"sk-blue": "blue", b"sk-green": "green"}, seen)
    passage.asks(b"POST / HTTP/1.1\r\nx-api-key: sk-blue\r\n\r\n")
    passage.asks(b"the body")
    passage.is_told()
    passage.is_told()
    passage.asks(b"POST / HTTP/1.1\r\nx-api-key: sk-green\r\n\r\n")
    passage.is_over()
    assert [(each.account, each.replica, each.is_answered) for each in seen] == [("blue", 1, True), ("green", 1, True)]
    assert seen[0].begun <= seen[0].ended <= seen[1].begun <= seen[1].ended


# ---- books -----------------------------------------------------------------------------------------------------------


def test_equal_books_are_good() -> None:
    assert judge.books_are_equal(BOOKS, [HELD]).is_good


@pytest.mark.parametrize(
    "held",
    [
        [],
        [replace(HELD, outcomes=9)],
        [replace(HELD, counted=11)],
        [replace(HELD, credits=4.99)],
        [replace(HELD, credits_counted=10.0)],
        [HELD, Held("blue", "failed", 1, 1, 0.0, 0.0)],
        [HELD, Held("green", "completed", 1, 1, 0.0, 0.0)],
    ],
)
def test_each_difference_is_found(held: Sequence[Held]) -> None:
    assert not judge.books_are_equal(BOOKS, held).is_good


def test_without_a_task_nothing_is_proved() -> None:
    assert not judge.books_are_equal({}, []).is_good


# ---- requests --------------------------------------------------------------------------------------------------------


def test_one_owner_after_the_other_is_good() -> None:
    requests = [asked(0, 1.0, 2.0), asked(0, 1.5, 2.5), asked(1, 2.5, 3.0), asked(1, 2.0, 3.0, account="green")]
    assert judge.one_owner_asks(requests, [[], []]).is_good


@pytest.mark.parametrize("other", [asked(1, 1.5, 1.6), asked(1, 0.5, 1.1), asked(1, 0.5, 3.0), asked(1, 1.9, 9.0)])
def test_two_owners_at_once_are_found(other: Asked) -> None:
    assert not judge.one_owner_asks([asked(0, 1.0, 2.0), other], [[], []]).is_good


def test_a_process_that_stood_still_is_excused_for_one_request_and_no_more() -> None:
    stood_still = [[], [Pause(0.0, 9.9)]]
    requests = [asked(0, 9.0, 11.0), asked(1, 10.0, 10.1)]
    found = judge.one_owner_asks(requests, stood_still)
    assert found.is_good
    assert "1 by a process that had stood still" in found.found
    assert not judge.one_owner_asks([*requests, asked(1, 10.2, 10.3)], stood_still).is_good
    assert not judge.one_owner_asks(requests, [[], [Pause(0.0, 5.0)]]).is_good, "it is too late for an excuse"


def of_requests(requests: Sequence[Asked]) -> Mapping[str, bool]:
    return {each.name: each.is_good for each in judge.limits_hold(requests, BOOKS, PLAN, late=0)}


def test_requests_within_the_limits_are_good() -> None:
    steady = [asked(number % 2, number / PLAN.rate, number / PLAN.rate + 0.3) for number in range(200)]
    assert of_requests(steady) == {"requests in flight": True, "requests a second": True}


def test_more_than_may_be_under_way_are_found_over_all_replicas() -> None:
    assert not of_requests([asked(number, 1.0, 2.0) for number in range(PLAN.in_flight + 1)])["requests in flight"]


def test_twice_as_many_a_second_are_found() -> None:
    fast = [asked(0, number / PLAN.rate / 2, number / PLAN.rate / 2 + 0.1) for number in range(200)]
    assert not of_requests(fast)["requests a second"]


def test_a_hand_over_lasts_from_the_last_request_to_the_next_owner_s_first() -> None:
    assert judge.hand_overs([asked(0, 1.0, 2.0), asked(1, 5.0, 6.0), asked(1, 7.0, 8.0)]) == [3.0]


# ---- scrapes ---------------------------------------------------------------------------------------------------------


def page(*, shows: str = "", owns: str = "") -> Page:
    return Page(frozenset(shows.split()), frozenset(owns.split()))


def test_an_account_on_two_pages_of_a_round_is_found() -> None:
    assert judge.shown_once([[page(shows="a"), page(shows="b")], [page(), page(shows="a b")]]).is_good
    assert not judge.shown_once([[page(shows="a"), page(shows="a b")]]).is_good
    assert not judge.shown_once([]).is_good, "nothing was shown"


def test_an_account_may_be_owned_twice_for_a_moment_alone() -> None:
    once: Round = [page(owns="a"), page(owns="b")]
    twice: Round = [page(owns="a"), page(owns="a b")]
    assert judge.owned_once([once, twice, once, twice, once], longest=1.0).is_good
    assert not judge.owned_once([once, twice, twice, once], longest=1.0).is_good
    assert not judge.owned_once([once], longest=9.0).is_good


def of_prometheus(grown: Grown = GROWN, *, drops: Sequence[str] = (), refused: float = 0.0) -> Mapping[str, bool]:
    found = judge.seen_by_prometheus({"blue": grown}, BOOKS, drops=drops, refused=refused)
    return {each.name: each.is_good for each in found}


def test_what_prometheus_sees_is_one_series_that_only_grows() -> None:
    assert all(of_prometheus().values())
    assert not of_prometheus(replace(GROWN, instances=frozenset({ONE, "other"})))["an account has one instance"]
    assert not of_prometheus(drops=["bytespike_tasks_finished_total{}: 2 to 1"])["no counter drops"]
    assert not of_prometheus(refused=1.0)["no sample is refused"]
    assert not of_prometheus(replace(GROWN, ends=10.1))["increase() over hand-overs"]
    assert not of_prometheus(replace(GROWN, credits=4.9))["increase() over hand-overs"]


def test_the_shipped_relabelling_is_the_one_that_is_tried() -> None:
    [job] = configuration(["127.0.0.1:1"])["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["127.0.0.1:1"]}]
    [rule] = job["metric_relabel_configs"]
    assert rule["replacement"] == ONE


# ---- the real program ------------------------------------------------------------------------------------------------


@pytest.mark.e2e
@pytest.mark.long
def test_a_short_run_keeps_what_replicas_promise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--seconds", "40", "--keep", str(tmp_path)])
    assert code == 0, capsys.readouterr().out
