"""Which tasks have a place, and that nobody who was shown a page ever sees it change."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from exporter.tasks.census import Rules
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.listing import AT_ONCE, PAGE, Entry, Listed, Listing
from exporter.tasks.observation import Observation, Status
from exporter.tasks.state import Submission, TaskState
from exporter.tasks.tracker import Tracker
from tests.support.turns import steps_counted

LABELS = TaskLabels("a", "one")


def entry(number: int, at: float = 0.0) -> Entry:
    return LABELS, TaskState(TaskRef("a", f"t{number}"), at, at, Submission.FIRST_SIGHT)


def listing(limit: int, count: int = 0, entry_of: Callable[[int], Entry] = entry) -> Listing:
    """So many tasks, shown one after the other."""
    made = Listing(limit, entry_of)
    for number in range(count):
        made.show(number, entry(number))
    return made


def names(listed: Listed) -> list[int]:
    return [int((state.ref.task_id or "")[1:]) for _, state in listed]


def test_the_first_so_many_have_places_and_the_others_wait() -> None:
    shown = listing(3, 5)
    assert (names(shown.view()), shown.unlisted) == ([0, 1, 2], 2)


def test_the_lowest_of_those_that_wait_is_next() -> None:
    shown = listing(2, 4)
    shown.hide(0)
    shown.show(9, entry(9))
    assert (names(shown.view()), shown.unlisted) == ([1, 2], 2)
    shown.hide(3)
    shown.hide(1)
    assert (names(shown.view()), shown.unlisted) == ([2, 9], 0)


def test_one_that_has_waited_comes_as_it_is_by_then() -> None:
    shown = listing(1, 2, entry_of=lambda number: entry(number, at=7.0))
    shown.renew(1, entry(1, at=5.0))
    shown.hide(0)
    assert list(shown.view()) == [entry(1, at=7.0)]


def test_of_many_that_wait_a_view_lets_in_so_many() -> None:
    shown = listing(PAGE, PAGE + AT_ONCE + 2)
    shown.resize(10 * PAGE)
    lengths = [len(shown.view()) for _ in range(3)]
    assert lengths == [PAGE + AT_ONCE, PAGE + AT_ONCE + 2, PAGE + AT_ONCE + 2]


def test_where_nothing_is_to_be_listed_nobody_waits_until_there_is() -> None:
    shown = listing(0, 3)
    assert (names(shown.view()), shown.unlisted) == ([], 0)
    shown.resize(2)
    for number in range(3):
        shown.show(number, entry(number))
    assert (names(shown.view()), shown.unlisted) == ([0, 1], 1)
    shown.resize(0)
    assert (names(shown.view()), shown.unlisted) == ([], 0)


def test_a_lower_limit_takes_the_places_of_the_last_ones() -> None:
    shown = listing(PAGE * 3, PAGE * 3)
    shown.resize(2)
    view = shown.view()
    assert (names(view), shown.unlisted, len(view.pages)) == ([0, 1], PAGE * 3 - 2, 1)


def test_a_lower_limit_makes_nothing_anew_of_those_that_stay() -> None:
    """There may be hundreds of thousands of them, and all that is one step of the loop."""

    def never(number: int) -> Entry:
        raise AssertionError(number)

    shown = Listing(PAGE * 3, never)
    for number in range(PAGE * 3):
        shown.show(number, entry(number))
    shown.hide(0)
    before = list(shown.view())
    shown.resize(PAGE + 5)
    assert list(shown.view()) == before[: PAGE + 5]
    shown.show(1, entry(1, at=7.0))
    assert next(iter(shown.view())) == entry(1, at=7.0)


def test_only_a_page_in_which_something_changed_is_another() -> None:
    shown = listing(PAGE * 3, PAGE * 3)
    before = shown.view()
    shown.renew(PAGE + 1, entry(PAGE + 1, at=3.0))
    after = shown.view()
    assert [one is other for one, other in zip(before.pages, after.pages, strict=True)] == [True, False, True]
    assert before[PAGE + 1] == entry(PAGE + 1)
    assert after[PAGE + 1] == entry(PAGE + 1, at=3.0)


def test_many_lose_their_places_in_slices() -> None:
    count = 4 * AT_ONCE
    shown = listing(count, count)

    shown.resize(1)
    assert len(shown.view()) == count - 2 * AT_ONCE  # a view goes on with it, as what is counted anew does
    shown.trim(count)

    assert (names(shown.view()), shown.unlisted, len(shown.view().pages)) == ([0], count - 1, 1)


def test_places_are_used_again_before_there_are_many_more_than_tasks() -> None:
    shown = listing(PAGE, PAGE)
    for number in range(PAGE, PAGE * 50):
        shown.hide(number - PAGE)
        shown.show(number, entry(number))
    assert len(shown.view().pages) <= 3


def test_a_list_can_be_made_of_anything_and_compared_with_it() -> None:
    entries = [entry(number) for number in range(PAGE + 1)]
    assert Listed.of(entries) == tuple(entries)
    assert (len(Listed.of(entries)), Listed.of(entries)[-1], Listed.of(entries)[:1]) == (
        PAGE + 1,
        entries[-1],
        (entries[0],),
    )
    with pytest.raises(TypeError):
        hash(Listed())


class Shown(RuleBasedStateMachine):
    """A listing beside the plain rule: who has a place keeps it, the lowest of the others is next."""

    numbers = st.integers(0, 12)

    def __init__(self) -> None:
        super().__init__()
        self.limit = 4
        self.listed: list[int] = []
        self.waiting: set[int] = set()
        self.known: dict[int, Entry] = {}
        self.listing = Listing(self.limit, lambda number: self.known[number])
        self.views: list[tuple[Listed, list[Entry]]] = []

    @rule(number=numbers, at=st.floats(0, 9))
    def show(self, number: int, at: float) -> None:
        self.known[number] = entry(number, at)
        if number not in self.listed:
            self.waiting.add(number)
        self.listing.show(number, self.known[number])

    @rule(number=numbers)
    def hide(self, number: int) -> None:
        if number in self.listed:
            self.listed.remove(number)
        self.waiting.discard(number)
        self.listing.hide(number)

    @precondition(lambda self: self.listed or self.waiting)
    @rule(at=st.floats(0, 9), which=st.integers(0, 12))
    def renew(self, at: float, which: int) -> None:
        visible = [*self.listed, *self.waiting]
        number = visible[which % len(visible)]
        self.known[number] = entry(number, at)
        self.listing.renew(number, self.known[number])

    @rule(limit=st.integers(1, 6))
    def resize(self, limit: int) -> None:
        self.limit = limit
        self.listing.resize(limit)
        self.waiting |= set(self.listed[limit:])
        self.listed = self.listed[:limit]

    @invariant()
    def lists_the_first_ones(self) -> None:
        view = self.listing.view()
        let_in = sorted(self.waiting)[: self.limit - len(self.listed)]
        self.listed += let_in
        self.waiting -= set(let_in)
        assert sorted(view, key=repr) == sorted((self.known[number] for number in self.listed), key=repr)
        assert self.listing.unlisted == len(self.waiting)
        self.views.append((view, list(view)))

    @invariant()
    def leaves_every_view_as_it_was(self) -> None:
        assert all(list(view) == was for view, was in self.views)


TestShown = Shown.TestCase
TestShown.settings = settings(max_examples=50, stateful_step_count=30)


# ---- what the tracker tells it ---------------------------------------------------------------------------------------

ids = st.sampled_from(["t1", "t2", "t3"])
observations = st.builds(
    Observation,
    status=st.sampled_from(Status),
    task_id=st.none() | ids,
    out_task_id=st.none() | st.just("mine"),
    estimated_credits=st.none() | st.just(1.5),
    estimated_seconds=st.none() | st.sampled_from([9.0, 30.0]),
)
asked = st.tuples(st.builds(TaskRef, st.just("a"), ids) | st.just(TaskRef("a", None, "mine")), observations | st.none())


@given(st.lists(asked, max_size=25), st.sampled_from([1, 3, 100]))
def test_every_listed_task_is_as_the_tracker_knows_it(
    answers: list[tuple[TaskRef, Observation | None]], limit: int
) -> None:
    """An estimate that is the assumed one, or another name, changes no sum and is shown all the same."""
    rules = Rules(retention=20.0, not_found_grace=0.0, listed_limit=limit, default_eta={"one": 30.0})
    tracker = Tracker(rules)
    for ref in (TaskRef("a", "t1"), TaskRef("a", "t2"), TaskRef("a", "t3"), TaskRef("a", None, "mine")):
        tracker.claim("source", Item(ref, LABELS), now=0.0)
    for at, (ref, observation) in enumerate(answers):
        if observation is None:
            tracker.miss(ref, now=float(at))
        else:
            tracker.observe(ref, observation, now=float(at))
        census = tracker.census(now=float(at))
        known = [(view.labels, view.state) for view in tracker.views(limit=9)]
        assert all(entry in known for entry in census.listed)
        assert len(census.listed) + census.unlisted == sum(census.counts.values())
        assert len(census.listed) == min(limit, sum(census.counts.values()))


@pytest.mark.parametrize("limit", [0, 10, 10_000])
def test_a_census_takes_as_many_steps_however_many_tasks_are_listed(limit: int) -> None:
    def steps(count: int) -> int:
        tracker = Tracker(Rules(listed_limit=limit))
        for number in range(count):
            tracker.claim("source", Item(TaskRef("a", f"t{number}"), LABELS), now=0.0)
        tracker.census(now=0.0)
        with steps_counted() as turns:
            tracker.census(now=1.0)
        return turns.longest

    assert steps(2000) == steps(20)
