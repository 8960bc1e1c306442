"""What is remembered of snapshots: the numbers of a reading, samples in a ring, gaps and restarts of either clock."""

import gc
import tracemalloc

import pytest

from exporter.accounting.series import Increments, labels_of
from exporter.metrics.families import tasks
from exporter.metrics.history import Answering, History, Recent, answering_of
from exporter.metrics.readings import BOUNDS, Asked, Ended, Open, added, quantile, read
from exporter.metrics.snapshot import AccountView
from exporter.tasks.item import TaskLabels
from exporter.tasks.observation import Status
from tests.support.fake_exporter import NOW
from tests.support.past import RENDERS, STILLS, Past


def test_a_reading_tells_apart_what_is_not_known_of_open_tasks_and_leaves_out_the_ended() -> None:
    past = Past()
    past.counts = {
        (RENDERS, Status.PENDING): 1,
        (RENDERS, Status.RUNNING): 2,
        (RENDERS, Status.UNOBSERVED): 4,
        (RENDERS, Status.UNKNOWN): 8,
        (RENDERS, Status.COMPLETED): 16,
    }
    assert read(past.snapshot()).groups == {"renders": Open(known=3, unobserved=4, unknown=8)}


def test_a_reading_adds_up_label_sets_and_leaves_out_what_is_not_configured() -> None:
    past = Past(RENDERS, STILLS)
    past.end("completed", 2, seconds=40)
    past.end("completed", 1, TaskLabels("main", "renders", "veo", (("team", "x"),)), seconds=40)
    past.end("cancelled", 5)
    past.end("completed", 50, TaskLabels("gone", "renders", "sora-2"), seconds=40)
    past.end("completed", 50, TaskLabels("main", "gone", "sora-2"), seconds=40)
    ended = read(past.snapshot()).ended
    assert (ended["renders"].completed, ended["renders"].other, sum(ended["renders"].durations)) == (3, 5, 3)
    assert ended["stills"].all == 0


def test_a_sample_holds_what_has_ended_since_the_one_before_and_the_first_cannot_tell() -> None:
    past = Past()
    past.end("completed", 1000)
    past.sample()
    past.end("completed", 2, seconds=40)
    past.end("failed", 1)
    past.sample()
    past.sample()
    first, second, third = past.ended()
    assert first is None
    assert second is not None
    assert (second.completed, second.failed, quantile(0.5, second.durations)) == (2, 1, 37.5)
    assert third == Ended()
    assert [sample.seconds for sample in past.recent.samples] == [0, 30, 30]


def test_what_is_counted_of_a_group_before_it_comes_back_has_not_happened_now() -> None:
    past = Past(RENDERS)
    past.end("completed", 500, STILLS)
    past.sample()
    past.known = (RENDERS, STILLS)
    past.sample()
    past.end("completed", 1, STILLS)
    past.sample()
    totals = [sample.total.ended for sample in past.recent.samples]
    assert [ended and ended.completed for ended in totals] == [None, 0, 1]


def test_a_group_that_moves_to_another_account_has_no_past_there() -> None:
    past = Past(RENDERS)
    moved = TaskLabels("other", "renders", "sora-2")
    past.end("completed", 500, moved)
    past.sample()
    past.known = (moved,)
    past.sample()
    assert past.ended()[-1] is None


def test_a_total_that_is_lower_is_no_negative_number() -> None:
    past = Past()
    past.end("completed", 10, seconds=40)
    past.sample()
    past.totals = Increments()
    past.end("completed", 3, seconds=40)
    past.sample()
    assert past.ended()[-1] == Ended()


def test_no_number_that_is_not_finite_gets_in() -> None:
    past = Past()
    past.sample()
    labels = labels_of(account="main", group="renders", model="sora-2", status="completed")
    past.totals.count(tasks.CREDITS_USED.name, labels, float("inf"))
    past.sample()
    past.totals.count(tasks.CREDITS_USED.name, labels, float("nan"))
    past.sample()
    assert [ended and ended.credits for ended in past.ended()] == [None, 0, 0]


def test_an_hour_is_remembered_and_no_more() -> None:
    past = Past()
    for _ in range(500):
        past.sample()
    slots = [sample.slot for sample in past.recent.samples]
    assert slots == list(range(slots[0], slots[0] + 121))
    assert past.recent.age == 3600


def test_where_nothing_was_sampled_there_is_a_gap() -> None:
    past = Past()
    past.sample()
    past.sample(seconds=900)
    assert [sample.slot for sample in past.recent.samples] == [0, 30]
    assert past.recent.samples[-1].seconds == 900


@pytest.mark.parametrize("wall", [-7200, 7200])
def test_a_wall_clock_that_steps_moves_nothing(wall: float) -> None:
    past = Past()
    past.sample()
    past.sample(wall=wall)
    past.sample()
    assert [(sample.slot, sample.seconds) for sample in past.recent.samples] == [(0, 0), (1, 30), (2, 30)]


def test_samples_that_are_a_little_late_leave_no_gap() -> None:
    past = Past()
    for late in (0, 14, -14, 3) * 10:
        past.sample(seconds=30 + late)
    slots = [sample.slot for sample in past.recent.samples]
    assert slots == list(range(40))


def test_time_goes_on_without_samples() -> None:
    past = Past()
    past.sample()
    later = past.history.recent(now=past.steady + 600)
    assert (later.slot, later.age) == (20, 600)
    gone = past.history.recent(now=past.steady + 9000)
    assert gone.samples == ()


def test_without_a_sample_nothing_is_told() -> None:
    assert History().recent(now=0.0) == Recent()


UP = AccountView("a", up=True, last_success_at=NOW)
DOWN = AccountView("a", last_success_at=NOW)


@pytest.mark.parametrize(
    ("view", "asked", "is_idle", "answering"),
    [
        (UP, Asked(10, 0), False, Answering.UP),
        (UP, None, False, Answering.UP),
        (UP, Asked(0, 0), False, Answering.UP),  # between two polls that are far apart
        (UP, Asked(0, 0), True, Answering.IDLE),
        (UP, Asked(10, 0), True, Answering.UP),  # the last task has just ended
        (UP, Asked(10, 1), False, Answering.PARTLY),
        (DOWN, Asked(10, 9), False, Answering.PARTLY),
        (DOWN, Asked(10, 10), False, Answering.DOWN),
        (DOWN, Asked(0, 0), False, Answering.DOWN),
        (AccountView("a"), Asked(0, 0), False, Answering.UNKNOWN),
        (AccountView("a"), Asked(1, 1), False, Answering.DOWN),
        (AccountView("a", suspended="server"), Asked(0, 0), True, Answering.SUSPENDED),
    ],
)
def test_whether_an_account_answers(
    view: AccountView, asked: Asked | None, is_idle: bool, answering: Answering
) -> None:
    assert answering_of(view, asked, is_idle=is_idle) is answering


def test_nothing_is_learnt_only_where_no_account_answers_that_has_tasks() -> None:
    past = Past(RENDERS, STILLS)
    past.counts = {(RENDERS, Status.RUNNING): 1, (STILLS, Status.RUNNING): 1}
    down = AccountView("main", last_success_at=NOW, oldest_due_at=NOW)
    past.accounts = (down, AccountView("other", up=True))
    past.sample()
    past.counts[STILLS, Status.RUNNING] = 0
    past.sample()
    past.counts.clear()
    past.sample()
    assert [sample.is_blind for sample in past.recent.samples] == [False, True, False]
    assert [sample.waited for sample in past.recent.samples] == [30, 60, 90]


def test_requests_are_those_since_the_sample_before() -> None:
    past = Past()
    past.ask(100, 50)
    past.sample()
    past.ask(10, 2)
    past.sample()
    assert [sample.accounts["main"].asked for sample in past.recent.samples] == [None, Asked(10, 2)]


def test_groups_beyond_the_limit_are_in_the_total_alone_and_their_accounts_are_kept_with_those_drawn() -> None:
    known = [TaskLabels(f"a{number}", f"g{number}") for number in range(9)]
    past = Past(*known[::-1], history=History(most=2))
    past.accounts = tuple(AccountView(f"a{number}", up=True) for number in range(9))
    past.counts = dict.fromkeys(((labels, Status.RUNNING) for labels in known), 1)
    past.sample()
    [sample] = past.recent.samples
    assert (list(sample.groups), list(sample.accounts)) == (["g8", "g7"], ["a0", "a1", "a7", "a8"])
    assert sample.total.open == Open(known=9)


@pytest.mark.slow
def test_memory_is_bounded_by_groups_and_samples() -> None:
    def size(samples: int, groups: int) -> int:
        known = [TaskLabels("main", f"g{number}", "sora-2") for number in range(groups)]
        past = Past(*known)
        for labels in known:
            past.end("completed", 0, labels)
        tracemalloc.start()
        try:
            for number in range(samples):
                for at, labels in enumerate(known):
                    past.end("completed", (number + at) % 7 + 1, labels, seconds=40)
                past.sample()
            gc.collect()
            return tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()

    full = size(130, 50)
    assert size(260, 50) < full * 1.4, "a second hour takes the place of the first"
    assert full < 6_000_000


@pytest.mark.parametrize(
    ("counts", "median"),
    [
        ({}, None),
        ({30: 1}, 25),
        ({30: 2, 60: 2}, 30),
        ({30: 1, 60: 3}, 50),
        ({float("inf"): 4}, 7200),
    ],
)
def test_the_median_is_as_prometheus_has_it(counts: dict[float, float], median: float | None) -> None:
    found = quantile(0.5, tuple(counts.get(bound, 0.0) for bound in BOUNDS))
    assert found == (None if median is None else pytest.approx(median))


def test_parts_without_durations_add_nothing_to_those_that_have_some() -> None:
    durations = (1.0,) * len(BOUNDS)
    total = added([Ended(completed=1), Ended(completed=2, credits=0.5, durations=durations), Ended(failed=1)])
    assert total == Ended(completed=3, failed=1, credits=0.5, durations=durations)
