"""Views of a growing mapping: each stays what it was, whatever comes after it, and no more is copied than changes."""

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from exporter.accounting.paged import PAGE, Paged


class AnyViews(RuleBasedStateMachine):
    """Beside a dict that is copied at each view."""

    def __init__(self) -> None:
        super().__init__()
        self.plain = dict.fromkeys(range(PAGE - 1), 0)
        self.paged = Paged(self.plain)
        self.views: list[tuple[Any, dict[int, int]]] = []

    @rule(first=st.integers(0, 3 * PAGE), number=st.sampled_from([1, 2, PAGE]), value=st.integers())
    def put(self, first: int, number: int, value: int) -> None:
        for key in range(first, first + number):
            self.paged[key] = self.plain[key] = value

    @rule()
    def view(self) -> None:
        self.views.append((self.paged.view(), dict(self.plain)))

    @invariant()
    def each_is_what_it_was(self) -> None:
        for view, plain in (*self.views, (self.paged, self.plain)):
            assert list(view.items()) == list(plain.items())
            assert (list(view), len(view)) == (list(plain), len(plain))
            assert view == plain
            assert [view.get(key) for key in (0, PAGE, 4 * PAGE)] == [plain.get(key) for key in (0, PAGE, 4 * PAGE)]


TestAnyViews = AnyViews.TestCase


def test_one_change_after_a_view_copies_one_page() -> None:
    numbers = Paged(dict.fromkeys(range(100 * PAGE), 0))
    before: Any = numbers.view()
    numbers[3 * PAGE + 1] = 1
    numbers[3 * PAGE + 2] = 1
    after: Any = numbers.view()

    assert [number for number in range(100) if before._pages[number] is not after._pages[number]] == [3]


def test_a_view_without_a_change_copies_nothing() -> None:
    numbers = Paged(dict.fromkeys(range(PAGE + 1), 0))
    one: Any = numbers.view()
    other: Any = numbers.view()
    assert all(mine is theirs for mine, theirs in zip(one._pages, other._pages, strict=True))


def test_nobody_can_change_a_view() -> None:
    view: Any = Paged({"a": 1}).view()
    with pytest.raises(TypeError):
        view["a"] = 2
    with pytest.raises(KeyError):
        view["b"]
