"""Who asks for what, beside a plain record of it, whatever answers say of the names."""

import tracemalloc
from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from exporter.tasks.census import Rules
from exporter.tasks.entry import SHARED
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.state import begin, observe
from exporter.tasks.tracker import Tracker

LABELS = TaskLabels("a", "one")
ids = st.sampled_from(["t", "u", "v"])
outs = st.sampled_from(["x", "y", "z"])
refs = st.one_of(
    st.builds(TaskRef, st.just("a"), ids, st.none() | outs),
    st.builds(TaskRef, st.just("a"), st.none(), outs),
    st.builds(TaskRef, st.just("a"), ids, st.just("")),
)
sources = st.sampled_from(["s1", "s2"])
observations = st.builds(
    Observation,
    status=st.sampled_from([Status.PENDING, Status.RUNNING, Status.COMPLETED]),
    task_id=st.none() | ids,
    out_task_id=st.none() | outs,
)


class Asked(RuleBasedStateMachine):
    """Names that contradict each other, tasks that merge in the middle of a list's walk, and memories of other names.

    Whatever they do to a task, a source asks for exactly what it has claimed and not released, as it called it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.tracker = Tracker(Rules())
        self.asked: dict[tuple[str, TaskRef], int] = {}

    @rule(source=sources, ref=refs, round_=st.integers(-1, 3), group=st.sampled_from(["one", "two"]))
    def claim(self, source: str, ref: TaskRef, round_: int, group: str) -> None:
        change = self.tracker.claim(source, Item(ref, TaskLabels("a", group)), now=0.0, round_=round_)
        assert (change is None) == ((source, ref) in self.asked)
        self.asked[source, ref] = round_

    @rule(source=sources, ref=refs, other=refs, ends=st.booleans())
    def claim_remembered(self, source: str, ref: TaskRef, other: TaskRef, ends: bool) -> None:
        status = Status.COMPLETED if ends else Status.RUNNING
        known = observe(begin(Item(other, LABELS), now=0.0), Observation(status), now=0.0).state
        change = self.tracker.claim(source, Item(ref, LABELS), now=0.0, remembered=known)
        assert (change is None) == ((source, ref) in self.asked)
        self.asked[source, ref] = -1

    @rule(source=sources, ref=refs)
    def release(self, source: str, ref: TaskRef) -> None:
        self.tracker.release(source, ref, now=0.0)
        self.asked.pop((source, ref), None)

    @rule(ref=refs, observation=observations)
    def answer(self, ref: TaskRef, observation: Observation) -> None:
        self.tracker.observe(ref, observation, now=0.0)

    @precondition(lambda self: self.asked)
    @rule(source=sources, answers=st.lists(st.tuples(refs, observations), max_size=8), round_=st.integers(0, 3))
    def release_what_a_list_leaves_out(
        self, source: str, answers: list[tuple[TaskRef, Observation]], round_: int
    ) -> None:
        for ref, named_in in self.tracker.claimed(source):
            if named_in < round_:
                self.tracker.release(source, ref, now=0.0)
            if answers:
                self.tracker.observe(*answers.pop(), now=0.0)
        self.asked = {(one, ref): at for (one, ref), at in self.asked.items() if one != source or at >= round_}

    @invariant()
    def asks_for_what_it_has_claimed(self) -> None:
        listed = Counter((one, ref, at) for one in ("s1", "s2") for ref, at in self.tracker.claimed(one))
        assert listed == Counter((one, ref, at) for (one, ref), at in self.asked.items())
        assert self.tracker.sources == {source for source, _ in self.asked}

    @invariant()
    def follows_what_somebody_asks_for(self) -> None:
        tasks = self.tracker.views(limit=100)
        assert all(task.sources for task in tasks)
        assert {source for task in tasks for source in task.sources} == self.tracker.sources
        assert len(tasks) == len(self.tracker) <= len(self.asked)

    def teardown(self) -> None:
        for source, ref in self.asked:
            self.tracker.release(source, ref, now=0.0)
        assert (len(self.tracker), self.tracker.sources, self.tracker.label_sets) == (0, frozenset(), frozenset())


TestAsked = Asked.TestCase
TestAsked.settings = settings(max_examples=100, stateful_step_count=25)


def test_a_walk_that_is_given_up_does_not_disturb_the_next() -> None:
    tracker = Tracker(Rules())
    for name in "tuv":
        tracker.claim("s", Item(TaskRef("a", name), LABELS), now=0.0)
    given_up = tracker.claimed("s")
    next(given_up)
    walk = tracker.claimed("s")
    next(walk)
    del given_up
    tracker.observe(TaskRef("a", "t"), Observation(Status.RUNNING, task_id="t", out_task_id="x"), now=1.0)

    assert {str(ref) for ref, _ in walk} >= {"u", "v"}


def test_what_a_list_says_of_many_tasks_is_kept_once() -> None:
    refs = [TaskRef("a", f"t{number}") for number in range(4 * SHARED)]
    tracker = Tracker(Rules(listed_limit=0))
    for ref in refs:
        tracker.claim("s", Item(ref, LABELS), now=0.0)
    tracemalloc.start()
    try:
        for round_ in range(2 * SHARED // 100):
            for ref in refs[:100] if round_ else refs:
                tracker.claim("s", Item(ref, TaskLabels("a", "one"), None), now=0.0, round_=round_)
        assert tracemalloc.get_traced_memory()[0] < 10 * len(refs)
    finally:
        tracemalloc.stop()


def test_claims_that_are_no_others_are_not_kept_to_be_shared() -> None:
    tracker = Tracker(Rules(listed_limit=0))
    tracker.claim("s", Item(TaskRef("a", "t"), LABELS), now=0.0)
    tracemalloc.start()
    try:
        for at in range(10 * SHARED):
            tracker.claim("s", Item(TaskRef("a", "t"), LABELS, 1e9 + at), now=0.0, round_=at)
        assert tracemalloc.get_traced_memory()[0] < 400 * SHARED
    finally:
        tracemalloc.stop()
