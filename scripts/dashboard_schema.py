"""Hold the dashboards against the strict JSON Schema of Grafana's own types; needs node, npm and a minute.

The schema is made from the types that Grafana publishes, in build/dashboard-schema, and is not kept: ``make schema``.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "build" / "dashboard-schema"

PACKAGES = ("@grafana/schema@13.2.1", "ts-json-schema-generator@2.4.0")
TYPES = WORK / "node_modules/@grafana/schema/dist/types/raw"
DASHBOARD = "dashboard/x"

OF_PANELS = {
    "bargauge": ("Options",),
    "stat": ("Options",),
    "state-timeline": ("Options", "FieldConfig"),
    "table": ("Options", "FieldConfig"),
    "timeseries": ("Options", "FieldConfig"),
}
"""The types that each kind of panel has of its own."""

OF_PROMETHEUS = ("expr", "step", "tagKeys", "textFormat", "titleFormat", "useValueForTime")
"""What an annotation of a Prometheus data source has besides: the published type knows only the common fields."""


def main() -> int:
    """Return 0 when every dashboard and every panel is as Grafana's types have it."""
    WORK.mkdir(parents=True, exist_ok=True)
    _run("npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", str(WORK), *PACKAGES)
    parts = list(_parts())
    statuses = [_validate(folder, kind, values) for (folder, kind), values in _grouped(parts).items()]
    return max(statuses)


def _parts() -> Iterator[tuple[str, str, Any]]:
    """Each piece of the dashboards with the folder and the name of its type."""
    for path in sorted((ROOT / "dashboards").glob("*.json")):
        board = json.loads(path.read_text(encoding="utf-8"))
        for panel in board["panels"]:
            for one in panel["panels"] if panel["type"] == "row" else [panel]:
                yield from _of_panel(one)
        for annotation in board["annotations"]["list"]:
            for name in OF_PROMETHEUS:
                annotation.pop(name, None)
        yield DASHBOARD, "Dashboard", board


def _of_panel(panel: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    folder = f"composable/{panel['type'].replace('-', '')}/panelcfg/x"
    values = {"Options": panel["options"], "FieldConfig": panel["fieldConfig"]["defaults"].get("custom", {})}
    for kind in OF_PANELS[panel["type"]]:
        yield folder, kind, values[kind]


def _grouped(parts: list[tuple[str, str, Any]]) -> dict[tuple[str, str], list[Any]]:
    found: dict[tuple[str, str], list[Any]] = {}
    for folder, kind, value in parts:
        found.setdefault((folder, kind), []).append(value)
    return found


def _validate(folder: str, kind: str, values: list[Any]) -> int:
    name = f"{folder.replace('/', '-')}-{kind}"
    schema, instances = WORK / f"{name}.schema.json", WORK / f"{name}.values.json"
    generator = str(WORK / "node_modules/.bin/ts-json-schema-generator")
    source = str(TYPES / folder / "types.gen.d.ts")
    _run(generator, "--path", source, "--type", kind, "--no-type-check", "--out", str(schema))
    one = json.loads(schema.read_text(encoding="utf-8"))
    many = {**one, "$ref": None, "type": "array", "items": {"$ref": one["$ref"]}}
    schema.write_text(json.dumps({key: value for key, value in many.items() if value is not None}), encoding="utf-8")
    instances.write_text(json.dumps(values), encoding="utf-8")
    print(f"{name}: {len(values)}", flush=True)
    check = [sys.executable, "-m", "check_jsonschema", "--schemafile", str(schema), str(instances)]
    return subprocess.run(check, check=False).returncode


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
