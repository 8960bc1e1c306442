"""Formats by suffix, and what each makes of a text before any of it is checked."""

from pathlib import PurePath

import pytest

from exporter.discovery.written import Format, read_written
from exporter.settings.errors import ConfigError


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
    assert read_written(text, Format.TEXT, name="ids.txt").items == items


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
        ("[" * 100_000, "ids.json: this is not a list of items: it is nested too deep"),
    ],
)
def test_json_by_the_standard(text: str, fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_written(text, Format.JSON, name="ids.json")

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
        read_written(text, Format.YAML, name="ids.yml")

    assert str(caught.value) == fault
