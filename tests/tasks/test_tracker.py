"""Which tasks are followed, and what answers and lists do to them."""

import gc
import weakref
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from ulid import ULID

from exporter.tasks.census import Rules
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.state import TaskState, begin, observe
from exporter.tasks.tracker import RETIRE_AT_ONCE, Change, ChangeKind, Tracker
from exporter.tasks.view import TaskView

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


class Lists:
    """A tracker whose sources hand over whole lists, as they do in life."""

    def __init__(self, *lists: tuple[str, list[Item]], rules: Rules = Rules()) -> None:  # noqa: B008
        self.tracker = Tracker(rules)
        self.first = self.assign(dict(lists))

    def assign(
        self, lists: Mapping[str, Sequence[Item]], *, now: float = T0, memory: Mapping[TaskRef, TaskState] | None = None
    ) -> list[Change]:
        tracker, known = self.tracker, memory or {}
        rounds = {source: tracker.begin_round() for source in lists}
        changes = [
            tracker.claim(source, item, now=now, round_=rounds[source], remembered=known.get(item.ref))
            for source, items in lists.items()
            for item in items
        ]
        changes += [
            tracker.release(source, ref, now=now)
            for source, round_ in rounds.items()
            for ref, named_in in tracker.claimed(source)
            if named_in < round_
        ]
        return [change for change in changes if change]

    def followed(self) -> list[TaskView]:
        return self.tracker.views(limit=1000)

    def view(self, ref: TaskRef) -> TaskView:
        view = self.tracker.find(ref)
        assert view is not None
        return view

    def observe(self, name: str, observation: Observation, *, now: float = T0) -> Change:
        """The answer to a query by ``task_id``; what it did to that task."""
        return self.tracker.observe(TaskRef("a", name), observation, now=now)[-1]

    def counts(self, now: float = T0) -> dict[tuple[str, str], int]:
        census = self.tracker.census(now=now)
        return {(labels.group, str(status)): n for (labels, status), n in census.counts.items()}


def kinds(changes: Sequence[Change]) -> list[tuple[str, str]]:
    return [(str(change.kind), str(change.task.state.ref)) for change in changes]


def test_a_task_is_counted_in_the_state_last_observed() -> None:
    lists = Lists(("s", [by_id("t")]))
    history = [lists.counts()]
    for status in (Status.PENDING, Status.RUNNING, Status.UNKNOWN, Status.COMPLETED):
        lists.observe("t", seen(status), now=T0 + 1)
        history.append(lists.counts())

    assert history == [{("one", s): 1} for s in ("unobserved", "pending", "running", "unknown", "completed")]


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
@pytest.mark.parametrize("answered", [0, 1])
def test_a_task_under_both_its_names_becomes_one_whichever_answers_first(order: list[int], answered: int) -> None:
    items = [by_id("t"), by_out_id("x", TWO)]
    lists = Lists(*((f"s{i}", [items[i]]) for i in order))
    first, second = lists.followed()

    merged, changed = lists.tracker.observe(items[answered].ref, seen(Status.RUNNING), now=T0 + 1)

    assert (merged.kind, merged.task.number) == (ChangeKind.MERGED, second.number)
    assert (changed.kind, changed.task.number, changed.is_news) == (ChangeKind.ANSWERED, first.number, True)
    assert changed.task.state.ref == TaskRef("a", "t", "x")
    assert lists.counts() == {(items[order[0]].labels.group, "running"): 1}
    assert lists.tracker.census(now=T0).duplicates == 1
    assert changed.task.sources == ("s0", "s1") if order == [0, 1] else ("s1", "s0")


def test_the_answer_to_an_absorbed_name_reaches_the_one_task() -> None:
    lists = Lists(("s", [by_id("t"), by_out_id("x")]))
    first, _ = lists.followed()
    lists.observe("t", seen(Status.RUNNING), now=T0 + 1)

    (late,) = lists.tracker.observe(TaskRef("a", None, "x"), seen(Status.COMPLETED), now=T0 + 2)

    assert late.task.number == first.number
    assert late.outcome is not None
    assert lists.observe("t", seen(Status.COMPLETED), now=T0 + 3).outcome is None


def test_a_twin_that_the_answer_ends_is_told_as_ended() -> None:
    """Whoever has it scheduled must not ask once more."""
    lists = Lists(("s", [by_out_id("x"), by_id("t")]))
    kept, absorbed = lists.followed()

    changes = lists.tracker.observe(TaskRef("a", "t"), seen(Status.COMPLETED), now=T0 + 1)

    assert [(change.kind, change.task.number) for change in changes] == [
        (ChangeKind.MERGED, absorbed.number),
        (ChangeKind.ANSWERED, kept.number),
    ]
    assert changes[1].task.state.is_terminal


def test_the_first_answer_on_a_task_is_told_once_whatever_it_is_called() -> None:
    lists = Lists(("s", [by_out_id("x"), by_id("t")]))
    twins = [lists.tracker.miss(TaskRef("a", "t"), now=T0 + 1)]
    twins += [
        lists.tracker.observe(ref, seen(status, "t", "x"), now=T0 + 2)
        for ref in (TaskRef("a", None, "x"), TaskRef("a", "t"))
        for status in (Status.UNKNOWN, Status.RUNNING, Status.COMPLETED)
    ]

    assert [change.is_first for changes in twins for change in changes].count(True) == 1
    assert [change.is_first for change in twins[1]] == [False, True], "the twin was absorbed, and told of nothing"


def test_a_task_that_is_given_up_is_told_of_first_then() -> None:
    lists = Lists(("s", [by_id("t")]), rules=Rules(not_found_grace=0.0))

    told = [lists.tracker.miss(TaskRef("a", "t"), now=T0 + second)[0].is_first for second in range(1, 5)]

    assert told == [False, False, True, False]


def test_what_was_answered_before_a_restart_is_not_told_of_first() -> None:
    lists = Lists()
    known = replace(begin(by_id("t"), now=T0), status=Status.PENDING, observed_at=T0, open_at=T0)
    lists.tracker.claim("s", by_id("t"), now=T0 + 1, remembered=known)

    assert not lists.tracker.observe(TaskRef("a", "t"), seen(Status.RUNNING), now=T0 + 2)[0].is_first


def test_one_out_task_id_used_for_two_tasks_keeps_them_apart() -> None:
    lists = Lists(("s", [by_id("t1"), by_id("t2")]))
    lists.observe("t1", seen(Status.RUNNING, "t1"))
    lists.observe("t2", seen(Status.RUNNING, "t2"))

    assert len(lists.tracker) == 2


def test_the_first_source_holds_until_it_drops_the_task() -> None:
    lists = Lists(("s1", [by_id("t", ONE)]), ("s2", [by_id("t", TWO)]))
    assert kinds(lists.first) == [("followed", "t"), ("named", "t")]
    (task,) = lists.followed()
    assert (task.labels, task.sources, lists.tracker.census(now=T0).duplicates) == (ONE, ("s1", "s2"), 1)

    assert lists.assign({"s1": []}) == []
    assert (lists.followed()[0].labels, lists.counts()) == (TWO, {("two", "unobserved"): 1})
    assert lists.tracker.census(now=T0).duplicates == 0

    (dropped,) = lists.assign({"s2": []})
    assert (dropped.kind, dropped.task.number, dropped.task.labels) == (ChangeKind.DROPPED, task.number, TWO)
    assert (lists.counts(), len(lists.tracker), lists.tracker.sources) == ({}, 0, frozenset())


def test_a_view_outlives_its_task() -> None:
    lists = Lists(("s", [by_id("t")]))
    (task,) = lists.followed()
    lists.assign({"s": []})

    assert (task.labels, task.sources, str(task.state.ref)) == (ONE, ("s",), "t")
    assert lists.tracker.view(task.number) is None


def test_a_task_that_moves_between_sources_is_not_forgotten() -> None:
    lists = Lists(("s1", [by_id("t", ONE)]))
    lists.observe("t", seen(Status.RUNNING))

    changes = lists.assign({"s1": [], "s2": [by_id("t", TWO)]})

    assert kinds(changes) == [("named", "t")]
    assert lists.counts() == {("two", "running"): 1}


def test_new_labels_move_the_count() -> None:
    lists = Lists(("s", [by_id("t", ONE)]))
    lists.assign({"s": [by_id("t", TWO)]})

    assert lists.counts() == {("two", "unobserved"): 1}


def test_an_id_named_twice_by_one_list_is_named_by_its_first_item() -> None:
    lists = Lists(("s", [by_id("t", ONE), by_id("t", TWO)]))

    assert [task.labels for task in lists.followed()] == [ONE]
    assert lists.tracker.census(now=T0).duplicates == 0
    lists.assign({"s": [by_id("t", TWO), by_id("t", ONE)]})
    assert [task.labels for task in lists.followed()] == [TWO]


def test_answers_about_a_dropped_task_are_not_taken() -> None:
    lists = Lists(("s", [by_id("t")]))
    lists.assign({"s": []})

    assert lists.tracker.observe(TaskRef("a", "t"), seen(Status.COMPLETED), now=T0) == []
    assert lists.tracker.miss(TaskRef("a", "t"), now=T0) == []


def test_what_is_remembered_is_not_counted_again() -> None:
    ended = observe(begin(by_id("t"), now=T0), seen(Status.COMPLETED), now=T0 + 9).state
    lists = Lists()
    (followed,) = lists.assign({"s": [by_id("t")]}, now=T0 + 10, memory={TaskRef("a", "t"): ended})

    assert (followed.is_news, followed.task.state.is_terminal) == (False, True)
    assert lists.counts(T0 + 10) == {("one", "completed"): 1}
    again = lists.observe("t", seen(Status.COMPLETED, "t", None), now=T0 + 11)
    assert (again.outcome, again.is_news) == (None, False)


def test_a_memory_that_knows_both_names_joins_what_two_sources_name() -> None:
    state = observe(begin(Item(TaskRef("a", "t", "x"), ONE), now=T0), seen(Status.RUNNING), now=T0).state
    lists = Lists()
    memory = {TaskRef("a", "t"): state, TaskRef("a", None, "x"): state}
    lists.assign({"s1": [by_id("t")], "s2": [by_out_id("x")]}, memory=memory)

    assert (len(lists.tracker), lists.tracker.census(now=T0).duplicates) == (1, 1)


def test_a_memory_of_its_end_ends_a_task_that_is_followed_under_its_other_name() -> None:
    ended = observe(begin(Item(TaskRef("a", "t", "x"), ONE), now=T0), seen(Status.FAILED), now=T0).state
    lists = Lists(("s1", [by_id("t")]))

    (named,) = lists.assign({"s2": [by_out_id("x")]}, memory={TaskRef("a", None, "x"): ended})

    assert (named.kind, named.task.state.is_terminal, named.outcome) == (ChangeKind.NAMED, True, None)
    assert lists.counts() == {("one", "failed"): 1}


def test_an_ended_task_leaves_the_gauges_after_the_retention() -> None:
    lists = Lists(("s", [by_id("t")]), rules=Rules(retention=100))
    lists.observe("t", seen(Status.FAILED))

    assert lists.counts(T0 + 99) == {("one", "failed"): 1}
    assert lists.counts(T0 + 101) == {}
    assert len(lists.tracker) == 1, "it is known for as long as it is configured, so that it is not polled again"


def test_a_shorter_retention_holds_for_what_has_ended_already() -> None:
    lists = Lists(("s", [by_id("t")]), rules=Rules(retention=1000))
    lists.observe("t", seen(Status.FAILED))

    lists.tracker.apply(Rules(retention=100))

    assert [lists.counts(T0 + at) for at in (99, 101)] == [{("one", "failed"): 1}, {}]


def test_a_longer_retention_shows_ended_tasks_again() -> None:
    lists = Lists(("s", [by_id("t"), by_id("u")]), rules=Rules(retention=100))
    lists.observe("t", seen(Status.FAILED))
    lists.counts(T0 + 101)

    lists.tracker.apply(Rules(retention=1000))
    assert lists.tracker.recount(after=-1, limit=1, now=T0 + 102) == lists.followed()[0].number
    assert lists.tracker.recount(after=lists.followed()[-1].number, limit=1, now=T0 + 102) is None

    assert lists.counts(T0 + 999) == {("one", "failed"): 1, ("one", "unobserved"): 1}
    assert lists.counts(T0 + 1001) == {("one", "unobserved"): 1}


def test_many_retire_in_steps() -> None:
    many = RETIRE_AT_ONCE + 1
    lists = Lists(("s", [by_id(f"t{i}") for i in range(many)]), rules=Rules(retention=10))
    for i in range(many):
        lists.observe(f"t{i}", seen(Status.FAILED, f"t{i}", None))

    assert lists.tracker.retire(now=T0 + 11)
    assert not lists.tracker.retire(now=T0 + 11)
    assert lists.counts(T0 + 11) == {}


def test_the_census_adds_up_open_tasks() -> None:
    rules = Rules(overdue_factor=3, default_eta={"one": 30.0})
    lists = Lists(("s", [by_id("t1"), by_id("t2"), by_id("t3")]), rules=rules)
    lists.observe("t1", seen(Status.RUNNING, "t1", None, cost=1.5, eta=10))
    lists.observe("t2", seen(Status.PENDING, "t2", None, cost=0.5))

    at_31 = lists.tracker.census(now=T0 + 31)
    at_91 = lists.tracker.census(now=T0 + 91)

    assert at_31.outstanding_credits == {ONE: 2.0}
    assert at_31.overdue == {ONE: 1}
    assert at_91.overdue == {ONE: 2}, "a task of unknown ETA is held against the default, one never answered is not"
    assert lists.tracker.census(now=T0 + 31).overdue == {ONE: 1}, "the clock may be set back"
    assert at_31.oldest == {(ONE, Status.RUNNING): T0, (ONE, Status.PENDING): T0}


def test_a_task_followed_anew_and_not_asked_yet_has_no_age_though_an_earlier_answer_is_remembered() -> None:
    """The ledger keeps that it was seen, so that it counts once, beside a state that knows nothing more of it."""
    item = by_id("t")
    lists = Lists(rules=Rules(default_eta={"one": 1.0}))
    lists.assign({"s": [item]}, memory={item.ref: replace(begin(item, now=T0), observed_at=T0 - 5)})

    census = lists.tracker.census(now=T0 + 99)
    assert census.counts == {(ONE, Status.UNOBSERVED): 1}
    assert (census.oldest, census.overdue) == ({}, {})


def test_a_task_whose_id_is_answered_later_is_as_old_as_the_id_tells() -> None:
    ulid = f"task_{ULID.from_timestamp(T0 - 30)}"
    lists = Lists(("file", [by_out_id("x")]))
    ref = TaskRef("a", None, "x")
    for task_id in (None, ulid):
        lists.tracker.observe(ref, Observation(Status.PENDING, task_id, "x"), now=T0)
    assert lists.tracker.census(now=T0).oldest == {(ONE, Status.PENDING): pytest.approx(T0 - 30, abs=0.001)}
    lists.assign({"file": []})
    assert not lists.tracker.census(now=T0).oldest, "and nothing is left of it when it is gone"


def test_sums_of_credits_do_not_drift() -> None:
    lists = Lists(("s", [by_id(f"t{i}") for i in range(30)]))
    for i in range(30):
        lists.observe(f"t{i}", seen(Status.RUNNING, f"t{i}", None, cost=0.1))
    for i in range(29):
        lists.observe(f"t{i}", seen(Status.COMPLETED, f"t{i}", None))

    assert lists.tracker.census(now=T0).outstanding_credits == {ONE: 0.1}


def test_listed_tasks_keep_their_places() -> None:
    lists = Lists(("s", [by_id(f"t{i}") for i in range(5)]), rules=Rules(listed_limit=2, retention=50))

    def listed(now: float = T0) -> list[str | None]:
        return [state.ref.task_id for _, state in lists.tracker.census(now=now).listed]

    before = listed()
    for i in range(5):
        lists.observe(f"t{i}", seen(Status.COMPLETED, f"t{i}", None))

    assert before == listed() == ["t0", "t1"]
    assert lists.tracker.census(now=T0).unlisted == 3
    lists.assign({"s": [by_id(f"t{i}") for i in range(1, 5)]})
    assert listed() == ["t1", "t2"]


def test_no_listed_tasks_is_no_limit_reached() -> None:
    census = Lists(("s", [by_id("t")]), rules=Rules(listed_limit=0)).tracker.census(now=T0)

    assert (census.listed, census.unlisted) == ((), 0)


def test_404s_end_a_task_that_nobody_knows() -> None:
    lists = Lists(("s", [by_id("t")]), rules=Rules(not_found_grace=60))
    changes = [lists.tracker.miss(TaskRef("a", "t"), now=T0 + after)[0] for after in (1, 61, 62, 63)]

    assert [c.outcome.status if c.outcome else None for c in changes] == [None, None, None, Status.NOT_FOUND]
    assert lists.counts() == {("one", "not_found"): 1}


def test_news_is_what_a_restart_would_have_to_know() -> None:
    lists = Lists(("s", [by_id("t")]))
    observations = [seen(Status.PENDING), seen(Status.PENDING), seen(Status.PENDING, eta=9)]

    assert [lists.observe("t", observation, now=T0 + 1).is_news for observation in observations] == [True, False, True]


def test_an_answer_that_came_on_its_own_is_told_as_such() -> None:
    lists = Lists(("s", [by_id("t")]))
    (change,) = lists.tracker.observe(TaskRef("a", "t"), seen(Status.RUNNING), now=T0, is_query=False)

    assert (change.kind, change.is_query) == (ChangeKind.ANSWERED, False)


def test_a_source_may_ask_for_more_and_for_less() -> None:
    lists = Lists(("s", [by_id("t"), by_id("u")]), ("other", [by_id("v")]))
    round_ = lists.tracker.begin_round()
    more = [lists.tracker.claim("s", item, now=T0, round_=round_) for item in (by_id("u", TWO), by_id("v"), by_id("w"))]
    assert kinds([change for change in more if change]) == [("named", "v"), ("followed", "w")]
    assert {str(ref) for ref, _ in lists.tracker.claimed("s")} == {"t", "u", "v", "w"}
    assert [task.labels.group for task in lists.followed()] == ["one", "two", "one", "one"]

    less = [lists.tracker.release("s", by_id(name).ref, now=T0) for name in ("t", "v", "never", "t")]
    assert kinds([change for change in less if change]) == [("dropped", "t")]
    assert list(lists.tracker.claimed("nobody")) == []
    for name in ("u", "w"):
        lists.tracker.release("s", by_id(name).ref, now=T0)
    assert lists.tracker.sources == {"other"}


def test_what_is_remembered_is_taken_up() -> None:
    known = observe(begin(by_id("t"), now=T0), seen(Status.RUNNING), now=T0 + 1).state
    (change,) = Lists().assign({"s": [by_id("t")]}, now=T0 + 9, memory={by_id("t").ref: known})

    assert (change.task.state, change.is_news) == (known, False)


def test_numbers_grow_and_history_is_bounded() -> None:
    lists = Lists(("s", [by_id("t"), by_id("u")]))
    first, second = lists.followed()
    lists.assign({"s2": [by_id("v")]})
    third = lists.view(TaskRef("a", "v"))
    assert first.number < second.number < third.number

    for at in range(50):
        for half in (0, 0.5):
            lists.observe("t", seen(Status.RUNNING if at % 2 else Status.PENDING), now=T0 + at + half)
    history = lists.view(TaskRef("a", "t")).history
    assert [change.at for change in history] == [T0 + at for at in range(34, 50)]
    assert [change.status for change in history[-2:]] == [Status.PENDING, Status.RUNNING]


def test_views_are_handed_out_in_pages_whatever_comes_and_goes_between() -> None:
    lists = Lists(("s", [by_id(f"t{i}") for i in range(5)]))
    first = lists.tracker.views(limit=2)
    lists.assign({"s": [by_id(f"t{i}") for i in (0, 3, 4, 5)]})
    rest = lists.tracker.views(after=first[-1].number, limit=10)

    assert [str(task.state.ref) for task in (*first, *rest)] == ["t0", "t1", "t3", "t4", "t5"]


STATUSES = [Status.PENDING, Status.RUNNING, Status.UNKNOWN, Status.COMPLETED, Status.FAILED]
EVENTS = st.one_of(
    st.tuples(st.just("list"), st.sampled_from(["s1", "s2"]), st.sets(st.sampled_from("tuvwxyz"))),
    st.tuples(st.just("answer"), st.sampled_from("tuvwxyz"), st.sampled_from(STATUSES)),
    st.tuples(st.just("time"), st.floats(0, 40), st.none()),
    st.tuples(st.just("rules"), st.sampled_from([10.0, 50.0]), st.sampled_from([1.0, 3.0])),
)


@given(st.lists(EVENTS, max_size=40))
def test_the_census_is_what_adding_everything_up_would_give(events: list[tuple[str, object, object]]) -> None:
    """``tuv`` may be asked for by task_id, ``xyz`` are their out_task_ids, ``w`` has one name only."""
    rules, now = Rules(retention=50.0, default_eta={"one": 5.0}), T0
    lists = Lists(rules=rules)
    for kind, one, two in events:
        match kind, one, two:
            case "list", str(source), set(names):
                items = [by_id(name) if name < "x" else by_out_id(name) for name in sorted(names)]
                lists.assign({source: items}, now=now)
            case "answer", str(name), Status() as status:
                task_id = {"x": "t", "y": "u", "z": "v"}.get(name, name)
                out = {"t": "x", "u": "y", "v": "z"}.get(task_id)
                ref = TaskRef("a", name) if name < "x" else TaskRef("a", None, name)
                lists.tracker.observe(ref, seen(status, task_id, out, eta=4, cost=0.25), now=now)
            case "time", float(seconds), _:
                now += seconds
            case "rules", float(retention), float(factor):
                rules = Rules(retention=retention, overdue_factor=factor, default_eta={"one": 5.0})
                lists.tracker.apply(rules)
                lists.tracker.recount(after=-1, limit=100, now=now)
    tasks = lists.followed()
    census = lists.tracker.census(now=now)
    shown = [t for t in tasks if t.state.finished_at is None or t.state.finished_at + rules.retention > now]
    opened = [t.state for t in shown if not t.state.is_terminal and t.state.observed_at is not None]
    assert census.counts == Counter((task.labels, task.state.status) for task in shown)
    assert sum(census.outstanding_credits.values()) == pytest.approx(sum(s.credits_estimated or 0 for s in opened))
    assert sum(census.overdue.values()) == sum(
        s.submitted_at + rules.overdue_factor * (s.eta_seconds or 5.0) < now for s in opened
    )
    named = [s for s in opened if s.status not in (Status.UNOBSERVED, Status.UNKNOWN)]
    assert min(census.oldest.values(), default=0.0) == min((s.submitted_at for s in named), default=0.0)
    assert census.duplicates == sum(len(task.sources) > 1 for task in tasks) or any(
        task.state.ref.task_id and task.state.ref.out_task_id for task in tasks
    )
    assert lists.tracker.label_sets == {task.labels for task in shown}
    assert {state.ref: (labels, state) for labels, state in census.listed} == {
        task.state.ref: (task.labels, task.state) for task in shown
    }
    ids = [key for task in tasks for key in task.state.ref.ids()]
    assert len(ids) == len(set(ids)), "no task is followed twice under a name that is known"


# ---- nothing is left behind ------------------------------------------------------------------------------------------


class _Name(str):  # noqa: SLOT000 - with slots it could not be watched
    """An id that can be watched."""


@pytest.mark.parametrize("ends", ["released", "released by both", "merged"])
def test_a_task_that_is_gone_is_freed_without_a_collection_of_garbage(ends: str) -> None:
    tracker, labels, name = Tracker(Rules()), TaskLabels("one", "renders"), _Name("task_1")
    named = TaskRef("one", task_id=name)
    tracker.claim("files", Item(named, labels), now=0.0)
    if ends == "released by both":
        tracker.claim("urls", Item(named, labels), now=0.0)
    if ends == "merged":
        tracker.claim("urls", Item(TaskRef("one", out_task_id="mine"), labels), now=0.0)
        tracker.observe(named, Observation(Status.RUNNING, task_id="task_1", out_task_id="mine"), now=1.0)
        tracker.release("urls", TaskRef("one", out_task_id="mine"), now=2.0)
    tracker.release("files", named, now=2.0)
    tracker.release("urls", named, now=2.0)

    watched = weakref.ref(name)
    gc.disable()
    try:
        del name, named
        assert watched() is None
    finally:
        gc.enable()
    assert len(tracker) == 0
