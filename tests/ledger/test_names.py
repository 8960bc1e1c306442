"""Tasks by their names, without a database."""

import pytest

from exporter.ledger.deciding import Fact
from exporter.ledger.names import ByName, names_of
from exporter.tasks.identity import TaskRef

BOTH, OWN, OTHER = TaskRef("a", "t", "x"), TaskRef("a", "t"), TaskRef("a", None, "x")


def test_names_are_looked_for_by_account_and_kind() -> None:
    named = names_of([BOTH, TaskRef("a", "t2"), TaskRef("b", None, "x")])
    assert {key: list(names) for key, names in named.by_kind.items()} == {
        ("a", "task_id"): ["t", "t2"],
        ("a", "out_task_id"): ["x"],
        ("b", "out_task_id"): ["x"],
    }


def test_names_are_looked_for_each_once_and_in_order() -> None:
    named = names_of([TaskRef("a", "t3"), TaskRef("a", "t1"), TaskRef("a", "t2"), TaskRef("a", "t1", "x")])
    assert list(named.by_kind["a", "task_id"]) == ["t1", "t2", "t3"]


@pytest.mark.parametrize(
    ("refs", "are_distinct"),
    [
        ([], True),
        ([BOTH], True),
        ([OWN, OTHER], True),
        ([OWN, TaskRef("b", "t")], True),
        ([TaskRef("a", "x"), OTHER], True),
        ([OWN, OWN], False),
        ([BOTH, OWN], False),
        ([BOTH, OTHER], False),
        ([BOTH, TaskRef("a", "other", "x")], False),
    ],
)
def test_names_are_distinct_where_no_id_comes_twice(refs: list[TaskRef], *, are_distinct: bool) -> None:
    assert names_of(refs).are_distinct is are_distinct


@pytest.mark.parametrize(
    ("ref", "are_all_there"), [(BOTH, False), (OWN, True), (OTHER, False), (TaskRef("b", "t"), False)]
)
def test_a_task_is_among_the_names_with_each_of_its_ids(ref: TaskRef, *, are_all_there: bool) -> None:
    assert names_of([OWN, TaskRef("a", "x")]).have_all(ref) is are_all_there


def test_names_beyond_others_are_those_that_the_others_lack() -> None:
    beyond = names_of([BOTH, TaskRef("b", None, "x")]).beyond(names_of([OWN]))
    assert beyond.by_kind == {("a", "out_task_id"): {"x": None}, ("b", "out_task_id"): {"x": None}}


@pytest.mark.parametrize(
    ("ref", "found"),
    [
        (OWN, [0, 1]),
        (OTHER, [0, 2, 3]),
        (BOTH, [0, 1, 2]),
        (TaskRef("a", "other"), [3]),
        (TaskRef("a", "nobody", "x"), [2]),
        (TaskRef("a", "nobody"), []),
        (TaskRef("b", "t", "x"), []),
    ],
)
def test_what_is_said_is_found_by_either_name_each_once(ref: TaskRef, found: list[int]) -> None:
    facts = [Fact(BOTH, row=0), Fact(OWN, row=1), Fact(OTHER, row=2), Fact(TaskRef("a", "other", "x"), row=3)]
    assert [fact.row for fact in ByName(facts).find(ref)] == found
