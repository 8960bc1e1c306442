"""Where tasks are kept: like a dictionary, in less memory."""

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from exporter.polling.places import Places

STEPS = st.lists(st.tuples(st.sampled_from(["put", "pop"]), st.integers(0, 300), st.sampled_from("ab")))


@given(STEPS)
def test_it_agrees_with_a_dictionary(steps: list[tuple[str, int, str]]) -> None:
    places: Places[str] = Places()
    model: dict[int, str] = {}
    for action, number, place in steps:
        if action == "put":
            places.put(number, place)
            model[number] = place
        else:
            assert places.pop(number) == model.pop(number, None)
        assert places.get(number) == model.get(number)

    assert all(places.get(number) == model.get(number) for number in range(301))


def test_a_number_takes_few_bytes_and_nothing_once_it_is_gone() -> None:
    places, lane = Places[object](), object()
    tracemalloc.start()
    try:
        for number in range(100_000):
            places.put(number, lane)
        assert tracemalloc.get_traced_memory()[0] <= 16 * 100_000
        for number in range(100_000):
            places.pop(number)
        assert tracemalloc.get_traced_memory()[0] <= 100_000
    finally:
        tracemalloc.stop()
