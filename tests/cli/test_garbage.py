"""Collections of garbage stay short."""

import gc

import pytest

from exporter.cli.garbage import FULL_AFTER, OLDEST, PAUSE, Sparing, pauses_bounded


@pytest.mark.parametrize(
    ("generation", "seconds", "freezes"),
    [(OLDEST, PAUSE * 1.01, 1), (OLDEST, PAUSE * 0.99, 0), (OLDEST - 1, PAUSE * 2, 0)],
)
def test_what_has_outlived_a_long_full_collection_is_left_alone(generation: int, seconds: float, freezes: int) -> None:
    frozen: list[None] = []
    times = iter([5.0, 5.0 + seconds])
    sparing = Sparing(seconds=lambda: next(times), freeze=lambda: frozen.append(None))

    sparing("start", {"generation": generation})
    assert not frozen
    sparing("stop", {"generation": generation})

    assert len(frozen) == freezes


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
