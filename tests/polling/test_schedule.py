import math
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.polling.schedule import Schedule, Slot


def test_the_longest_due_comes_first_and_leaves() -> None:
    schedule, early, late = Schedule(), 1, 2
    schedule.put(late, Slot(20.0, 5.0))
    schedule.put(early, Slot(10.0, 5.0))

    assert schedule.pop(now=9.0) is None
    assert schedule.pop(now=30.0) == (early, Slot(10.0, 5.0))
    assert schedule.pop(now=30.0) == (late, Slot(20.0, 5.0))
    assert schedule.pop(now=30.0) is None


def test_a_new_slot_replaces_the_old_one() -> None:
    schedule, one = Schedule(), 1
    schedule.put(one, Slot(10.0, 5.0))
    schedule.put(one, Slot(40.0, 5.0))

    assert (schedule.next_due(), schedule.pop(now=39.0), len(schedule)) == (40.0, None, 1)


def test_a_discarded_slot_never_comes() -> None:
    schedule, one = Schedule(), 1
    schedule.put(one, Slot(10.0, 5.0))
    schedule.discard(one)
    schedule.discard(one)

    assert (schedule.pop(now=99.0), schedule.next_due(), schedule.rate, one in schedule) == (None, math.inf, 0.0, False)


def test_two_that_are_due_together_come_in_the_order_of_their_numbers() -> None:
    schedule = Schedule()
    for number in (3, 1, 2):
        schedule.put(number, Slot(10.0, 5.0))

    assert list(schedule) == [1, 2, 3]
    assert [schedule.pop(now=10.0) for _ in range(4)] == [(n, Slot(10.0, 5.0)) for n in (1, 2, 3)] + [None]


@pytest.mark.parametrize("near", [False, True])
def test_what_is_put_off_again_and_again_leaves_nothing_behind(near: bool) -> None:
    schedule = Schedule()
    for number in range(3):
        schedule.put(number, Slot(50.0, 5.0))
    if near:
        schedule.next_due()  # its tick has come near
    tracemalloc.start()
    for _ in range(10_000):
        schedule.put(1, Slot(50.0, 5.0))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert held < 10_000
    assert (len(schedule), schedule.due(now=50.0), list(schedule)) == (3, 3, [0, 1, 2])


TIMES = st.one_of(st.floats(0, 100), st.floats(0, 0.2), st.sampled_from([0.0, 1 / 16, 0.5]))


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["put", "put", "discard", "pop"]), TIMES)))
def test_it_agrees_with_a_plain_dictionary(steps: list[tuple[int, str, float]]) -> None:
    schedule, model = Schedule(), dict[int, Slot]()
    for one, action, at in steps:
        if action == "put":
            schedule.put(one, Slot(at, 2.0))
            model[one] = Slot(at, 2.0)
        elif action == "discard":
            schedule.discard(one)
            model.pop(one, None)
        else:
            popped = schedule.pop(now=at)
            due = min((slot.due for slot in model.values()), default=None)
            assert (popped is None) == (due is None or due > at)
            if popped:
                assert popped[1].due == due
                assert model.pop(popped[0]) == popped[1]
        assert len(schedule) == len(model)
        assert abs(schedule.rate - len(model) / 2.0) < 1e-9
        assert schedule.due(now=at) == sum(slot.due <= at for slot in model.values())
        assert list(schedule) == sorted(model, key=lambda number: (model[number].due, number))
        assert all(schedule.slot(number) == slot for number, slot in model.items())
