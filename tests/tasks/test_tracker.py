import pytest

from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.state import begin, observe
from exporter.tasks.task import Rules, Task
from exporter.tasks.tracker import Tracker

T0 = 1_780_000_000.0
ONE = TaskLabels("a", "one", "sora-2")
TWO = TaskLabels("a", "two")


def by_id(task_id: str, labels: TaskLabels = ONE) -> Item:
    return Item(TaskRef("a", task_id), labels)


def by_out_id(out_task_id: str, labels: TaskLabels = ONE) -> Item:
    return Item(TaskRef("a", None, out_task_id), labels)


def seen(
    status: Status, task_id: str = "t", out: str | None = "x", *, eta: float | None = None, cost: float | None = None
) -> Observation:
    return Observation(status, task_id=task_id, out_task_id=out, estimated_seconds=eta, estimated_credits=cost)


def tracker_of(*lists: tuple[str, list[Item]], rules: Rules = Rules()) -> tuple[Tracker, list[Task]]:  # noqa: B008
    tracker = Tracker(rules)
    change = tracker.assign(dict(lists), now=T0)
    return tracker, list(change.followed)


def counts(tracker: Tracker, now: float = T0) -> dict[tuple[str, str], int]:
    return {(labels.group, str(status)): n for (labels, status), n in tracker.census(now=now).counts.items()}


def test_a_task_is_counted_in_the_state_last_observed() -> None:
    tracker, (task,) = tracker_of(("s", [by_id("t")]))
    history = [counts(tracker)]
    for status in (Status.PENDING, Status.RUNNING, Status.UNKNOWN, Status.COMPLETED):
        tracker.observe(task, seen(status), now=T0 + 1)
        history.append(counts(tracker))

    assert history == [{("one", s): 1} for s in ("unknown", "pending", "running", "unknown", "completed")]


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
@pytest.mark.parametrize("answered", [0, 1])
def test_a_task_under_both_its_names_becomes_one_whichever_answers_first(order: list[int], answered: int) -> None:
    items = [by_id("t"), by_out_id("x", TWO)]
    tracker, tasks = tracker_of(*((f"s{i}", [items[i]]) for i in order))
    first_group = items[order[0]].labels.group
    assert len(tracker) == 2

    transition = tracker.observe(tasks[answered], seen(Status.RUNNING), now=T0 + 1)

    assert transition is not None
    assert transition.task is tasks[0]
    assert transition.absorbed is tasks[1]
    assert transition.is_news
    assert transition.state.ref == TaskRef("a", "t", "x")
    assert counts(tracker) == {(first_group, "running"): 1}
    assert tracker.census(now=T0).duplicates == 1


def test_the_answer_to_an_absorbed_name_reaches_the_one_task() -> None:
    tracker, (task, other) = tracker_of(("s", [by_id("t"), by_out_id("x")]))
    tracker.observe(task, seen(Status.RUNNING), now=T0 + 1)

    late = tracker.observe(other, seen(Status.COMPLETED), now=T0 + 2)

    assert late is not None
    assert late.task is task
    assert late.outcome is not None
    again = tracker.observe(task, seen(Status.COMPLETED), now=T0 + 3)
    assert again is not None
    assert again.outcome is None


def test_one_out_task_id_used_for_two_tasks_keeps_them_apart() -> None:
    tracker, (one, two) = tracker_of(("s", [by_id("t1"), by_id("t2")]))
    tracker.observe(one, seen(Status.RUNNING, "t1"), now=T0)
    tracker.observe(two, seen(Status.RUNNING, "t2"), now=T0)

    assert len(tracker) == 2


def test_the_first_source_holds_until_it_drops_the_task() -> None:
    tracker, (task,) = tracker_of(("s1", [by_id("t", ONE)]), ("s2", [by_id("t", TWO)]))
    assert (task.labels, tracker.census(now=T0).duplicates) == (ONE, 1)

    change = tracker.assign({"s1": []}, now=T0)
    assert (change.dropped, task.labels, counts(tracker)) == ((), TWO, {("two", "unknown"): 1})
    assert tracker.census(now=T0).duplicates == 0

    change = tracker.assign({"s2": []}, now=T0)
    assert (change.dropped, counts(tracker), len(tracker), tracker.sources) == ((task,), {}, 0, frozenset())


def test_a_task_that_moves_between_sources_is_not_forgotten() -> None:
    tracker, (task,) = tracker_of(("s1", [by_id("t", ONE)]))
    tracker.observe(task, seen(Status.RUNNING), now=T0)

    change = tracker.assign({"s1": [], "s2": [by_id("t", TWO)]}, now=T0)

    assert (change.followed, change.dropped) == ((), ())
    assert counts(tracker) == {("two", "running"): 1}


def test_new_labels_move_the_count() -> None:
    tracker, _ = tracker_of(("s", [by_id("t", ONE)]))
    tracker.assign({"s": [by_id("t", TWO)]}, now=T0)

    assert counts(tracker) == {("two", "unknown"): 1}


def test_an_id_named_twice_by_one_source_is_one_claim() -> None:
    tracker, tasks = tracker_of(("s", [by_id("t", ONE), by_id("t", TWO)]))

    assert [task.labels for task in tasks] == [ONE]
    assert tracker.census(now=T0).duplicates == 0


def test_answers_about_a_dropped_task_are_not_taken() -> None:
    tracker, (task,) = tracker_of(("s", [by_id("t")]))
    tracker.assign({"s": []}, now=T0)

    assert tracker.observe(task, seen(Status.COMPLETED), now=T0) is None
    assert tracker.miss(task, now=T0) is None


def test_what_is_remembered_is_not_counted_again() -> None:
    ended = observe(begin(by_id("t"), now=T0), seen(Status.COMPLETED), now=T0 + 9).state
    tracker = Tracker(Rules())
    change = tracker.assign({"s": [by_id("t")]}, now=T0 + 10, remembered={TaskRef("a", "t"): ended})

    assert counts(tracker, T0 + 10) == {("one", "completed"): 1}
    transition = tracker.observe(change.followed[0], seen(Status.COMPLETED, "t", None), now=T0 + 11)
    assert transition is not None
    assert (transition.outcome, transition.is_news) == (None, False)


def test_a_memory_that_knows_both_names_joins_what_two_sources_name() -> None:
    known = observe(begin(by_id("t"), now=T0), seen(Status.RUNNING), now=T0).state.ref
    state = observe(begin(Item(TaskRef("a", "t", "x"), ONE), now=T0), seen(Status.RUNNING), now=T0).state
    tracker = Tracker(Rules())
    memory = {TaskRef("a", "t"): state, TaskRef("a", None, "x"): state}
    tracker.assign({"s1": [by_id("t")], "s2": [by_out_id("x")]}, now=T0, remembered=memory)

    assert (len(tracker), tracker.census(now=T0).duplicates, known.task_id) == (1, 1, "t")


def test_an_ended_task_leaves_the_gauges_after_the_retention() -> None:
    tracker, (task,) = tracker_of(("s", [by_id("t")]), rules=Rules(retention=100))
    tracker.observe(task, seen(Status.FAILED), now=T0)

    assert counts(tracker, T0 + 99) == {("one", "failed"): 1}
    assert counts(tracker, T0 + 101) == {}
    assert len(tracker) == 1, "it is known for as long as it is configured, so that it is not polled again"


def test_a_longer_retention_shows_ended_tasks_again() -> None:
    tracker, (task,) = tracker_of(("s", [by_id("t")]), rules=Rules(retention=100))
    tracker.observe(task, seen(Status.FAILED), now=T0)
    counts(tracker, T0 + 101)

    tracker.apply(Rules(retention=1000), now=T0 + 102)

    assert counts(tracker, T0 + 999) == {("one", "failed"): 1}
    assert counts(tracker, T0 + 1001) == {}


def test_a_retention_made_longer_before_it_ended_holds() -> None:
    tracker, (task,) = tracker_of(("s", [by_id("t")]), rules=Rules(retention=100))
    tracker.observe(task, seen(Status.FAILED), now=T0)

    tracker.apply(Rules(retention=1000), now=T0 + 50)

    assert [counts(tracker, T0 + at) for at in (150, 1001)] == [{("one", "failed"): 1}, {}]


def test_the_census_adds_up_open_tasks() -> None:
    rules = Rules(overdue_factor=3, default_eta={"one": 30.0})
    tracker, (old, young, unseen) = tracker_of(("s", [by_id("t1"), by_id("t2"), by_id("t3")]), rules=rules)
    tracker.observe(old, seen(Status.RUNNING, "t1", None, cost=1.5, eta=10), now=T0)
    tracker.observe(young, seen(Status.PENDING, "t2", None, cost=0.5), now=T0)

    at_31 = tracker.census(now=T0 + 31)
    at_91 = tracker.census(now=T0 + 91)

    assert at_31.outstanding_credits == {ONE: 2.0}
    assert at_31.overdue == {ONE: 1}
    assert at_91.overdue == {ONE: 2}, "a task of unknown ETA is held against the default, one never answered is not"
    assert at_31.oldest == {(ONE, Status.RUNNING): T0, (ONE, Status.PENDING): T0}
    assert unseen.state.observed_at is None


def test_listed_tasks_keep_their_places() -> None:
    tracker, tasks = tracker_of(("s", [by_id(f"t{i}") for i in range(5)]), rules=Rules(listed_limit=2, retention=50))

    def listed(now: float = T0) -> list[str | None]:
        return [state.ref.task_id for _, state in tracker.census(now=now).listed]

    before = listed()
    for task in tasks:
        tracker.observe(task, seen(Status.COMPLETED, task.state.ref.task_id or "", None), now=T0)

    assert before == listed() == ["t0", "t1"]
    assert tracker.census(now=T0).unlisted == 3
    tracker.assign({"s": [by_id(f"t{i}") for i in range(1, 5)]}, now=T0)
    assert listed() == ["t1", "t2"]


def test_no_listed_tasks_is_no_limit_reached() -> None:
    tracker, _ = tracker_of(("s", [by_id("t")]), rules=Rules(listed_limit=0))
    census = tracker.census(now=T0)

    assert (census.listed, census.unlisted) == ((), 0)


def test_404s_end_a_task_that_nobody_knows() -> None:
    tracker, (task,) = tracker_of(("s", [by_id("t")]), rules=Rules(not_found_grace=60))
    outcomes = [tracker.miss(task, now=T0 + after) for after in (1, 61, 62, 63)]

    assert [t.outcome.status if t and t.outcome else None for t in outcomes] == [None, None, None, Status.NOT_FOUND]
    assert counts(tracker) == {("one", "not_found"): 1}


def test_news_is_what_a_restart_would_have_to_know() -> None:
    tracker, (task,) = tracker_of(("s", [by_id("t")]))
    observations = [seen(Status.PENDING), seen(Status.PENDING), seen(Status.PENDING, eta=9)]
    transitions = [tracker.observe(task, observation, now=T0 + 1) for observation in observations]

    assert [t.is_news for t in transitions if t] == [True, False, True]


def test_a_source_may_ask_for_more_and_for_less() -> None:
    tracker, _ = tracker_of(("s", [by_id("t"), by_id("u")]), ("other", [by_id("v")]))
    more = tracker.amend("s", add=[by_id("u", TWO), by_id("v"), by_id("w")], now=T0 + 1)
    assert [str(task.state.ref) for task in more.followed] == ["w"]
    assert {str(ref) for ref in tracker.claimed("s")} == {"t", "u", "v", "w"}
    assert [task.labels.group for task in tracker] == ["one", "two", "one", "one"]

    refs = [by_id(name).ref for name in ("t", "v", "never", "t")]
    less = tracker.amend("s", drop=refs, now=T0 + 2)
    assert [str(task.state.ref) for task in less.dropped] == ["t"]
    assert tracker.claimed("nobody") == {}

    tracker.amend("s", drop=[by_id("u").ref, by_id("w").ref], now=T0 + 3)
    assert tracker.sources == {"other"}


def test_what_is_remembered_is_taken_up() -> None:
    tracker = Tracker(Rules())
    known = observe(begin(by_id("t"), now=T0), seen(Status.RUNNING), now=T0 + 1).state
    (task,) = tracker.amend("s", add=[by_id("t")], now=T0 + 9, remembered={by_id("t").ref: known}).followed
    assert task.state == known


def test_numbers_grow_and_history_is_bounded() -> None:
    tracker, (first, second) = tracker_of(("s", [by_id("t"), by_id("u")]))
    (third,) = tracker.amend("s", add=[by_id("v")], now=T0).followed
    assert first.number < second.number < third.number

    for at in range(50):
        tracker.observe(first, seen(Status.RUNNING if at % 2 else Status.PENDING), now=T0 + at)
        tracker.observe(first, seen(Status.RUNNING if at % 2 else Status.PENDING), now=T0 + at + 0.5)
    assert [turn.at for turn in first.history] == [T0 + at for at in range(34, 50)]
    assert [turn.status for turn in first.history[-2:]] == [Status.PENDING, Status.RUNNING]
