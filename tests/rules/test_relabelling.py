"""The series of an account are one series whichever replica shows them; those of a replica are its own."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.metrics.catalogue import FAMILIES
from exporter.metrics.families.own import ACCOUNT_OWNED
from exporter.metrics.family import Family, Histogram, Scope
from tests.rules.promtool import ROOT
from tests.support.servers import Servers

FILE = ROOT / "config" / "prometheus" / "replicas.yml"
OF_ACCOUNTS = (Scope.TASKS, Scope.TASK, Scope.ACCOUNT)


def jobs(file: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(file.read_text())["scrape_configs"]
    return found


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_only_what_moves_with_an_account_loses_its_instance(family: Family) -> None:
    [rule] = jobs(FILE)[0]["metric_relabel_configs"]
    suffixes = ("_bucket", "_count", "_sum") if isinstance(family, Histogram) else ("",)
    moves = family.scope in OF_ACCOUNTS and family is not ACCOUNT_OWNED

    assert rule["target_label"] == "instance"
    for suffix in suffixes:
        assert bool(re.fullmatch(rule["regex"], family.name + suffix)) is moves


def test_what_prometheus_itself_adds_keeps_its_instance() -> None:
    [rule] = jobs(FILE)[0]["metric_relabel_configs"]

    assert not any(re.fullmatch(rule["regex"], name) for name in ("up", "scrape_duration_seconds"))


def test_the_rest_is_as_for_one_exporter() -> None:
    one, several = (jobs(FILE.with_name(name))[0] for name in ("prometheus.yml", "replicas.yml"))
    own = ("metric_relabel_configs", "static_configs")

    assert {key: value for key, value in several.items() if key not in own} == {
        key: value for key, value in one.items() if key not in own
    }


def test_prometheus_takes_the_file(servers: Servers) -> None:
    command = [servers.need("promtool"), "check", "config", str(FILE)]

    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
