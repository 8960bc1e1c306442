"""A list is read item by item, and is or is not JSON for the same reasons as where it is read in one go."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.discovery import written
from exporter.discovery.lists import Defaults, parse_list
from exporter.discovery.written import WINDOW, Format, read_written
from exporter.settings.errors import ConfigError
from exporter.settings.reader import MAX_FAULTS, STEP


def read(text: str, form: Format) -> list[object]:
    return list(read_written(text, form, name="ids").items)


def answer(text: str) -> object:
    """What is read, or what is wrong with it."""
    try:
        return read(text, Format.JSON)
    except ConfigError as error:
        return str(error)


def in_one_go(text: str) -> object:
    """As the standard library reads it."""
    try:
        items = json.loads(text, parse_constant=float)
    except json.JSONDecodeError as error:
        return f"ids:{error.lineno}: this is not JSON: {error.msg}"
    return items if isinstance(items, list) else "ids: expected a list of items, as in static_configs"


@pytest.mark.parametrize("window", [0, 5, WINDOW])
@given(text=st.text(alphabet='[]{}",:0a\\ \n-', max_size=30))
def test_json_is_what_the_standard_library_takes_for_it(text: str, window: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(written, "WINDOW", window)
        assert answer(f"[{text}") == in_one_go(f"[{text}")
        assert answer(text) == in_one_go(text)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=4),
    max_leaves=25,
)


@pytest.mark.parametrize("window", [0, 5, WINDOW])
@given(items=st.lists(VALUES, max_size=6), indent=st.sampled_from([None, 0, 2]))
def test_any_items_are_read(items: list[object], indent: int | None, window: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(written, "WINDOW", window)
        assert read(json.dumps(items, indent=indent), Format.JSON) == items


@pytest.mark.parametrize(
    ("text", "form"), [('[["a"], oh', Format.JSON), ("- [a]\n- [}", Format.YAML)], ids=["json", "yaml"]
)
def test_an_item_is_read_before_the_next_one(text: str, form: Format) -> None:
    items = read_written(text, form, name="ids").items

    assert len([next(items)]) == 1
    with pytest.raises(ConfigError):
        next(items)


def test_a_fault_of_text_stands_on_its_line_in_a_later_item(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(written, "STEP", 3)
    with pytest.raises(ConfigError) as caught:
        parse_list(b"a\nb\n\nc\na\nd d\nb\n", Format.TEXT, name="ids", defaults=Defaults("", (), frozenset()))

    assert [fault.line for fault in caught.value.faults] == [6]


@pytest.mark.parametrize("step", [1, 3, STEP])
@given(lines=st.lists(st.sampled_from(["", "a", "bc", " d ", "# e", "task_1", "long" * 5])))
def test_the_same_lines_are_read_however_many_at_once(step: int, lines: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(written, "STEP", step)
        targets = parse_list("\n".join(lines).encode(), Format.TEXT, name="ids", defaults=Defaults("", (), frozenset()))

    words = dict.fromkeys(word for line in lines if (word := line.strip()) and word[0] != "#")
    assert [each for target in targets for each in target.task_ids] == [each for each in words if each == "task_1"]
    assert [each for target in targets for each in target.out_task_ids] == [each for each in words if each != "task_1"]


MANY = 30_000
HOSTILE = {
    "a million keys": (Format.JSON, json.dumps([dict.fromkeys(range(MANY))]), "[0]: has more than 100 keys"),
    "a million labels": (
        Format.JSON,
        json.dumps([{"task_ids": ["a"], "labels": dict.fromkeys(range(MANY))}]),
        "[0].labels: has more than 100 keys",
    ),
    "deep": (Format.JSON, "[" * MANY, "this is not a list of items: it is nested too deep"),
    "deep objects": (Format.JSON, '[{"a":' * MANY, "this is not a list of items: it is nested too deep"),
    "digits": (Format.JSON, f"[{'1' * MANY}]", "this is not JSON: a number has too many digits"),
    "a long id": (Format.JSON, json.dumps([{"task_ids": ["x" * MANY]}]), "[0].task_ids[0]: is longer than 4096"),
    "bad ids": (Format.JSON, json.dumps([{"task_ids": ["a b"] * MANY}]), "[0].task_ids[0]: expected an id"),
    "bad items": (Format.JSON, json.dumps([None] * MANY), "[0]: expected a mapping"),
    "bad lines": (Format.TEXT, "".join(f"a {number}\n" for number in range(MANY)), "1: expected an id"),
    "many YAML keys": (
        Format.YAML,
        "- {" + ", ".join(f"k{number}: 1" for number in range(MANY)) + "}",
        "1: [0]: more than 1000 keys; no more are allowed",
    ),
    "tags": (Format.YAML, "- task_ids: [" + ", ".join(["!t a"] * MANY) + "]", "1: [0].task_ids[0]: tags (!...)"),
    "deep YAML": (Format.YAML, "[" * MANY, "1: [0][0][0]: more than 20 levels"),
    "bad YAML ids": (
        Format.YAML,
        "- task_ids: [" + ", ".join(["a b"] * MANY) + "]",
        "1: [0].task_ids[0]: expected an id",
    ),
    "a control character": (Format.YAML, "- a\n" * STEP + "\x01", f"{STEP + 1}: a control character (U+0001)"),
}


@pytest.mark.parametrize(("form", "text", "fault"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_list_has_few_faults(form: Format, text: str, fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_list(text.encode(), form, name="ids", defaults=Defaults("", (), frozenset()))

    assert str(caught.value.faults[0]).removeprefix("ids:").strip().startswith(fault)
    assert len(caught.value.faults) <= MAX_FAULTS + 1
