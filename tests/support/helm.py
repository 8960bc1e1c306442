"""Helm, where .ci/run could install it, and what it makes of the chart."""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.support.processes import PROJECT

CHART = PROJECT / "config/helm/bytespike-exporter"
KUBERNETES = "1.31"
RELEASE, NAMESPACE = "exporter", "monitoring"

WHY_NOT = "helm is not installed: .ci/run builds it where there is Go"

Values = Mapping[str, Any]
Object = dict[str, Any]


class _Strict(yaml.CSafeLoader):
    """Reads as the API server does: to it a key that stands there twice is a fault."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"twice: {keys}"
        return super().construct_mapping(node, deep)


def is_installed() -> bool:
    return shutil.which("helm") is not None


def run(*arguments: str | Path, values: Values) -> subprocess.CompletedProcess[str]:
    """Run helm with these values."""
    return _helm(arguments, json.dumps(values))


def _helm(arguments: Sequence[str | Path], values: str) -> subprocess.CompletedProcess[str]:
    """The values are JSON, which is YAML; helm reads them from its standard input."""
    return subprocess.run(["helm", *arguments, "--values=-"], input=values, capture_output=True, text=True, check=False)


def rendered(values: Values | None = None, *, chart: Path = CHART, release: str = RELEASE) -> list[Object]:
    """The objects that an installation with these values would make; a key that stands in one twice is a fault."""
    return list(yaml.load_all(_text(json.dumps(values or {}), chart, release), _Strict))


@cache
def _text(values: str, chart: Path, release: str) -> str:
    """Helm takes a second where the machine is busy, and many tests look at the same values."""
    done = _helm(["template", release, chart, f"--namespace={NAMESPACE}", f"--kube-version={KUBERNETES}"], values)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refusal(values: Values) -> str:
    """What helm says of values that it refuses."""
    done = run("template", RELEASE, CHART, f"--kube-version={KUBERNETES}", values=values)
    assert done.returncode == 1, done.stdout
    return done.stderr


def of_kind(kind: str, objects: list[Object]) -> Object:
    """The only object of a kind."""
    [only] = [one for one in objects if one["kind"] == kind]
    return only


def pod(objects: list[Object]) -> Object:
    """The spec of the pods, whoever makes them."""
    [maker] = [one for one in objects if one["kind"] in ("Deployment", "StatefulSet")]
    return dict(maker["spec"]["template"]["spec"])


def service(objects: list[Object]) -> Object:
    """The Service that has an address of its own; the headless one is for what wants to see each pod."""
    [only] = [one for one in objects if one["kind"] == "Service" and one["spec"].get("clusterIP") != "None"]
    return only
