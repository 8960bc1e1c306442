"""The watch on an event loop: what it calls late, and what of that is the program's own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.soak.watched import LOOK, TOLD, CoreWaits, Watch


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


def told_of(threads: Threads, loop: Loop) -> list[tuple[float, float]]:
    told: list[tuple[float, float]] = []
    Watch(loop, lambda stall, late: told.append((stall, late)), waits=CoreWaits(threads.folder)).begin()
    loop.turn()
    return told


def until_told(loop: Loop, told: list[tuple[float, float]]) -> tuple[float, float]:
    for _ in range(round(TOLD / LOOK) + 1):
        loop.turn()
    assert len(told) == 1
    return told[0]


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
    assert told[1] == pytest.approx((0.0, 0.0), abs=1e-9)


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


def test_where_the_kernel_does_not_say_nobody_has_waited(tmp_path: Path) -> None:
    waits = CoreWaits(tmp_path / "missing")
    waits.refresh()
    assert waits.since_last() == 0.0
