"""What keys make of a view, and which tasks it then shows in which order."""

import pytest

from exporter.terminal.keyboard import Key
from exporter.watch.view import LONGEST_SEARCH, Only, Sort, View
from tests.watch.overviews import overview, task

TASKS = overview(
    task("b", "completed", age=300, credits_used=3.0),
    task("a", "running", age=50, estimated_seconds=100.0, credits_estimated=9.0),
    task("d", "failed", age=200, error_code="content_policy_violation"),
    task("c", "pending", age=100, estimated_seconds=20.0, out_task_id="My-Render"),
    task("e", "not_found", age=150),
)

EVERYTHING = View()


def pressed(*keys: str, view: View = EVERYTHING) -> View:
    for key in keys:
        view = view.pressed(key, lines=10)
    return view


def names(view: View) -> str:
    return "".join(each.name for each in view.shown(TASKS))


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        (Sort.STATUS, "deacb"),
        (Sort.AGE, "bdeca"),
        (Sort.PROGRESS, "cabde"),
        (Sort.CREDITS, "abcde"),
        (Sort.NAME, "abcde"),
    ],
)
def test_each_order_has_what_wants_a_look_first(sort: Sort, order: str) -> None:
    assert names(View(sort=sort)) == order
    assert names(View(sort=sort, is_reversed=True)) == order[::-1]


def test_s_goes_through_every_order_and_round_again() -> None:
    views = [pressed(*"s" * count) for count in range(len(Sort) + 1)]
    assert [view.sort for view in views] == [*Sort, Sort.STATUS]


@pytest.mark.parametrize(("presses", "shown"), [(0, "deacb"), (1, "ac"), (2, "de"), (3, "deb"), (4, "deacb")])
def test_f_goes_through_the_filters(presses: int, shown: str) -> None:
    assert names(pressed(*"f" * presses)) == shown


@pytest.mark.parametrize(("search", "shown"), [("my-r", "c"), ("POLICY", "d"), ("renders", "deacb"), ("nothing", "")])
def test_a_search_looks_at_everything_that_names_a_task(search: str, shown: str) -> None:
    assert names(pressed("/", *search, Key.ENTER)) == shown


def test_while_a_search_is_typed_letters_are_no_commands() -> None:
    view = pressed("/", *"sfq", Key.BACKSPACE, Key.UP)
    assert (view.search, view.is_typing, view.sort) == ("sf", True, Sort.STATUS)
    assert pressed(Key.ESCAPE, view=view) == View()


def test_a_search_does_not_grow_without_end() -> None:
    assert len(pressed("/", *"x" * 1000).search) == LONGEST_SEARCH


def test_escape_shows_everything_again() -> None:
    assert pressed("f", "/", "x", Key.ENTER, Key.ESCAPE) == View(only=Only.ALL)


@pytest.mark.parametrize(
    ("keys", "top"),
    [([Key.UP], 0), ([Key.DOWN, "j", "k"], 1), ([Key.PAGE_DOWN], 10), (["G"], 15), ([Key.END, Key.HOME], 0)],
)
def test_scrolling_ends_where_the_tasks_do(keys: list[str], top: int) -> None:
    assert pressed(*keys).within(25, lines=10).top == top


def test_p_pauses_and_goes_on() -> None:
    assert pressed("p").is_paused
    assert pressed("p", " ") == View()
