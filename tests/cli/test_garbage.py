"""Collections of garbage stay short, and what is left alone to that end is not left alone for ever."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from exporter.cli.garbage import FULL_AFTER, MOST, OLDEST, PAUSE, Sparing, leave_alone, pauses_bounded


class Collector:
    """Stands in for the interpreter's: a collection takes as long as is said."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self._now = 0.0
        self._sparing = Sparing(
            seconds=lambda: self._now,
            freeze=lambda: self.done.append("freeze"),
            unfreeze=lambda: self.done.append("unfreeze"),
        )

    def collect(self, seconds: float = PAUSE * 1.01, *, generation: int = OLDEST) -> None:
        self._sparing("start", {"generation": generation})
        self._now += seconds
        self._sparing("stop", {"generation": generation})


@pytest.mark.parametrize(
    ("generation", "seconds", "done"),
    [(OLDEST, PAUSE * 1.01, ["freeze"]), (OLDEST, PAUSE * 0.99, []), (OLDEST - 1, PAUSE * 2, [])],
)
def test_what_has_outlived_a_long_full_collection_is_left_alone(
    generation: int, seconds: float, done: list[str]
) -> None:
    collector = Collector()
    collector.collect(seconds, generation=generation)
    assert collector.done == done


def test_all_that_was_left_alone_is_looked_through_once_it_is_a_lot() -> None:
    collector = Collector()
    for _ in range(3):
        collector.collect(MOST / 3.5)
    assert collector.done == ["freeze"] * 3
    collector.collect(MOST / 3.5)
    assert collector.done[3:] == ["unfreeze"], "the next full collection looks at everything"
    collector.collect(generation=OLDEST - 1)
    assert collector.done[4:] == [], "this was none"
    collector.collect(MOST * 2)
    assert collector.done[4:] == ["freeze"], "what outlived it does last"
    for _ in range(3):
        collector.collect(MOST / 3.5)
    assert collector.done[5:] == ["freeze"] * 3, "however long it took"


RINGS = 1000


class Ring:
    """Is in a cycle, as asyncio's own transports are."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def own_hands() -> Iterator[None]:
    """No collection but those that the test asks for."""
    gc.disable()
    yield
    gc.unfreeze()
    gc.enable()


@pytest.mark.slow
@pytest.mark.usefixtures("own_hands")
def test_what_ends_after_it_was_left_alone_is_freed_in_the_end() -> None:
    """Each round some things stand while a long collection comes by, and end thereafter."""
    times = iter(range(10**6))
    sparing = Sparing(seconds=lambda: 1.01 * PAUSE * next(times))  # each collection is a long one
    gc.collect()
    gc.freeze()
    gc.callbacks.append(sparing)
    made: list[weakref.ref[Ring]] = []
    most = 0
    try:
        for _ in range(2 * round(MOST / PAUSE)):
            rings = [Ring() for _ in range(RINGS)]
            made += map(weakref.ref, rings)
            gc.collect()
            rings.clear()
            made = [ring for ring in made if ring() is not None]
            most = max(most, len(made))
    finally:
        gc.callbacks.remove(sparing)
    assert most <= RINGS * (MOST / PAUSE + 2)


def test_it_is_told_of_collections_while_it_is_asked_for() -> None:
    before, thresholds = list(gc.callbacks), gc.get_threshold()
    with pauses_bounded():
        assert len(gc.callbacks) == len(before) + 1
        assert gc.get_threshold() == (*thresholds[:OLDEST], FULL_AFTER)
        gc.collect()
    assert gc.callbacks == before
    assert gc.get_threshold() == thresholds


def test_the_program_itself_is_left_alone_meanwhile() -> None:
    before = gc.get_freeze_count()
    with pauses_bounded():
        assert gc.get_freeze_count() > before
        assert len(gc.get_objects()) < gc.get_freeze_count()
    assert gc.get_freeze_count() == 0


def test_what_a_start_has_made_is_left_alone_too() -> None:
    with pauses_bounded():
        made = Ring()
        assert any(each is made for each in gc.get_objects())
        leave_alone()
        assert not any(each is made for each in gc.get_objects())
    assert gc.get_freeze_count() == 0
