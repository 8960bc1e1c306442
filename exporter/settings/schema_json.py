"""The JSON Schema of the configuration file, so that editors complete and check it.

``python -m exporter.settings.schema_json`` prints it; ``config/exporter.schema.json`` is what it printed last.
"""

import json
import sys
from typing import Any

from pydantic import TypeAdapter

from exporter.settings.durations import PATTERN, to_text
from exporter.settings.model import Settings

_BOUNDS = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum"}
"""pydantic leaves the bounds of a value that is read by a function of ours under its own names."""


def json_schema() -> dict[str, Any]:
    """The schema, draft 2020-12."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "bytespike-exporter configuration",
        **_as_written(TypeAdapter(Settings).json_schema()),
    }


def as_text() -> str:
    """The schema as it stands in its file."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _as_written(value: Any) -> Any:
    """The schema in terms of the file: durations as text, and keys left out rather than null."""
    if isinstance(value, list):
        return [_as_written(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "anyOf" in value:
        value = {**value["anyOf"][0], **{key: rest for key, rest in value.items() if key != "anyOf"}}
    if value.get("pattern") == PATTERN and "default" in value:
        value = {**value, "default": to_text(value["default"])}
    return {_BOUNDS.get(key, key): _as_written(item) for key, item in value.items() if not _is_noise(key, item, value)}


def _is_noise(key: str, value: object, schema: dict[str, Any]) -> bool:
    if key == "default":
        # A mapping's defaults stand at its own keys; no value and empty text stand for a key that is left out.
        return value in (None, "") or isinstance(value, dict) or schema.get("type") == "object"
    # Titles made from attribute names say nothing that the key does not.
    return key == "title" and isinstance(value, str)


if __name__ == "__main__":
    sys.stdout.write(as_text())
