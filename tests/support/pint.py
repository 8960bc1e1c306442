"""cloudflare/pint, where .ci/run could install it."""

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.support.processes import PROJECT

CONFIG = PROJECT / ".pint.hcl"
RULES = PROJECT / "config" / "prometheus" / "rules"

OF_SIDECARS = "ByteSpike(SubmissionsFailing|ProxyUpstreamFailing)"

WHY_NOT = "pint is not installed: most of its rules are tested here all the same"


def is_installed() -> bool:
    return shutil.which("pint") is not None


def faults(*arguments: str, config: Path = CONFIG, rules: Iterable[Path] = (RULES,)) -> str:
    """What pint, at its strictest, has against the rules; nothing where it is content."""
    command = ["pint", "--no-color", f"--config={config}", *arguments, "lint", "--min-severity=info", "--fail-on=info"]
    found = subprocess.run([*command, *map(str, rules)], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert "Checking Prometheus rules" in found.stderr + found.stdout, found.stderr
    return "" if found.returncode == 0 else found.stderr + found.stdout


def beside(prometheus: str, directory: Path) -> Path:
    """The configuration for all that pint asks a running Prometheus (URL), too. It sees exporters without a sidecar."""
    path = directory / "pint.hcl"
    live = f'prometheus "live" {{\n  uri     = "{prometheus}"\n  timeout = "30s"\n}}\n'
    absent = f'rule {{\n  match {{\n    name = "{OF_SIDECARS}"\n  }}\n  disable = ["promql/series"]\n}}\n'
    path.write_text(f"{CONFIG.read_text()}\n{live}\n{absent}")
    return path
