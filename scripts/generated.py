"""The generated files of this repository: ``write`` them, or ``check`` that they are what their generators print."""

import difflib
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

CHART = "config/helm/bytespike-exporter"
"""A chart takes nothing from outside its folder: what it shares is there a second time."""

# each file, and the module that prints it
GENERATED: Mapping[str, str] = {
    "README.md": "scripts.readme",
    "config/exporter.schema.json": "exporter.settings.schema_json",
    f"{CHART}/values.schema.json": "scripts.chart_schema",
    f"{CHART}/files/account-families.txt": "scripts.account_families",
    f"{CHART}/files/dashboards/credits.json": "dashboards.credits",
    f"{CHART}/files/dashboards/exporter_and_api.json": "dashboards.exporter_and_api",
    f"{CHART}/files/dashboards/group_and_model.json": "dashboards.group_and_model",
    f"{CHART}/files/dashboards/overview.json": "dashboards.overview",
    f"{CHART}/files/dashboards/task_explorer.json": "dashboards.task_explorer",
    f"{CHART}/files/rules/alerts.yml": "monitoring.alerting",
    f"{CHART}/files/rules/recording.yml": "monitoring.recording",
    "config/kubernetes/prometheus-rule.yaml": "monitoring.kubernetes",
    "config/prometheus/rules/alerts.yml": "monitoring.alerting",
    "config/prometheus/rules/recording.yml": "monitoring.recording",
    "dashboards/credits.json": "dashboards.credits",
    "dashboards/exporter_and_api.json": "dashboards.exporter_and_api",
    "dashboards/group_and_model.json": "dashboards.group_and_model",
    "dashboards/overview.json": "dashboards.overview",
    "dashboards/task_explorer.json": "dashboards.task_explorer",
    "docs/alerts.md": "monitoring.page",
    "docs/images/performance.svg": "benchmarks.charts.performance",
    "docs/images/soak.svg": "benchmarks.charts.soak",
    "docs/kubernetes.md": "scripts.chart_values",
    "docs/metrics.md": "exporter.metrics.docs",
    "docs/openapi.json": "exporter.web.api.openapi",
    "docs/performance.md": "benchmarks.page",
}


def rendered(module: str, root: Path) -> str:
    """Return what the module prints; its own traceback tells why when it fails."""
    command = [sys.executable, "-m", module]
    return subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout


def drift(root: Path, table: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of a diff from what is committed to what would be written."""
    for name, module in table.items():
        path = root / name
        committed = path.read_text(encoding="utf-8") if path.exists() else ""
        yield from difflib.unified_diff(
            committed.splitlines(), rendered(module, root).splitlines(), name, f"python -m {module}", lineterm=""
        )


def write(root: Path, table: Mapping[str, str]) -> None:
    """Write every file; one whose generator fails is left as it is."""
    for name, module in table.items():
        text = rendered(module, root)
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def main(arguments: Sequence[str], root: Path = ROOT, table: Mapping[str, str] = GENERATED) -> int:
    """Return the exit status: 1 when a file has drifted, 2 when the command is not known."""
    match arguments:
        case ["write"]:
            write(root, table)
            return 0
        case ["check"]:
            difference = list(drift(root, table))
            print("\n".join([*difference, "Run: make docs"] if difference else ["generated files: up to date"]))
            return 1 if difference else 0
        case _:
            print("usage: generated.py write|check", file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
