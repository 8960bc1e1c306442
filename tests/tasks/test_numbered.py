"""Entries by number beside a plain dictionary, and what the collector of cyclic garbage sees of them."""

import gc

from hypothesis import given
from hypothesis import strategies as st

from exporter.tasks.entry import Entry
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.numbered import PAGE, Numbered
from exporter.tasks.state import begin


def entry(number: int) -> Entry:
    item = Item(TaskRef("a", f"t{number}"), TaskLabels("a", "one"))
    return Entry.of(number, begin(item, now=0.0))


@given(st.lists(st.tuples(st.integers(1, PAGE), st.booleans(), st.integers(0, 300)), max_size=60))
def test_they_are_found_as_in_a_dictionary(steps: list[tuple[int, bool, int]]) -> None:
    """Numbers grow, by one or by more; some entries go again, the last or any other."""
    ours, plain, number = Numbered(), dict[int, Entry](), 0
    for by, goes, which in steps:
        number += by if which % 2 else 1
        plain[number] = entry(number)
        ours.add(plain[number])
        if goes:
            ours.remove(plain.pop(sorted(plain)[which % len(plain)]))
        assert len(ours) == len(plain)
    assert list(ours.after(-1)) == list(plain.values())
    assert list(ours.after(number // 2)) == [each for at, each in plain.items() if at > number // 2]
    assert all(ours.get(at) is plain.get(at) for at in range(number + PAGE))


def test_of_thousands_the_collector_sees_hardly_any() -> None:
    gc.collect()
    gc.freeze()
    try:
        ours = Numbered()
        for number in range(50 * PAGE):
            ours.add(entry(number))
        for number in range(0, 50 * PAGE, 7):
            found = ours.get(number)
            assert found is not None
            ours.remove(found)
        gc.collect()

        seen = sum(len(gc.get_referents(each)) for each in gc.get_objects() if isinstance(each, list | tuple | Entry))
        assert seen < len(ours) / 5
    finally:
        gc.unfreeze()
