"""The soak: what it calls growing and what it lets pass, its plan, and a short one of the real program."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.soak.__main__ import main
from benchmarks.soak.judge import differences, growth, judged, lowest, slope
from benchmarks.soak.plan import FAULTS, Plan
from benchmarks.soak.record import Record
from benchmarks.soak.sample import Sample

PLAN = Plan(seconds=1000.0, rate=500.0)

CALM = Sample(
    at=0.0,
    rss_mb=100.0,
    descriptors=20,
    connections=12,
    threads=8,
    ledger_mb=5.0,
    polls_per_second=500.0,
    failures=3.0,
    cpu=0.2,
    stall_ms=5.0,
    late_ms=9.0,
    scrape_ms=20.0,
    followed=1000.0,
    finished=100.0,
    is_disturbed=False,
)

NOISE = Random(3)
SAMPLES = [replace(CALM, at=10.0 * number, rss_mb=100.0 + NOISE.uniform(-1, 1)) for number in range(100)]


def bad(samples: list[Sample]) -> set[str]:
    return {verdict.name for verdict in judged(samples, PLAN) if not verdict.is_good}


# ---- trends ----------------------------------------------------------------------------------------------------------


@given(st.floats(-10, 10), st.floats(-100, 100))
def test_the_slope_of_a_line_is_its_own(rise: float, start: float) -> None:
    assert slope([(x, start + rise * x) for x in range(20)]) == pytest.approx(rise, abs=1e-9)


@given(st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4))
def test_a_few_points_that_stand_out_do_not_bend_it(out: list[float]) -> None:
    points = [(float(x), 2.0 * x) for x in range(40)]
    for at, value in zip((3, 11, 25, 38), out, strict=True):
        points[at] = (float(at), value)
    assert slope(points) == pytest.approx(2.0)


def test_without_two_points_there_is_no_trend() -> None:
    assert growth([]) == growth([(1.0, 5.0)]) == slope([(1.0, 5.0), (1.0, 7.0)]) == 0.0


def test_what_comes_and_goes_has_a_lowest_point_in_each_part() -> None:
    points = [(float(x), 20.0 + x % 10) for x in range(90)]
    assert [value for _, value in lowest(points, 9)] == [20.0] * 9


# ---- verdicts --------------------------------------------------------------------------------------------------------


def test_a_calm_run_is_good() -> None:
    assert bad(SAMPLES) == set()


def test_what_is_taken_at_the_start_is_not_growth() -> None:
    started = [replace(sample, rss_mb=40.0 + sample.at) if sample.at < 60 else sample for sample in SAMPLES]
    assert bad(started) == set()


def test_memory_that_grows_a_little_all_the_time_is_found() -> None:
    assert bad([replace(sample, rss_mb=sample.rss_mb + 0.02 * sample.at) for sample in SAMPLES]) == {"memory is flat"}


def test_descriptors_that_are_not_given_back_are_found() -> None:
    leaking = [replace(sample, descriptors=20 + number % 30 + number // 25) for number, sample in enumerate(SAMPLES)]
    assert bad(leaking) == {"descriptors are flat"}


def test_connections_that_come_and_go_are_no_leak() -> None:
    busy = [replace(sample, descriptors=20 + number % 7 + number // 10 % 2) for number, sample in enumerate(SAMPLES)]
    assert bad(busy) == set()


def test_more_connections_than_may_be_are_found() -> None:
    most = PLAN.accounts * PLAN.in_flight
    assert bad([replace(SAMPLES[0], connections=most), *SAMPLES[1:]]) == set()
    assert bad([replace(SAMPLES[0], connections=most + 1), *SAMPLES[1:]]) == {"connections have a limit"}


def test_threads_that_do_not_end_are_found() -> None:
    assert bad([replace(sample, threads=8 + number // 25) for number, sample in enumerate(SAMPLES)]) == {
        "threads are flat"
    }


def test_one_stall_is_enough_and_the_machine_s_own_delay_is_none() -> None:
    assert bad([replace(SAMPLES[0], late_ms=400.0), *SAMPLES[1:]]) == set()
    assert bad([replace(SAMPLES[0], stall_ms=51.0), *SAMPLES[1:]]) == {"the loop never stands"}


def test_too_few_polls_are_found_but_not_while_a_fault_holds_an_account_back() -> None:
    slow = [replace(sample, polls_per_second=300.0) for sample in SAMPLES]
    assert bad(slow) == {"polls a second, undisturbed"}
    held = [replace(sample, is_disturbed=number % 3 > 0) for number, sample in enumerate(slow)]
    assert bad([each if each.is_disturbed else replace(each, polls_per_second=500.0) for each in held]) == set()


def test_where_every_sample_has_a_fault_nothing_is_known_of_the_polls() -> None:
    [verdict] = [
        verdict
        for verdict in judged([replace(sample, is_disturbed=True) for sample in SAMPLES], PLAN)
        if verdict.name == "polls a second, undisturbed"
    ]
    assert not verdict.is_good
    assert verdict.found == "no undisturbed sample"


def test_the_longest_stall_says_where_it_was() -> None:
    stalled = replace(CALM, stall_ms=70.0, where="store.py:110 commit < writer.py:300 _try")
    samples = [*SAMPLES[:50], stalled, replace(CALM, stall_ms=60.0, where="elsewhere")]
    [verdict] = [verdict for verdict in judged(samples, PLAN) if verdict.name == "the loop never stands"]
    assert verdict.found == "70 ms (9 ms with waiting for a core), in store.py:110 commit"


def test_a_run_without_a_fault_proves_nothing() -> None:
    assert bad([replace(sample, failures=0.0) for sample in SAMPLES]) == {"faults were met"}


# ---- books -----------------------------------------------------------------------------------------------------------


class Page:
    """Numbers as an exporter shows them."""

    def __init__(self, counted: Mapping[str, Any]) -> None:
        self._counted = counted

    def by(self, label: str, name: str, **labels: str) -> dict[str, float]:
        assert labels == {"account": "one"}
        return dict(self._counted.get(name, {}))

    def sum(self, name: str, **labels: str) -> float:
        return sum(self.by("", name, **labels).values())


BOOKS = {
    "outcomes": {"completed": 8, "failed": 2, "cancelled": 0},
    "error_codes": {"too_hot": 2},
    "outputs": {"video": 8},
    "credits_used_by_status": {"completed": 12.34},
}
COUNTED = {
    "bytespike_tasks_followed_total": {"": 10.0},
    "bytespike_tasks_finished_total": {"completed": 8.0, "failed": 2.0},
    "bytespike_tasks_duration_seconds_count": {"completed": 8.0, "failed": 2.0},
    "bytespike_tasks_failed_total": {"too_hot": 2.0},
    "bytespike_tasks_outputs_total": {"video": 8.0},
    "bytespike_tasks_credits_used_total": {"completed": 12.340000001},
}


def test_equal_books_have_no_difference() -> None:
    assert list(differences(Page(COUNTED), BOOKS, account="one")) == []


@pytest.mark.parametrize("name", COUNTED)
def test_each_number_is_compared(name: str) -> None:
    key, value = next(iter(COUNTED[name].items()))
    wrong = COUNTED | {name: COUNTED[name] | {key: value + 1}}
    [difference] = differences(Page(wrong), BOOKS, account="one")
    assert f"counted {value + 1:g}, in the books {value:g}" in difference


def test_what_only_one_side_has_is_a_difference() -> None:
    fewer = {name: values for name, values in COUNTED.items() if name != "bytespike_tasks_failed_total"}
    assert list(differences(Page(fewer), BOOKS, account="one")) == [
        "one: error codes too_hot: counted 0, in the books 2"
    ]


# ---- the plan --------------------------------------------------------------------------------------------------------


def test_each_account_meets_each_fault() -> None:
    plan = Plan()
    met = list(plan.faults())
    assert {(account, fault.name) for _, account, fault in met} == {
        (account, fault.name) for account in range(plan.accounts) for fault in FAULTS
    }
    assert all(0 < at < plan.seconds for at, _, _ in met)


@given(st.floats(10, 7200), st.floats(10, 2000))
def test_a_plan_of_any_length_ends_what_it_begins(seconds: float, rate: float) -> None:
    plan = Plan(seconds, rate)
    assert 0 < plan.interval < plan.life
    assert all(at + plan.fault_seconds <= seconds for at, _, _ in islice(plan.faults(), 1000))
    assert plan.allowed * plan.accounts > rate
    assert plan.retention + plan.lingering + plan.life < max(seconds / 10, 0.5 * seconds)


@pytest.mark.parametrize("seconds", [8.0, 95.0, 480.0, 3600.0])
def test_most_samples_are_undisturbed(seconds: float) -> None:
    plan = Plan(seconds)
    assert plan.turn / plan.sampled_every >= 6
    faults = [(at, at + plan.fault_seconds) for at, _, _ in plan.faults()]
    samples = [number * plan.sampled_every for number in range(1, int(seconds / plan.sampled_every))]
    disturbed = [at for at in samples if any(at - plan.sampled_every < end and at >= begin for begin, end in faults)]
    assert len(disturbed) < 0.6 * len(samples)


def test_an_hour_is_flat_after_a_tenth() -> None:
    plan = Plan()
    assert 1.5 * plan.life + plan.lingering + plan.retention < plan.seconds / 10


# ---- the real program ------------------------------------------------------------------------------------------------


@pytest.mark.e2e
@pytest.mark.long
def test_a_short_soak_ends_with_equal_books(tmp_path: Path) -> None:
    kept = tmp_path / "soak.json"
    main(["--seconds", "8", "--rate", "40", "--json", str(kept)])
    record = Record.read(kept)
    good = {verdict.name: verdict.is_good for verdict in record.verdicts}
    # how much it holds and how fast it is says nothing after so short a time, beside other tests
    for name in ("the books are equal", "no counter went down", "it ended well"):
        assert good[name], record.verdicts
    assert record.samples[-1].finished > 0
    assert max(sample.late_ms for sample in record.samples) > 0, "the loop was watched"
