"""Field types take JSON's plain values as well as YAML's scalars: discovery reads both."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from exporter.settings import fields
from exporter.settings.reader import STEP


@pytest.mark.parametrize(
    ("field", "value", "read"),
    [
        (fields.TaskId, "task_1", "task_1"),
        (fields.Whole, 2, 2),
        (fields.Number, 2, 2.0),
        (fields.Number, 0.5, 0.5),
        (fields.Flag, True, True),
        (fields.Duration, "5m", 300.0),
        (fields.Moment, "2026-05-25T08:30:00Z", 1_779_697_800.0),
        (fields.Moment, "2026-05-25 08:30:00.5z", 1_779_697_800.5),
        (fields.BaseUrl, "http://[::1]:8080/", "http://[::1]:8080"),
    ],
)
def test_takes(field: Any, value: object, read: object) -> None:
    assert TypeAdapter(field).validate_python(value) == read


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (fields.TaskId, 1),
        (fields.TaskId, None),
        (fields.TaskId, "task\u00a01"),
        (fields.TaskId, "task\x00"),
        (fields.TaskId, ".."),
        (fields.TaskId, "a/%2e%2E/b"),
        (fields.Whole, "2"),
        (fields.Whole, True),
        (fields.Whole, 2.0),
        (fields.Number, "2"),
        (fields.Number, True),
        (fields.Number, float("nan")),
        (fields.Flag, "true"),
        (fields.Flag, 1),
        (fields.Duration, 300),
        (fields.Name, "-a"),
        (fields.Name, "a" * 101),
        (fields.Name, "a\n"),
        (fields.LabelName, "a" * 101),
        (fields.LabelName, "\u00e9quipe"),
        (fields.LabelValue, "a\u2028b"),
        (fields.Variable, "A" * 101),
        (fields.Url, "http://"),
        (fields.Url, "http://[::1"),
        (fields.Url, "http://host:0/"),
        (fields.Url, "http://xn--zz--.example/"),
        (fields.Url, "http://ho st/"),
        (fields.Url, "http://host\\@evil/"),
        (fields.Url, "http://host/\n"),
        (fields.BaseUrl, "http://host/#part"),
        (fields.LedgerUrl, "sqlite:///a?mode=ro"),
        (fields.LedgerUrl, "sqlite:///"),
        (fields.LedgerUrl, "sqlite:///a\x07"),
        (fields.Moment, "2026-05-25"),
    ],
)
def test_refuses(field: Any, value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(field).validate_python(value)


ODD = ["", "x" * 201, "a b", "a\n", "task\u00a01", "..", "a/%2e%2E/b", "sk-byts-0123456789abcdef", 1, None, ["a"], {}]


@pytest.mark.parametrize("odd", ODD)
@given(at=st.integers(0, 20))
def test_among_many_ids_no_odd_one_is_taken_for_plain(odd: object, at: int) -> None:
    ids: list[object] = [f"task_{number}" for number in range(20)]

    assert fields.plain_ids(ids) == tuple(ids)
    assert fields.plain_ids([*ids[:at], odd, *ids[at:]]) == ()


@given(st.lists(st.text(st.characters(max_codepoint=0x2FF), max_size=3) | st.sampled_from(["a", "task_1", "x" * 201])))
def test_ids_that_are_plain_are_ids_each_by_itself(values: list[str]) -> None:
    plain = fields.plain_ids(values)

    assert plain == (tuple(fields.task_id(value) for value in values) if plain else ())


@pytest.mark.parametrize("ids", [["x" * 200] * 100, ["x"] * (STEP + 1)], ids=["long ones", "many"])
def test_what_would_take_long_is_not_looked_at_together(ids: list[str]) -> None:
    assert fields.plain_ids(ids) == ()
