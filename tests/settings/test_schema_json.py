"""The JSON Schema: what stands in config/ is what the models say, and it takes the example."""

import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.settings.load import parse
from exporter.settings.schema_json import as_text, json_schema

CONFIG = Path(__file__).parents[2] / "config"
ACCOUNT = {"name": "default", "api_key_env": "KEY"}


class Loader(yaml.SafeLoader):
    """Leaves times as text, as editors do."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def uncommented() -> str:
    """The example with every optional key taken in."""
    text = (CONFIG / "exporter.yml").read_text(encoding="utf-8")
    return re.sub(r"(?m)^( *)# ", r"\1", text[text.index("---") :])


def judge() -> Any:
    """The class of those who judge by a schema of this version."""
    # to import it takes three seconds of work, for which no process that only collects this file has to wait
    import jsonschema  # type: ignore[import-untyped] # it ships no types, and nothing else here needs it

    return jsonschema.Draft202012Validator


def complaints(value: Any) -> list[str]:
    validator = judge()(json_schema())
    return [error.message for error in validator.iter_errors(value)]


def keys(schema: dict[str, Any], whole: dict[str, Any]) -> Iterator[str]:
    """Every key that the schema knows of."""
    yield from schema.get("properties", {})
    for definition in whole.get("$defs", {}).values():
        yield from definition.get("properties", {})


def test_the_committed_schema_is_current() -> None:
    assert (CONFIG / "exporter.schema.json").read_text(encoding="utf-8") == as_text(), (
        "run: python -m exporter.settings.schema_json > config/exporter.schema.json"
    )


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.warns(RuntimeWarning, match="found in sys.modules"):
        runpy.run_module("exporter.settings.schema_json", run_name="__main__")

    assert capsys.readouterr().out == as_text()


def test_it_is_a_schema() -> None:
    judge().check_schema(json_schema())


@pytest.mark.parametrize("text", [(CONFIG / "exporter.yml").read_text(encoding="utf-8"), uncommented()])
def test_it_takes_the_example(text: str) -> None:
    assert complaints(yaml.load(text, Loader)) == []


def test_the_example_uncommented_loads() -> None:
    group = parse(uncommented(), file="exporter.yml", base=CONFIG).task_groups[0]

    assert group.api_config
    assert group.callback_config
    assert group.file_sd_configs
    assert group.http_sd_configs
    assert group.static_configs[0].submitted_at == 1_779_697_800.0


def test_the_example_shows_every_key() -> None:
    text = (CONFIG / "exporter.yml").read_text(encoding="utf-8")
    schema = json_schema()

    assert [key for key in keys(schema, schema) if not re.search(rf"\b{key}\b", text)] == []


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"accounts": []},
        {"accounts": [ACCOUNT], "scrape_interval": "15s"},
        {"accounts": [{**ACCOUNT, "api_key": "x"}]},
        {"accounts": [{**ACCOUNT, "max_in_flight": 0}]},
        {"accounts": [{**ACCOUNT, "max_in_flight": 1001}]},
        {"accounts": [{**ACCOUNT, "max_requests_per_second": 0}]},
        {"accounts": [{**ACCOUNT, "max_requests_per_second": 1_000_001}]},
        {"accounts": [{**ACCOUNT, "max_requests_per_second": "fast"}]},
        {"accounts": [{**ACCOUNT, "timeout": 10}]},
        {"accounts": [{**ACCOUNT, "timeout": "soon"}]},
        {"accounts": [{**ACCOUNT, "timeout": ""}]},
        {"accounts": [{**ACCOUNT, "base_url": "https://user:pass@host"}]},
        {"accounts": [ACCOUNT], "global": {"poll": {"strategy": "random"}}},
        {"accounts": [ACCOUNT], "task_groups": None},
    ],
)
def test_it_refuses(value: Any) -> None:
    assert complaints(value)
