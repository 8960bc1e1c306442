import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.accounting.series import Series, labels_of
from exporter.metrics.limits import LabelBounds
from exporter.tasks.item import TaskLabels


def test_values_beyond_the_limit_become_other() -> None:
    bounds = LabelBounds(limit=2)
    assert [bounds.admit("model", value) for value in "abcab"] == ["a", "b", "other", "a", "b"]
    assert bounds.overflowed == 1


def test_each_refusal_counts() -> None:
    bounds = LabelBounds(limit=0)
    assert [bounds.admit("model", "a") for _ in range(3)] == ["other"] * 3
    assert bounds.overflowed == 3


def test_each_label_has_its_own_room() -> None:
    bounds = LabelBounds(limit=1)
    assert (bounds.admit("model", "a"), bounds.admit("error_code", "b")) == ("a", "b")


@pytest.mark.parametrize("value", ["", "other"])
def test_no_value_and_other_take_no_room(value: str) -> None:
    bounds = LabelBounds(limit=0)
    assert bounds.admit("model", value) == value
    assert bounds.overflowed == 0


def test_admitted_values_outlive_a_lower_limit() -> None:
    bounds = LabelBounds(limit=2)
    assert [bounds.admit("model", value) for value in "ab"] == ["a", "b"]
    bounds.limit = 1
    assert [bounds.admit("model", value) for value in "abc"] == ["a", "b", "other"]


def test_higher_limit_makes_room() -> None:
    bounds = LabelBounds(limit=0)
    assert bounds.admit("model", "a") == "other"
    bounds.limit = 1
    assert bounds.admit("model", "a") == "a"


def test_values_too_long_are_refused() -> None:
    bounds = LabelBounds(limit=10)
    assert bounds.admit("error_code", "x" * 256) == "x" * 256
    assert bounds.admit("error_code", "x" * 257) == "other"
    assert bounds.overflowed == 1


def test_what_utf8_cannot_carry_is_replaced() -> None:
    assert LabelBounds(limit=1).admit("error_code", "bad\ud800") == "bad?"


def test_labels_of_a_task() -> None:
    bounds = LabelBounds(limit=1)
    bounds.remember("team", "video")
    labels = TaskLabels("default", "renders", "sora-2", (("team", "print"),))
    assert bounds.admit_labels(labels) == TaskLabels("default", "renders", "sora-2", (("team", "other"),))


def test_totals_are_remembered_even_beyond_the_limit() -> None:
    bounds = LabelBounds(limit=1)
    stored = [
        Series("bytespike_tasks_finished_total", labels_of(model=model, team="", status="completed"))
        for model in ("a", "b", "other")
    ]
    bounds.restore(stored, user=("team",))
    assert [bounds.admit("model", value) for value in "abc"] == ["a", "b", "other"]
    assert bounds.admit("status", "new") == "new"
    assert bounds.admit("team", "new") == "new"


@given(st.lists(st.tuples(st.sampled_from(["model", "team"]), st.text(max_size=3))), st.integers(0, 5))
def test_never_more_values_than_the_limit(asked: list[tuple[str, str]], limit: int) -> None:
    bounds = LabelBounds(limit)
    given_ = [(name, bounds.admit(name, value)) for name, value in asked]
    for label in ("model", "team"):
        assert len({value for name, value in given_ if name == label} - {"", "other"}) <= limit
    for value in (value for _, value in given_):
        value.encode()
