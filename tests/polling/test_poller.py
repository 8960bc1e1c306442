"""The loop, on a clock that a test moves, before an account whose answers a test gives."""

import asyncio
from collections.abc import Coroutine
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from exporter.dispatcher.answer import Answer, Blame, DispatcherError, Reason
from exporter.polling.poller import LEAVE_SECONDS, PROBE_PATIENCE, Miss, Outlook
from exporter.settings.model import PollSettings
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.state import begin
from exporter.tasks.tracker import Change
from tests.polling.conftest import Rig
from tests.support.scripted_account import RUNNING, blaming

LABELS = TaskLabels("a", "g")
COMPLETED = Answer(Observation(Status.COMPLETED))
UNKNOWN_TASK = Answer(None)
BAD = DispatcherError(Reason.BAD_RESPONSE, "garbage")


def by_id(task_id: str) -> Item:
    return Item(TaskRef("a", task_id), LABELS)


def by_out_id(out_task_id: str) -> Item:
    return Item(TaskRef("a", None, out_task_id), LABELS)


async def test_a_task_is_polled_at_its_cadence_until_it_ends(rig: Rig) -> None:
    rig.account.answers["t"] = [
        RUNNING,
        Answer(Observation(Status.RUNNING, estimated_seconds=60)),
        COMPLETED,
    ]
    await rig.follow(by_id("t"))
    await rig.clock.advance(100.0)

    assert rig.account.times() == [1.0, 6.0, 16.0], "0.2 of an interval, then 30/6 s, then 60/6 s, then no more"
    assert rig.statuses() == [Status.RUNNING, Status.RUNNING, Status.COMPLETED]
    assert rig.poller.tasks == 0
    assert rig.poller.oldest_due is None


async def test_no_more_requests_at_once_than_are_admitted_and_the_lag_shows(rig: Rig) -> None:
    rig.account.takes_usually = 3.0
    await rig.follow(*(by_id(f"t{i}") for i in range(6)))
    await rig.clock.advance(4.0)

    assert rig.account.times() == [1.0, 1.0, 4.0, 4.0]
    assert rig.lags == [0.0, 0.0, 3.0, 3.0]
    assert rig.poller.tasks_due == 2
    assert rig.clock.monotonic() - (rig.poller.oldest_due or 0.0) == 3.0
    assert rig.poller.latency == 3.0


async def test_while_the_account_is_not_ours_nothing_is_asked_and_then_what_is_due(rig: Rig) -> None:
    rig.is_owned = False
    await rig.follow(by_id("t1"), by_id("t2"))
    await rig.clock.advance(20.0)
    assert rig.account.asked == []
    assert rig.poller.tasks_due == 2

    rig.is_owned = True
    await rig.clock.advance(2 * LEAVE_SECONDS)
    assert len(rig.account.asked) == 2


async def test_what_is_lost_while_a_permit_is_waited_for_is_not_asked(rig: Rig) -> None:
    rig.account.takes_usually = 10.0
    await rig.follow(*(by_id(f"t{number}") for number in range(3)))
    await rig.clock.advance(2.0)
    assert len(rig.account.asked) == 2, "both slots are taken, and the third task waits for one"

    rig.is_owned = False
    await rig.clock.advance(60.0)
    assert len(rig.account.asked) == 2

    rig.is_owned = True
    await rig.clock.advance(2 * LEAVE_SECONDS)
    assert len(rig.account.asked) == 4


async def test_a_task_is_never_asked_about_twice_at_once(rig: Rig) -> None:
    rig.account.takes_usually = 30.0
    await rig.follow(by_id("t"))
    await rig.clock.advance(2.0)
    await rig.follow()
    await rig.follow(by_id("t"))
    await rig.clock.advance(60.0)

    assert len(rig.account.asked) == 2
    assert rig.account.unused > 0, "its turn came while the first request was out"


async def test_a_dropped_task_is_not_polled_and_its_answer_not_taken(rig: Rig) -> None:
    rig.account.takes_usually = 5.0
    await rig.follow(by_id("t1"), by_id("t2"))
    await rig.clock.advance(2.0)
    await rig.follow()
    await rig.clock.advance(100.0)

    assert (len(rig.account.asked), rig.answered, rig.poller.tasks) == (2, [], 0)


async def test_a_task_that_was_dropped_while_its_permit_was_waited_for_leaves_it_unused(rig: Rig) -> None:
    rig.account.max_in_flight = 3  # so that one worker waits for a permit
    rig.poller.restaff()
    rig.account.takes_usually = 50.0
    await rig.follow(by_id("t1"), by_id("t2"), by_id("t3"))
    await rig.clock.advance(2.0)
    await rig.follow(by_id("t1"), by_id("t2"))
    await rig.clock.advance(50.0)

    assert rig.account.unused == 1


async def test_both_names_of_a_task_are_polled_as_one_once_it_is_known(rig: Rig) -> None:
    both = Answer(Observation(Status.RUNNING, task_id="t", out_task_id="x"))
    rig.account.answers |= {"t": [both], "x": [both]}
    await rig.follow(by_id("t"), by_out_id("x"))
    await rig.clock.advance(21.5)

    assert rig.account.times() == [1.0, 1.0, 6.0, 11.0, 16.0, 21.0]
    assert rig.poller.tasks == 1


async def test_failures_that_are_the_accounts_do_not_slow_a_task(rig: Rig) -> None:
    rig.account.answers["t"] = [blaming(Blame.ACCOUNT, DispatcherError(Reason.SERVER, "no")), RUNNING]
    await rig.follow(by_id("t"))
    await rig.clock.advance(12.0)

    assert rig.account.times() == [1.0, 6.0, 11.0]


async def test_a_tasks_own_failures_slow_it_until_it_answers(rig: Rig) -> None:
    rig.account.answers["t"] = [BAD, BAD, RUNNING]
    await rig.follow(by_id("t"))
    await rig.clock.advance(40.0)

    assert rig.account.times() == [1.0, 11.0, 31.0, 36.0]


async def test_how_the_polling_of_a_task_goes_on(rig: Rig) -> None:
    rig.account.answers["t"] = [BAD, RUNNING]
    rig.account.takes_usually = 2.0
    assert rig.poller.outlook(0) == Outlook(None), "nobody follows it"
    await rig.follow(by_id("t"))
    assert rig.poller.outlook(0) == Outlook(due_in=1.0)
    await rig.clock.advance(2.0)
    assert rig.poller.outlook(0) == Outlook(None, is_asked=True)
    await rig.clock.advance(1.0)
    miss = Miss(rig.clock.wall(), str(BAD))
    assert rig.poller.outlook(0) == Outlook(due_in=10.0, failures=1, last_miss=miss)
    await rig.clock.advance(12.0)
    assert rig.poller.outlook(0) == Outlook(due_in=5.0), "it was answered"


@pytest.mark.parametrize("poll", [PollSettings(min_interval=0.1, max_interval=1.0, default_eta=1.0)], ids=["eager"])
async def test_a_task_that_always_fails_is_asked_about_at_most_twenty_times_a_minute(rig: Rig) -> None:
    rig.account.answers["t"] = [BAD]
    await rig.follow(by_id("t"))
    await rig.clock.advance(300.0)

    times = rig.account.times()
    assert max(sum(at <= time < at + 60 for time in times) for at in times) <= 20
    assert times[-1] > 200, "but it is asked about again and again"


async def test_failing_tasks_that_hang_leave_the_other_slots_to_the_rest(rig: Rig) -> None:
    hanging = [f"bad{i}" for i in range(6)]
    for name in hanging:
        rig.account.answers[name] = [BAD]
        rig.account.takes[name] = 10.0
    await rig.follow(*map(by_id, hanging))
    await rig.clock.advance(60.0)
    await rig.follow(*map(by_id, [*hanging, "t"]))
    await rig.clock.advance(60.0)

    gaps = [later - earlier for earlier, later in pairwise(rig.account.times("t"))]
    assert len(gaps) >= 9
    assert max(gaps) <= 5.0, "it has its turn whenever it is due"
    assert {name for _, name in rig.account.asked} == {*hanging, "t"}


async def test_a_probe_is_of_a_task_that_was_answered_well_lately(rig: Rig) -> None:
    rig.account.answers |= {f"bad{i}": [BAD] for i in range(5)}
    await rig.follow(by_id("t"), *(by_id(f"bad{i}") for i in range(5)))
    await rig.clock.advance(3.5)
    rig.account.is_suspected = True
    rig.account.asked.clear()
    await rig.clock.advance(9.0)

    assert {name for _, name in rig.account.asked} == {"t"}
    gaps = [later - earlier for earlier, later in pairwise(rig.account.times())]
    assert min(gaps, default=2.0) >= 2.0, "a probe comes early, but never before min_interval"


async def test_where_none_was_answered_well_the_probe_is_of_whichever_is_due(rig: Rig) -> None:
    rig.account.is_suspected = True
    await rig.follow(by_id("t1"))
    await rig.clock.advance(1.5)

    assert rig.account.asked == [(1.0, "t1")]


async def test_a_probe_does_not_wait_long_for_a_task_that_is_seldom_asked_about(rig: Rig) -> None:
    rig.polls["slow"] = PollSettings(min_interval=300.0, max_interval=600.0)
    await rig.follow(Item(TaskRef("a", "slow"), TaskLabels("a", "slow")))
    await rig.clock.advance(100.0)
    rig.account.is_suspected = True
    await rig.intake.replace({"other": [by_id("new")]}, {})
    await rig.clock.advance(1.0 + PROBE_PATIENCE)

    assert rig.account.times("new")


async def test_a_probe_takes_the_answered_task_that_may_be_asked_about_first(rig: Rig) -> None:
    rig.polls["slow"] = PollSettings(min_interval=300.0, max_interval=600.0)
    await rig.follow(Item(TaskRef("a", "slow"), TaskLabels("a", "slow")), by_id("quick"))
    await rig.clock.advance(62.0)
    rig.account.is_suspected = True
    rig.account.asked.clear()
    await rig.clock.advance(10.0)

    assert rig.account.times("quick"), "it was answered after the slow one, and may be asked about again before it"


async def test_a_fault_of_our_own_does_not_make_a_probe_wait_for_ever(rig: Rig) -> None:
    rig.account.answers["t"] = [RUNNING, RuntimeError("a bug")]
    await rig.follow(by_id("t"))
    await rig.clock.advance(7.0)
    rig.account.is_suspected = True
    await rig.follow(by_id("t"), by_id("new"))
    await rig.clock.advance(20.0)

    assert rig.account.times("new")


async def test_after_a_restart_a_probe_is_of_a_task_that_was_answered_before_it(rig: Rig) -> None:
    now = rig.clock.wall()
    known = replace(begin(by_id("known"), now=now - 60.0), status=Status.RUNNING, observed_at=now - 30.0)
    rig.account.is_suspected = True
    rig.account.answer = blaming(Blame.ACCOUNT, DispatcherError(Reason.SERVER, "no"))
    await rig.intake.replace({"s": [by_id("new1"), by_id("new2"), by_id("known")]}, {known.ref: known})
    await rig.clock.advance(3.0)

    assert rig.account.asked[0][1] == "known"


async def test_with_one_slot_failing_tasks_that_hang_leave_it_to_the_rest_most_of_the_time(rig: Rig) -> None:
    rig.account.max_in_flight = 1
    hanging = [f"bad{i}" for i in range(20)]
    rig.account.answers |= {name: [BAD] for name in hanging}
    rig.account.takes |= dict.fromkeys(hanging, 10.0)
    await rig.follow(by_id("t"), *map(by_id, hanging))
    await rig.clock.advance(300.0)  # each is asked about for the first time
    rig.account.asked.clear()
    await rig.clock.advance(400.0)

    gaps = [later - earlier for earlier, later in pairwise(rig.account.times("t"))]
    assert max(gaps) <= 15.0, "it waits for one of them at most"
    assert sum(gap > 5.0 for gap in gaps) <= 10, "and for a quarter of the time"
    assert any(rig.account.times(name) for name in hanging), "they are asked about, too"


async def test_a_probe_that_fails_is_followed_by_one_of_another_task(rig: Rig) -> None:
    await rig.follow(by_id("t1"), by_id("t2"))
    await rig.clock.advance(2.0)
    rig.account.is_suspected = True
    rig.account.answer = blaming(Blame.ACCOUNT, DispatcherError(Reason.CONNECT, "no"))
    await rig.clock.advance(4.5)

    assert {name for _, name in rig.account.asked[2:4]} == {"t1", "t2"}


async def test_a_task_nobody_knows_ends_after_three_404s(rig: Rig) -> None:
    rig.account.answers["t"] = [UNKNOWN_TASK]
    await rig.follow(by_id("t"))
    await rig.clock.advance(60.0)

    assert len(rig.account.asked) == 3
    assert rig.answered[-1].task.state.status is Status.NOT_FOUND


@pytest.mark.parametrize("fault", [RuntimeError("a bug"), KeyError("another")])
async def test_a_fault_of_our_own_is_logged_and_the_task_slowed_like_one_that_fails(rig: Rig, fault: Exception) -> None:
    rig.account.answers["t"] = [fault]
    await rig.follow(by_id("t"))
    await rig.clock.advance(32.0)

    assert rig.account.times() == [1.0, 11.0, 31.0]
    assert rig.events() == ["poller_fault"] * 3


async def test_whoever_cannot_take_a_change_does_not_keep_it_from_the_others(rig: Rig) -> None:
    def faulty(change: Change) -> None:
        raise RuntimeError("a bug")

    rig.intake.subscribe(faulty)
    await rig.follow(by_id("t"))
    await rig.clock.advance(12.0)

    assert rig.account.times() == [1.0, 6.0, 11.0]
    assert set(rig.events()) == {"change_not_taken"}


async def test_the_loop_outlives_a_fault_in_itself(rig: Rig) -> None:
    rig.account.fault = RuntimeError("a bug")
    await rig.follow(by_id("t"))
    await rig.clock.advance(3.0)

    assert rig.account.times() == [1.0], "another worker takes over at once"
    assert rig.events() == ["poller_fault"]


async def test_a_fault_while_the_next_task_is_chosen_costs_no_slot(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(number: int) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(rig.tracker, "name", faulty)
    await rig.follow(by_id("t"))
    await rig.clock.advance(1.5)

    assert (rig.events(), rig.account.taken) == (["poller_fault"], 0)


async def test_whoever_waits_for_the_next_task_is_not_woken_for_one_that_is_due_later(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, wait = list[float | None](), rig.clock.wait

    def counted(event: asyncio.Event, seconds: float | None) -> Coroutine[Any, Any, bool]:
        waits.append(seconds)
        return wait(event, seconds)

    rig.account.takes_usually = 0.5
    await rig.follow(by_id("t1"))
    await rig.clock.advance(1.2)  # it is being asked about
    await rig.follow(by_id("t1"), by_id("t2"))
    await rig.clock.settle()  # the other worker waits for what is due at 2.2
    monkeypatch.setattr(rig.clock, "wait", counted)
    await rig.clock.advance(0.8)  # and the first task is due again at 6.5

    assert (waits, rig.account.times()) == ([], [1.0])
    await rig.clock.advance(5.0)
    assert rig.account.times() == [1.0, 2.2, 6.5]


async def test_other_limits_are_other_workers(rig: Rig) -> None:
    rig.account.takes_usually = 50.0
    await rig.follow(*(by_id(f"t{i}") for i in range(6)))
    await rig.clock.advance(2.0)
    rig.account.max_in_flight = 4
    for _ in range(2):
        rig.account.add_slot()
    rig.poller.restaff()
    await rig.clock.advance(1.0)

    assert len(rig.account.under_way) == 4


async def test_it_has_tried_when_something_came_back_or_nothing_is_followed(rig: Rig) -> None:
    history = [rig.poller.has_tried]
    rig.account.answers["t"] = [DispatcherError(Reason.CONNECT, "refused")]
    await rig.follow(by_id("t"))
    history.append(rig.poller.has_tried)
    await rig.clock.advance(2.0)
    history.append(rig.poller.has_tried)

    assert history == [True, False, True]


async def test_stopping_lets_requests_come_back_until_the_deadline(rig: Rig) -> None:
    rig.account.takes_usually = 30.0
    await rig.follow(by_id("t"))
    await rig.clock.advance(2.0)
    rig.loop.cancel()

    await rig.poller.stop(deadline=0.01)

    assert rig.account.under_way == []


async def test_the_rate_asked_for_follows_the_tasks(rig: Rig) -> None:
    await rig.follow(*(by_id(f"t{i}") for i in range(10)))
    assert rig.poller.rate == pytest.approx(2.0), "ten tasks, each every 5 s"
    await rig.follow()
    assert rig.poller.rate == 0.0


async def test_what_was_answered_just_before_a_restart_is_left_alone_for_min_interval(rig: Rig) -> None:
    now = rig.clock.wall()
    known = {
        name: replace(begin(by_id(name), now=now - 60.0), status=Status.RUNNING, observed_at=observed_at)
        for name, observed_at in (("lately", now - 0.5), ("long ago", now - 30.0), ("by a skewed clock", now + 1e6))
    }
    await rig.intake.replace({"s": [by_id(name) for name in known]}, {state.ref: state for state in known.values()})
    await rig.clock.advance(3.0)

    first = dict(reversed([(name, at) for at, name in rig.account.asked]))
    assert first == {"lately": 1.5, "long ago": 1.0, "by a skewed clock": 2.0}, "each 5 s; never twice within 2 s"


async def test_a_hurried_task_is_asked_about_now_and_then_at_its_cadence(rig: Rig) -> None:
    rig.account.answers["t"] = [Answer(Observation(Status.RUNNING, estimated_seconds=600))]
    await rig.follow(by_id("t"))
    await rig.clock.advance(10.0)
    rig.poller.hurry(rig.number("t"))
    await rig.clock.advance(150.0)

    assert rig.account.times() == [1.0, 10.0, 110.0]
    assert rig.poller.tasks == 1


async def test_however_often_it_is_hurried_it_is_asked_about_once_in_min_interval(rig: Rig) -> None:
    rig.account.answers["t"] = [Answer(Observation(Status.RUNNING, estimated_seconds=600))]
    await rig.follow(by_id("t"))
    await rig.clock.advance(10.0)
    for _ in range(50):
        rig.poller.hurry(rig.number("t"))
        await rig.clock.advance(0.1)

    assert rig.account.times() == [1.0, 10.0, 12.0, 14.0]


async def test_min_interval_counts_from_when_a_hurried_task_was_asked_about_however_late_that_was(rig: Rig) -> None:
    running = Answer(Observation(Status.RUNNING, estimated_seconds=600))
    rig.account.answers |= {"t": [running], "slow": [running]}
    rig.account.max_in_flight = 1
    await rig.follow(by_id("t"), by_id("slow"))
    await rig.clock.advance(10.0)
    rig.account.takes["slow"] = 5.0
    rig.poller.hurry(rig.number("slow"))
    await rig.clock.advance(0.1)
    rig.poller.hurry(rig.number("t"))
    await rig.clock.advance(4.9)
    for _ in range(40):
        rig.poller.hurry(rig.number("t"))
        await rig.clock.advance(0.1)

    times = rig.account.times("t")
    assert times[1] == pytest.approx(15.0)
    assert min(after - before for before, after in pairwise(times)) >= 2.0


async def test_news_that_comes_during_a_request_is_asked_about_after_it(rig: Rig) -> None:
    rig.account.answers["t"] = [Answer(Observation(Status.RUNNING, estimated_seconds=600)), COMPLETED]
    rig.account.takes_usually = 3.0
    await rig.follow(by_id("t"))
    await rig.clock.advance(2.0)
    for _ in range(3):
        rig.poller.hurry(rig.number("t"))
    await rig.clock.advance(10.0)

    assert rig.account.times() == [1.0, 4.0]
    assert rig.poller.tasks == 0


async def test_hurrying_what_is_not_polled_does_nothing(rig: Rig) -> None:
    rig.account.answers["t"] = [COMPLETED]
    await rig.follow(by_id("t"))
    await rig.clock.advance(5.0)
    ended = rig.number("t")
    rig.poller.hurry(ended)
    await rig.follow()
    rig.poller.hurry(ended)
    await rig.clock.advance(100.0)

    assert rig.account.times() == [1.0]
