"""A list becomes items, or every mistake in it is told."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import PurePath

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from exporter.discovery import lists
from exporter.discovery.items import Items
from exporter.discovery.lists import Defaults, ListParser, items_of, max_bytes, parse_items, parse_list
from exporter.discovery.written import MAX_IDS, Format, read_written
from exporter.logs import Secrets
from exporter.settings.errors import ConfigError, in_short
from exporter.settings.model import GroupSettings, TargetSettings
from exporter.tasks.identity import TaskRef, leads_elsewhere
from exporter.tasks.item import Item, TaskLabels

GROUP = GroupSettings(name="renders", account="default", model="sora-2-pro", labels=(("team", "video"),))
DEFAULTS = Defaults.of(GROUP, ["team", "tier"])
OWN = {"model": "sora-2-pro", "labels": (("team", "video"),)}

FULL = [
    {"task_ids": ["task_1", "123"], "out_task_ids": ["render-1"]},
    {
        "out_task_ids": ["render-2"],
        "model": "sora-2",
        "labels": {"tier": "gold", "team": "trailers"},
        "submitted_at": "2026-05-25T08:30:00Z",
    },
]
AT = datetime(2026, 5, 25, 8, 30, tzinfo=UTC).timestamp()
TARGETS = (
    TargetSettings(
        task_ids=("task_1", "123"), out_task_ids=("render-1",), model="sora-2-pro", labels=(("team", "video"),)
    ),
    TargetSettings(
        out_task_ids=("render-2",), model="sora-2", labels=(("team", "trailers"), ("tier", "gold")), submitted_at=AT
    ),
)


def read(text: str | bytes, form: Format) -> tuple[TargetSettings, ...]:
    content = text.encode() if isinstance(text, str) else text
    return parse_list(content, form, name="ids", defaults=DEFAULTS)


def faults(text: str | bytes, form: Format) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(text, form)
    return [str(fault) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("text", "form"), [(json.dumps(FULL), Format.JSON), (yaml.safe_dump(FULL), Format.YAML)], ids=["json", "yaml"]
)
def test_an_item_says_what_static_configs_may_say(text: str, form: Format) -> None:
    assert read(text, form) == TARGETS


def test_items_that_are_values_already() -> None:
    assert parse_items(FULL, name="body", defaults=DEFAULTS) == TARGETS


def test_text_has_what_the_group_says() -> None:
    assert read("render-1\ntask_1\n", Format.TEXT) == (
        TargetSettings(("task_1",), ("render-1",), model="sora-2-pro", labels=(("team", "video"),)),
    )


@pytest.mark.parametrize(("text", "form"), [("[]", Format.YAML), ("[]", Format.JSON), ("", Format.TEXT)])
def test_a_list_may_be_empty(text: str, form: Format) -> None:
    assert read(text, form) == ()


def test_ids_are_text_whatever_they_look_like() -> None:
    assert read("- task_ids: [123, on, 1e3, 0x1F, 2026-05-25]", Format.YAML)[0].task_ids == (
        *("123", "on", "1e3"),
        *("0x1F", "2026-05-25"),
    )


ALLOWED = "allowed: task_ids, out_task_ids, model, labels, submitted_at"
YAML_FAULTS = """\
- task_ids: [a b, "", a, a]
  tsk_ids: []
- labels: {team: x, teem: y}
- just text
- out_task_ids: render-1
- task_ids: [b]
  submitted_at: yesterday
  model: sora-2
  model: sora-3
- !tag {task_ids: [c]}
"""


def test_every_fault_of_yaml_with_its_line() -> None:
    assert faults(YAML_FAULTS, Format.YAML) == [
        "ids:1: [0].task_ids[0]: expected an id: printable, without spaces, 200 characters at most",
        "ids:1: [0].task_ids[1]: is empty; expected text",
        "ids:1: [0].task_ids[3]: a is named twice, first at [2]; keep one",
        f"ids:2: [0].tsk_ids: unknown key; did you mean task_ids? {ALLOWED}",
        "ids:3: [1]: names no task; task_ids or out_task_ids is needed",
        "ids:3: [1].labels.teem: is not declared in global.labels; allowed: team, tier",
        "ids:4: [2]: expected a mapping (key: value)",
        "ids:5: [3].out_task_ids: expected a list",
        "ids:7: [4].submitted_at: expected a time with its offset, such as 2026-05-25T08:30:00Z (RFC 3339)",
        "ids:9: [4].model: stands twice, first on line 8; keep one",
        "ids:10: [5]: tags (!...) mean nothing here; leave it out",
    ]


def test_every_fault_of_json_with_its_path() -> None:
    text = json.dumps([{"task_ids": [1, "a\nb"], "x": 1}, None, {"out_task_ids": ["ok"], "labels": {"k": "v"}}])

    assert faults(text, Format.JSON) == [
        "ids: [0].task_ids[0]: expected text",
        "ids: [0].task_ids[1]: expected an id: printable, without spaces, 200 characters at most",
        f"ids: [0].x: unknown key; {ALLOWED}",
        "ids: [1]: expected a mapping (key: value)",
        "ids: [2].labels.k: is not declared in global.labels; allowed: team, tier",
    ]


def test_every_fault_of_text_with_its_line() -> None:
    text = f"task_1\nrender 1\n\nok\ntask_\x7f\n{'x' * 201}\n"

    assert faults(text, Format.TEXT) == [
        f"ids:{line}: expected an id: printable, without spaces, 200 characters at most" for line in (2, 5, 6)
    ]


def test_a_fault_for_one_line_of_a_log() -> None:
    with pytest.raises(ConfigError) as caught:
        read("a b\nc d\ne f", Format.TEXT)

    assert in_short(caught.value) == (
        "ids:1: expected an id: printable, without spaces, 200 characters at most (and 2 more)"
    )


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"a\n\xff\n", "ids:2: is not UTF-8, the one encoding that is allowed"),
        (b"\n" * (16 * 1024 * 1024 + 1), "ids: is larger than 16 MiB, the most that is allowed"),
    ],
    ids=["not UTF-8", "too large"],
)
@pytest.mark.parametrize("form", Format)
def test_what_is_no_text(content: bytes, fault: str, form: Format) -> None:
    assert faults(content, form) == [fault]


def test_a_byte_order_mark_is_no_mistake() -> None:
    assert read(b"\xef\xbb\xbftask_1", Format.TEXT)[0].task_ids == ("task_1",)


@pytest.mark.parametrize(
    "items",
    [
        [{"task_ids": ["a", "b"]}, {"task_ids": ["c"], "out_task_ids": ["d"]}],
        [{"task_ids": []}] * 4,
    ],
    ids=["ids", "items"],
)
def test_a_list_has_a_limit(items: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MAX_IDS", 4)
    assert len(items_of(GROUP, read(json.dumps(items), Format.JSON))) <= 4

    monkeypatch.setattr(lists, "MAX_IDS", 3)
    assert faults(json.dumps(items), Format.JSON) == ["ids: has more than 3 items or ids, the most that is allowed"]
    assert faults(yaml.safe_dump(items), Format.YAML) == [
        "ids:1: has more than 3 items or ids, the most that is allowed"
    ]


def test_a_text_has_the_same_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MAX_IDS", 2)

    assert faults("a\nb\nc", Format.TEXT) == ["ids: has more than 2 items or ids, the most that is allowed"]


def test_the_faults_that_are_told_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MAX_FAULTS", 3)
    bad = {"task_ids": ["a b", "c d"]}
    found = faults(json.dumps([bad] * 3), Format.JSON)

    assert [fault.partition(":")[2].partition(":")[0].strip() for fault in found] == [
        *("[0].task_ids[0]", "[0].task_ids[1]", "[1].task_ids[0]", "[1]")
    ]
    assert found[3] == "ids: [1]: more than 3 faults; no more are looked for"
    assert len(faults(json.dumps([bad]), Format.JSON)) == 2


def answer(content: bytes, form: Format) -> object:
    """Whatever stands there, it names tasks or it has faults; nothing else is raised."""
    try:
        return read(content, form)
    except ConfigError as error:
        return error.faults[0]


@given(st.binary(max_size=300), st.sampled_from(Format))
def test_any_bytes_are_answered(content: bytes, form: Format) -> None:
    answer(content, form)


@given(st.text(alphabet='[]{}",:-# \n\ttaskidsoutmode&*!|>%@\\0123', max_size=80), st.sampled_from(Format))
def test_any_text_of_the_right_characters_is_answered(text: str, form: Format) -> None:
    answer(text.encode(), form)


KEYS = st.sampled_from(["task_ids", "out_task_ids", "model", "labels", "submitted_at", "team", "x"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=25,
)


@given(VALUES, st.sampled_from([Format.JSON, Format.YAML]))
def test_any_shape_is_answered(shape: object, form: Format) -> None:
    text = json.dumps(shape) if form is Format.JSON else yaml.safe_dump(shape)

    answer(text.encode(), form)


IDS = st.lists(
    st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=20).filter(
        lambda name: not (name.startswith("#") or leads_elsewhere(name))
    ),
    unique=True,
    max_size=6,
)


@given(IDS)
def test_every_format_names_the_same_tasks(ids: list[str]) -> None:
    by_kind: dict[str, list[str]] = {"task_ids": [], "out_task_ids": []}
    for name in ids:
        by_kind["task_ids" if name.startswith("task_") else "out_task_ids"].append(name)
    text = read("\n".join(ids), Format.TEXT)

    assert read(json.dumps([by_kind]), Format.JSON) == read(yaml.safe_dump([by_kind]), Format.YAML)
    assert not ids or text == read(json.dumps([by_kind]), Format.JSON)


# ---- formats ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.yml", Format.YAML),
        ("a.yaml", Format.YAML),
        ("a.json", Format.JSON),
        ("a.txt", Format.TEXT),
        ("a.ids", Format.TEXT),
        ("a", Format.TEXT),
        (".yml", Format.TEXT),
        ("a.yml.bak", Format.TEXT),
    ],
)
def test_the_suffix_tells_the_format(name: str, form: Format) -> None:
    assert Format.of(PurePath("/tasks") / name) is form


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("", []),
        ("\n  \n# nothing yet\n", []),
        ("task_1", [{"task_ids": ["task_1"]}]),
        ("render-1\r\n", [{"out_task_ids": ["render-1"]}]),
        (
            " task_1 \nrender-1\n\n# more\ntask_2\nrender-1\n",
            [{"task_ids": ["task_1", "task_2"], "out_task_ids": ["render-1"]}],
        ),
        ("123\nnull\n'quoted'", [{"out_task_ids": ["123", "null", "'quoted'"]}]),
    ],
)
def test_text_is_one_id_a_line(text: str, items: object) -> None:
    assert list(read_written(text, Format.TEXT, name="ids.txt").items) == items


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "ids.json:1: this is not JSON: Expecting value"),
        ('[{"task_ids": ["a"]\n', "ids.json:2: this is not JSON: Expecting ',' delimiter"),
        ("[] []", "ids.json:1: this is not JSON: Extra data"),
        ("{}", "ids.json: expected a list of items, as in static_configs"),
        ("null", "ids.json: expected a list of items, as in static_configs"),
        ("[NaN]", "ids.json: this is not JSON: NaN is no number"),
        ("[" + "1" * 5000 + "]", "ids.json: this is not JSON: a number has too many digits"),
        ('[{"b": 1, "a": 1, "a": 2}]', "ids.json: this is not JSON: a stands twice in one object; keep one"),
        (
            json.dumps(dict.fromkeys(range(200_000)))[:-1] + ', "7": 1}',
            "ids.json: this is not JSON: 7 stands twice in one object; keep one",
        ),
        ("[" * 100_000, "ids.json: this is not a list of items: it is nested too deep"),
    ],
)
def test_json_by_the_standard(text: str, fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        list(read_written(text, Format.JSON, name="ids.json").items)

    assert str(caught.value) == fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "ids.yml:1: is empty; a list without items is []"),
        ("# nothing yet\n", "ids.yml:1: is empty; a list without items is []"),
        ("task_ids: [a]", "ids.yml:1: expected a list of items, as in static_configs"),
        ("- a\n---\n- b", "ids.yml:2: a second document begins here; only one is allowed"),
        ("- a\n- [}", "ids.yml:2: this is not YAML: did not find expected node content"),
    ],
)
def test_yaml_by_the_rules_of_the_configuration(text: str, fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        list(read_written(text, Format.YAML, name="ids.yml").items)

    assert str(caught.value) == fault


# ---- items -----------------------------------------------------------------------------------------------------------


def test_one_item_for_each_id() -> None:
    targets = [
        TargetSettings(("task_1", "task_2"), ("render-1",), "sora-2", (("team", "video"),), submitted_at=5.0),
        TargetSettings(out_task_ids=("render-2",)),
        TargetSettings(),
    ]
    labels = TaskLabels("default", "renders", "sora-2", (("team", "video"),))

    assert items_of(GroupSettings(name="renders", account="default"), targets) == (
        Item(TaskRef("default", task_id="task_1"), labels, 5.0),
        Item(TaskRef("default", task_id="task_2"), labels, 5.0),
        Item(TaskRef("default", out_task_id="render-1"), labels, 5.0),
        Item(TaskRef("default", out_task_id="render-2"), TaskLabels("default", "renders", "")),
    )


def test_a_parser_makes_the_items_of_its_group() -> None:
    content = json.dumps(FULL).encode()

    assert ListParser.of(GROUP, ["team", "tier"]).parse(content, Format.JSON, name="ids") == Items(
        items_of(GROUP, TARGETS)
    )


def test_tasks_of_the_same_labels_share_them() -> None:
    targets = [TargetSettings((f"task_{number}",), model="sora-2", submitted_at=number) for number in range(3)]

    assert len({id(item.labels) for item in items_of(GROUP, targets)}) == 1


@pytest.mark.parametrize(
    ("form", "content"),
    [
        (Format.TEXT, "a\nb\nc"),
        (Format.JSON, '[{"task_ids": ["a", "b", "c"]}]'),
        (Format.YAML, "- task_ids: [a, b, c]"),
    ],
)
def test_a_source_may_set_the_limit(form: Format, content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MAX_IDS", 1)
    parser = ListParser.of(GROUP, ())

    assert len(replace(parser, max_tasks=3).parse(content.encode(), form, name="ids")) == 3
    with pytest.raises(ConfigError, match="has more than 2 items or ids"):
        replace(parser, max_tasks=2).parse(content.encode(), form, name="ids")


def test_a_list_of_more_tasks_than_usual_may_be_longer() -> None:
    usual = max_bytes(None)

    assert max_bytes(MAX_IDS) == max_bytes(1) == usual
    assert max_bytes(1_000_000) == 1_000_000 * lists.BYTES_A_TASK > usual
    parser = ListParser.of(GROUP, ())
    assert parser.longest == usual
    assert replace(parser, max_tasks=1_000_000).longest == max_bytes(1_000_000)
    assert replace(parser, max_tasks=1_000_000, max_bytes=5).longest == 5


# ---- secrets ---------------------------------------------------------------------------------------------------------

SECRET = "correct-horse-battery-staple"


class Known:
    """A secret that is known once it is looked for."""

    def __init__(self) -> None:
        self._secrets = Secrets()

    def refresh(self) -> None:
        self._secrets.add(SECRET)

    def holds(self, text: str) -> bool:
        return self._secrets.holds(text)

    def may_be_among(self, texts: Sequence[str]) -> bool:
        return self._secrets.may_be_among(texts)


@pytest.mark.parametrize(
    ("content", "form", "place"),
    [
        (SECRET, Format.TEXT, "ids:1: is or holds"),
        (f"good\n# more\n\n{SECRET}\n{SECRET}\n", Format.TEXT, "ids:4: is or holds"),
        (f"Bearer:{SECRET}", Format.TEXT, "ids:1: is or holds"),
        (f"\ufeff{SECRET}\r\n", Format.TEXT, "ids:1: is or holds"),
        (f"- {{task_ids: [a, {SECRET}]}}", Format.YAML, "ids:1: [0].task_ids[1]: is or holds"),
        (f"- out_task_ids:\n  - '{SECRET}'\n  - '{SECRET}'", Format.YAML, "ids:2: [0].out_task_ids[0]: is or holds"),
        (f"- {{task_ids: [a], model: {SECRET}}}", Format.YAML, "ids:1: [0].model: is or holds"),
        (f"- {{task_ids: [a], labels: {{team: {SECRET}}}}}", Format.YAML, "ids:1: [0].labels: is or holds"),
        (f"- {{task_ids: [a], labels: {{{SECRET}: x}}}}", Format.YAML, "ids:1: [0].labels: is or holds"),
        (f"- {{task_ids: [a], {SECRET}: x}}", Format.YAML, "ids:1: [0]: is or holds"),
        (f'[{{"task_ids": ["{SECRET}"]}}]', Format.JSON, "ids: [0].task_ids[0]: is or holds"),
        (f'[{{"task_ids": ["\\u0063{SECRET[1:]}"]}}]', Format.JSON, "ids: [0].task_ids[0]: is or holds"),
    ],
)
def test_no_list_names_a_secret_and_the_fault_names_its_place_alone(content: str, form: Format, place: str) -> None:
    parser = ListParser("default", "renders", Defaults("", (), frozenset({"team"}), Known()))
    with pytest.raises(ConfigError) as caught:
        parser.parse(content.encode(), form, name="ids")
    assert str(caught.value).startswith(place)
    assert SECRET not in str(caught.value)


def test_what_looks_like_a_key_is_no_id_though_nobody_knows_it() -> None:
    assert faults("sk-byts-0123456789abcdef\n", Format.TEXT) == [
        "ids:1: looks like an API key; a key belongs in a file or an environment variable, and its path or name here"
    ]


def test_parsers_that_differ_in_what_they_know_alone_are_one() -> None:
    """A reload makes new ones: the sources that have them run on."""
    assert ListParser.of(GROUP, [], Known()) == ListParser.of(GROUP, [], Known())
