"""What many open tasks have alike is one object, however they came to it."""

from msgspec.structs import replace

from exporter.tasks.entry import SHARED, Entry, Standings
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.state import TaskState, begin, observe

RUNNING = Observation(Status.RUNNING, estimated_credits=1.5, estimated_seconds=35.0)


def running(task_id: str, *, now: float) -> TaskState:
    state = begin(Item(TaskRef("a", task_id), TaskLabels("a", "g")), now=now)
    return observe(state, RUNNING, now=now + 1).state


def test_open_tasks_share_it_whenever_they_were_seen() -> None:
    standings = Standings()
    one, other = standings.of(running("t", now=1.0), shift=0.0), standings.of(running("u", now=9.0), shift=0.0)
    assert one is other


def test_a_state_comes_back_as_it_was() -> None:
    standings, state = Standings(), running("t", now=1.0)
    ended = observe(state, Observation(Status.FAILED, error_code="nsfw", credits_used=0.5), now=5.0).state
    for known in (state, ended, replace(state, misses=1)):
        assert Entry.of(0, known, standings.of(known, shift=7.0)).state == known


def test_those_that_differ_in_anything_do_not() -> None:
    standings, state = Standings(), running("t", now=1.0)
    ended = observe(state, Observation(Status.COMPLETED), now=5.0).state
    differing = [
        (state, 0.0),
        (state, 3600.0),
        (replace(state, misses=1), 0.0),
        (replace(state, ref=TaskRef("b", "t")), 0.0),
        (replace(state, eta_seconds=None), 0.0),
        (ended, 0.0),
        (ended, 0.0),  # an end is a task's own
        (replace(ended, finished_at=None, credits_used=9.0), 0.0),  # also where somebody has lost its date
        (replace(ended, finished_at=None), 0.0),
    ]
    kept = [standings.of(known, shift=by) for known, by in differing]
    assert len(set(map(id, kept))) == len(kept)


def test_so_many_are_kept_and_no_more() -> None:
    standings, first = Standings(), running("t", now=1.0)
    kept = standings.of(first, shift=0.0)
    for number in range(SHARED):
        assert standings.of(replace(first, eta_seconds=float(number + 100)), shift=0.0).eta_seconds == number + 100
    again = standings.of(first, shift=0.0)
    assert again == kept
    assert again is not kept
