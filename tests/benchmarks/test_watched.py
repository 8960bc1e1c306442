"""The watch on an event loop: what it calls late, and what of that is the program's own."""

import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.soak.watched import CALLS, LONG, LOOK, TOLD, CoreWaits, Watch, Witness


class Loop:
    """One whose turns come when the test says."""

    def __init__(self) -> None:
        self.now = 100.0
        self._next: Callable[[], None] = lambda: None
        self.due = 0.0

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Callable[[], None], /) -> None:
        self._next, self.due = callback, self.now

    def call_at(self, when: float, callback: Callable[[], None], /) -> None:
        self._next, self.due = callback, when

    def turn(self, *, late: float = 0.0) -> None:
        """Come to what is due, too late by so much."""
        self.now = self.due + late
        self._next()


class Threads:
    """A kernel that says how long each thread has waited, in seconds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def waited(self, thread: str, seconds: float) -> None:
        (self.folder / thread).mkdir(exist_ok=True)
        (self.folder / thread / "schedstat").write_text(f"5 {seconds * 1e9:.0f} 7\n")


@pytest.fixture
def threads(tmp_path: Path) -> Threads:
    return Threads(tmp_path)


Told = tuple[float, float, str]


def told_of(threads: Threads, loop: Loop, witness: Witness | None = None) -> list[Told]:
    told: list[Told] = []
    waits = CoreWaits(threads.folder)
    Watch(loop, lambda *longest: told.append(longest), waits=waits, witness=witness or Witness()).begin()
    loop.turn()
    return told


def until_told(loop: Loop, told: list[Told]) -> tuple[float, float]:
    for _ in range(round(TOLD / LOOK) + 1):
        loop.turn()
    assert len(told) == 1
    return told[0][:2]


def test_a_loop_that_is_never_late_has_no_stall(threads: Threads) -> None:
    threads.waited("1", 3.0)
    loop = Loop()
    assert until_told(loop, told_of(threads, loop)) == pytest.approx((0.0, 0.0), abs=1e-9)


def test_the_longest_of_a_second_is_told_and_then_forgotten(threads: Threads) -> None:
    loop = Loop()
    told = told_of(threads, loop)
    loop.turn(late=0.03)
    loop.turn(late=0.08)
    loop.turn(late=0.01)
    assert until_told(loop, told) == pytest.approx((0.08, 0.08))
    for _ in range(round(TOLD / LOOK) + 1):
        loop.turn()
    assert told[1][:2] == pytest.approx((0.0, 0.0), abs=1e-9)


def test_what_threads_waited_for_a_core_is_not_the_loops_fault(threads: Threads) -> None:
    threads.waited("1", 3.0)
    threads.waited("2", 0.0)
    loop = Loop()
    told = told_of(threads, loop)
    threads.waited("1", 3.02)
    threads.waited("2", 0.04)
    loop.turn(late=0.1)
    assert until_told(loop, told) == pytest.approx((0.04, 0.1))


def test_threads_come_and_go(threads: Threads) -> None:
    waits = CoreWaits(threads.folder)
    threads.waited("1", 1.0)
    waits.refresh()
    assert waits.since_last() == 0.0, "what was before is not since the last look"
    threads.waited("2", 9.0)
    waits.refresh()
    assert waits.since_last() == 0.0
    threads.waited("2", 9.5)
    (threads.folder / "1" / "schedstat").unlink()
    (threads.folder / "1").rmdir()
    waits.refresh()
    assert waits.since_last() == pytest.approx(0.5)


def test_a_thread_that_ends_while_it_is_looked_at_has_not_waited(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    waits = CoreWaits(tmp_path)
    waits.refresh()
    assert waits.since_last() == 0.0


def test_what_a_thread_had_waited_before_it_ended_is_not_taken_from_the_others(threads: Threads) -> None:
    threads.waited("1", 1.0)
    threads.waited("2", 7.0)
    waits = CoreWaits(threads.folder)
    waits.refresh()
    waits.since_last()
    threads.waited("1", 1.25)
    (threads.folder / "2" / "schedstat").write_text("")  # as of one that has ended: there is nothing to read
    assert waits.since_last() == pytest.approx(0.25)


def test_where_the_kernel_does_not_say_nobody_has_waited(tmp_path: Path) -> None:
    waits = CoreWaits(tmp_path / "missing")
    waits.refresh()
    assert waits.since_last() == 0.0


# ---- where it stands -------------------------------------------------------------------------------------------------


def test_what_the_loop_is_at_is_seen_once_it_is_long_past_its_time() -> None:
    witness = Witness()
    witness.expect(10.0)
    witness.look(10.0 + LONG / 2)
    assert not witness.where
    witness.look(10.0 + LONG * 1.5)
    first, *others = witness.where.split(" < ")
    assert "look" in first
    assert others[0].startswith("test_watched.py:")
    assert len(others) < CALLS
    witness.expect(11.0)
    assert not witness.where, "that is over"


def test_a_thread_that_is_not_the_loops_is_not_looked_at() -> None:
    own, frames = threading.get_ident(), sys._current_frames
    witness = Witness(lambda: {thread: frame for thread, frame in frames().items() if thread != own})
    witness.expect(10.0)
    witness.look(11.0)
    assert not witness.where


def test_a_collection_of_garbage_stops_whoever_looks_so_it_tells_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([1.0, 1.0 + LONG / 2, 2.0, 2.07])
    monkeypatch.setattr("time.perf_counter", lambda: next(times))
    witness = Witness()
    for _ in range(2):
        witness.collecting("start", {"generation": 2})
        witness.collecting("stop", {"generation": 2})
    assert witness.where == "collection of generation 2, 70 ms"


def test_the_longest_stall_of_a_second_is_the_one_whose_place_is_told(threads: Threads) -> None:
    class Places(Witness):
        place = "nowhere"

        @property
        def where(self) -> str:
            return self.place

    loop, witness = Loop(), Places()
    told = told_of(threads, loop, witness)
    for late, Places.place in [(0.03, "first"), (0.08, "longest"), (0.05, "last")]:
        loop.turn(late=late)
    until_told(loop, told)
    assert told[0][2] == "longest"
