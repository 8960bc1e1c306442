import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.dispatcher.answer import Drift
from exporter.dispatcher.wire import Fields, numeral


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.50", 1.5), (" 7 ", 7.0), ("-3", -3.0), ("+2", 2.0), ("1e3", 1000.0), ("0.00", 0.0)],
)
def test_a_plain_numeral_is_read(text: str, value: float) -> None:
    assert numeral(text) == value


@pytest.mark.parametrize(
    "text", ["", "nan", "inf", "1_000", "0x10", "1,5", "1e999", "9" * 31, "\u0661", "1.5 USD", "."]
)
def test_anything_else_is_no_numeral(text: str) -> None:
    assert numeral(text) is None


@given(st.text())
def test_a_numeral_is_finite(text: str) -> None:
    value = numeral(text)
    assert value is None or math.isfinite(value)


@pytest.mark.parametrize(("value", "number"), [(0, 0.0), (1.47, 1.47), ("1.47", 1.47), (10**12, 1e12)])
def test_numbers_are_read(value: object, number: float) -> None:
    fields = Fields({"n": value})
    assert (fields.number("n"), fields.drift) == (number, ())


@pytest.mark.parametrize("value", [True, False, -1, "-1", math.nan, math.inf, 10**13, 10**400, "x", [], {}, ""])
def test_what_is_no_number_is_left_out_and_noted(value: object) -> None:
    fields = Fields({"n": value})
    assert (fields.number("n"), fields.drift) == (None, (Drift.MISTYPED_FIELD,))


@pytest.mark.parametrize("record", [{}, {"x": None}])
def test_absent_and_null_are_the_same_and_no_drift(record: dict[str, object]) -> None:
    fields = Fields(record)
    assert (fields.number("x"), fields.word("x", limit=9), fields.prose("x", limit=9)) == (None, None, None)
    assert not fields.has("x")
    assert fields.drift == ()


@pytest.mark.parametrize("value", ["", "abcdef", "a\nb", "\ud800", 7, ["a"]])
def test_what_is_no_word_is_left_out_and_noted(value: object) -> None:
    fields = Fields({"w": value})
    assert (fields.word("w", limit=5), fields.drift) == (None, (Drift.MISTYPED_FIELD,))


def test_a_word_is_taken_as_it_is() -> None:
    assert Fields({"w": "naïve"}).word("w", limit=5) == "naïve"


@pytest.mark.parametrize(
    ("value", "text"), [("one\ntwo", "one two"), ("x" * 50, "x" * 10), ("  ", None), ("\x1b[31mred", "[31mred")]
)
def test_prose_is_one_line_within_its_limit(value: str, text: str | None) -> None:
    fields = Fields({"p": value})
    assert (fields.prose("p", limit=10), fields.drift) == (text, ())


def test_prose_that_is_no_text_is_noted() -> None:
    fields = Fields({"p": {"en": "no"}})
    assert (fields.prose("p", limit=10), fields.drift) == (None, (Drift.MISTYPED_FIELD,))


def test_each_kind_of_drift_is_noted_once_inner_objects_included() -> None:
    fields = Fields({"a": [], "b": {}})
    fields.number("a")
    fields.inner({"c": []}).number("c")
    fields.note(Drift.LEGACY_SHAPE)
    assert fields.drift == (Drift.MISTYPED_FIELD, Drift.LEGACY_SHAPE)
