"""Determinism, and books that equal the sum over the tasks whatever happens."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.simulator.accounts import Account, Caller, Key, default_accounts
from exporter.simulator.backend import Backend
from exporter.simulator.catalogue import load_catalogue
from exporter.simulator.errors import ApiError
from exporter.simulator.records import record, truth
from exporter.simulator.tasks import Submission, Task, TaskRef
from tests.simulator.manual import START

CATALOGUE = load_catalogue()
CALLERS = [Caller(account, key) for account in default_accounts() for key in account.keys]

STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("submit"),
            st.integers(0, 1),
            st.sampled_from(["sora-2", "veo-3.1-fast", "seedream-v4"]),
            st.sampled_from([None, "a", "b"]),
        ),
        st.tuples(st.sampled_from(["query", "cancel"]), st.integers(0, 1), st.integers(0, 20)),
        st.tuples(st.just("wait"), st.floats(0, 200)),
    ),
    max_size=60,
)


class Story:
    """Steps played on a backend; ``seen`` are the records it showed, ``final`` the terminal ones by task."""

    def __init__(self, seed: int) -> None:
        self.ended: list[Task] = []
        self.now = START
        self.backend = Backend(default_accounts(), CATALOGUE, seed=seed, now=START, on_end=self.ended.append)
        self.seen: list[dict[str, Any]] = []
        self.final: dict[str, dict[str, Any]] = {}

    def play(self, steps: list[Any]) -> None:
        for step, *details in steps:
            getattr(self, step)(*details)

    def submit(self, who: int, slug: str, name: str | None) -> None:
        submission = Submission(slug, CATALOGUE[slug], 4, fingerprint=slug.encode(), out_task_id=name)
        self._show(lambda: self.backend.submit(CALLERS[who], submission, self.now))

    def query(self, who: int, number: int) -> None:
        self._show(lambda: self.backend.query(CALLERS[who], self._name(number), self.now))

    def cancel(self, who: int, number: int) -> None:
        self._show(lambda: self.backend.cancel(CALLERS[who], self._name(number), self.now))

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def _name(self, number: int) -> TaskRef:
        ids = [task.task_id for task in self.backend.tasks()]
        return TaskRef(task_id=ids[number] if number < len(ids) else "task_unknown")

    def _show(self, act: Any) -> None:
        try:
            task = act()
        except ApiError as error:
            self.seen.append({"refused": error.code})
            return
        said = record(task, self.backend.now)
        self.seen.append(said)
        if said["status"] in ("completed", "failed", "cancelled"):
            assert self.final.setdefault(said["task_id"], said) == said


@given(seed=st.integers(0, 5), steps=STEPS)
@settings(deadline=None)
def test_the_same_seed_and_calls_tell_the_same_story(seed: int, steps: list[Any]) -> None:
    one, other = Story(seed), Story(seed)
    one.play(steps)
    other.play(steps)
    assert one.seen == other.seen


def test_another_seed_tells_another_story() -> None:
    steps = [("submit", 0, "sora-2", None), ("wait", 100.0), ("query", 0, 0)]
    one, other = Story(1), Story(2)
    one.play(steps)
    other.play(steps)
    assert one.seen != other.seen


@given(seed=st.integers(0, 5), steps=STEPS)
@settings(max_examples=200, deadline=None)
def test_the_books_equal_the_sum_over_the_tasks(seed: int, steps: list[Any]) -> None:
    story = Story(seed)
    story.play(steps)
    backend = story.backend
    backend.advance(story.now)
    tasks = [truth(task, backend.now, backend.books.queries(task.task_id)) for task in backend.tasks()]
    ended = [task for task in tasks if task["ended_at"] is not None]
    books = backend.books.as_json()

    assert books["submitted"] == len(tasks)
    assert books["open"] == len(tasks) - len(ended)
    assert {status: count for status, count in books["outcomes"].items() if count} == Counter(
        task["status"] for task in ended
    )
    assert round(books["credits_used"] * 100) == sum(round((task["credits_used"] or 0) * 100) for task in ended)
    assert books["error_codes"] == Counter(task["error_code"] for task in ended if task["error_code"])
    assert sorted(task.task_id for task in story.ended) == sorted(task["task_id"] for task in ended)
    assert sum(group["submitted"] for group in books["groups"]) == len(tasks)
    assert round(sum(group["credits_used"] for group in books["groups"]), 2) == books["credits_used"]
    for caller in CALLERS:
        held = sum(round(task["estimated_credits"] * 100) for task in tasks if _open(task, caller))
        assert backend.wallet(caller).held == held


def _open(task: dict[str, Any], caller: Caller) -> bool:
    return task["ended_at"] is None and task["account"] == caller.account.name


def test_a_cancelled_task_does_not_end_again_at_its_old_end() -> None:
    story = Story(1)
    story.play([("submit", 0, "sora-2", None), ("cancel", 0, 0), ("wait", 1e6), ("query", 0, 0)])
    assert story.backend.books.as_json()["outcomes"] == {"completed": 0, "failed": 0, "cancelled": 1}
    assert len(story.ended) == 1


def test_time_never_runs_backwards() -> None:
    story = Story(1)
    story.play([("submit", 0, "sora-2", None), ("wait", 1e6), ("query", 0, 0), ("wait", -1e6), ("query", 0, 0)])
    assert story.seen[1] == story.seen[2]


def test_more_tasks_than_the_limit_are_refused() -> None:
    backend = Backend(default_accounts(), CATALOGUE, seed=1, now=START, max_tasks=1)
    submission = Submission("sora-2", CATALOGUE["sora-2"], 5)
    backend.submit(CALLERS[0], submission, START)
    with pytest.raises(ApiError) as refused:
        backend.submit(CALLERS[0], submission, START)
    assert refused.value.status == 503
    with pytest.raises(ApiError):
        backend.insert(CALLERS[0], submission, backend.plan(CALLERS[0], submission), START)


def test_the_quota_counts_what_is_held_and_what_is_spent() -> None:
    key = Key("small", "sk-byts-small", quota=0.90)
    account = Account("demo", (key,))
    backend = Backend([account], CATALOGUE, seed=1, now=START)
    submission, caller = Submission("sora-2", CATALOGUE["sora-2"], 5), Caller(account, key)
    backend.submit(caller, submission, START)
    backend.submit(caller, submission, START)
    assert backend.spending(caller).quota_remaining == 90
    with pytest.raises(ApiError) as refused:
        backend.submit(caller, submission, START)
    assert refused.value.code == "quota_exceeded"
    backend.advance(START + 1e6)
    spent = backend.books.total.credits_used.total()
    assert spent
    assert backend.spending(caller).quota_remaining == 90 - spent


def test_the_time_scale_shortens_latency_and_estimate_alike() -> None:
    submission = Submission("sora-2", CATALOGUE["sora-2"], 5)
    slow, fast = (Backend(default_accounts(), CATALOGUE, seed=3, now=START, time_scale=scale) for scale in (1.0, 10.0))
    one, other = slow.submit(CALLERS[0], submission, START), fast.submit(CALLERS[0], submission, START)
    assert (one.eta, other.eta) == (85, 8)
    assert other.lifecycle.end_at - START == pytest.approx((one.lifecycle.end_at - START) / 10)
