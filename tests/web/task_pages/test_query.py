"""The query string of ``/tasks``: what it asks for, and that each link says the same again."""

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from starlette.datastructures import QueryParams

from exporter.tasks.identity import TaskRef
from exporter.tasks.item import TaskLabels
from exporter.tasks.observation import Status
from exporter.web.api.refusals import Refusal
from exporter.web.task_pages.query import MOST_RANKED, PAGE_SIZES, STATES, Order, Sort, TasksQuery
from tests.support.fake_exporter import task_view


def query(text: str) -> TasksQuery:
    return TasksQuery.of(QueryParams(text))


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=30).map(str.strip)
QUERIES = st.builds(
    TasksQuery,
    status=st.sampled_from(["", *STATES]),
    account=NAMES,
    group=NAMES,
    model=NAMES,
    error_code=NAMES,
    search=NAMES,
    is_overdue=st.booleans(),
    sort=st.builds(Sort, st.sampled_from(list(Order)), st.booleans()),
    page=st.integers(1, MOST_RANKED // max(PAGE_SIZES)),
    size=st.sampled_from(PAGE_SIZES),
)


@given(QUERIES)
def test_a_link_asks_for_just_what_it_was_made_of(asked: TasksQuery) -> None:
    assert query(urlsplit(asked.link).query) == asked
    assert asked.link.isascii()


def test_nothing_is_said_of_what_is_usual() -> None:
    assert TasksQuery().link == "tasks"
    assert query("") == query("status=&group=&q=&sort=-submitted&size=50&page=1") == TasksQuery()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("status=done", "is no status; allowed: open, ended, pending, "),
        ("sort=age", "is no order; allowed: task, status, "),
        ("sort=--task", "is no order"),
        ("size=51", "is no size of a page; allowed: 25, 50, 100, 200"),
        ("page=0", "a whole number from 1 on is needed"),
        ("page=²", "a whole number"),
        ("page=9999999999", "a whole number"),
        ("overdue=no", "may be yes, or be left out"),
        (f"q={'x' * 201}", "is longer than 200 characters"),
        ("grup=renders", "is no parameter; allowed: account, error_code, group, "),
        ("group=a&group=b", "stands twice; give it once"),
    ],
)
def test_what_is_wrong_is_said(text: str, fault: str) -> None:
    with pytest.raises(Refusal) as refused:
        query(text)
    assert refused.value.status == 422
    assert fault in str(refused.value.errors[0]["message"])


def test_whoever_pages_too_far_gets_the_last_page_that_there_can_be() -> None:
    assert query("page=1000000").page == 100


def test_a_column_is_sorted_as_one_wants_it_first_and_then_the_other_way() -> None:
    first = TasksQuery(page=3).sorted_by(Order.CREDITS)
    assert (str(first.sort), first.page) == ("-credits", 1)
    assert str(first.sorted_by(Order.CREDITS).sort) == "credits"
    assert str(first.sorted_by(Order.GROUP).sort) == "group"


TASK = replace(
    task_view(0),
    labels=TaskLabels("main", "renders", "sora-2", (("team", "Video"),)),
    state=replace(task_view(0).state, ref=TaskRef("main", "task_ABC", "my-render"), error_code="quota"),
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", True),
        ("group=renders&account=main&model=sora-2&error_code=quota", True),
        ("group=render", False),
        ("account=other", False),
        ("model=sora", False),
        ("error_code=x", False),
        ("q=abc", True),
        ("q=RENDER", True),
        ("q=video", True),
        ("q=team", False),
    ],
)
def test_which_tasks_are_meant(text: str, *, found: bool) -> None:
    assert query(text).matches(TASK) is found


@pytest.mark.parametrize("status", Status)
def test_open_and_ended_are_all_there_are(status: Status) -> None:
    assert query("status=open").takes(status) is not query("status=ended").takes(status)
    assert query("status=open").takes(status) is not status.is_terminal
    assert query(f"status={status}").takes(status)


def test_a_link_of_hostile_names_is_one_parameter() -> None:
    link = TasksQuery(group="a&status=failed#x?y=%26\x00é", model="b").link
    assert parse_qs(urlsplit(link).query) == {"group": ["a&status=failed#x?y=%26\x00é"], "model": ["b"]}
