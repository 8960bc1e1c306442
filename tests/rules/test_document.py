"""The printed files: as committed, as promtool likes them, and the same in every respect but pace where sped up."""

import re
from pathlib import Path

import pytest
import yaml

from monitoring import alerting, page, recording
from monitoring.document import document
from monitoring.rule import Alert, Group, Record, Severity
from tests.rules.promtool import ROOT, RULES, run
from tests.support.servers import Servers

SMALL = (
    Group(
        "small",
        (
            Record("group:x:rate5m", "sum without (instance) (\n  rate(x_total[5m])\n)"),
            Alert(
                name="ByteSpikeSmall",
                severity=Severity.INFO,
                expr="group:x:rate5m * 5m > 3",
                wait="10m",
                keep="5m",
                summary="Small.",
                description="{{ $value }} of it.",
            ),
        ),
        interval="1m",
    ),
)

PRINTED = """\
# By hand.
# yamllint disable rule:line-length
groups:
  - name: small
    interval: 2s
    rules:
      - record: group:x:rate5m
        expr: |-
          sum without (instance) (
            rate(x_total[10s])
          )
      - alert: ByteSpikeSmall
        expr: group:x:rate5m * 10 > 3
        for: 20s
        keep_firing_for: 10s
        labels:
          severity: info
        annotations:
          summary: Small.
          description: '{{ $value }} of it.'
          runbook_url: https://github.com/bytespike/bytespike-exporter/blob/main/docs/runbooks/ByteSpikeSmall.md
          dashboard_url: /d/bytespike-overview
"""


def test_a_file_sped_up_thirty_times() -> None:
    assert document(SMALL, header="By hand.", speed=30) == PRINTED


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("config/prometheus/rules/recording.yml", document(recording.groups(), header=recording.HEADER)),
        ("config/prometheus/rules/alerts.yml", document(alerting.groups(), header=alerting.HEADER)),
        ("docs/alerts.md", page.page()),
    ],
)
def test_what_is_committed_is_what_is_printed(path: str, text: str) -> None:
    assert (ROOT / path).read_text() == text, "run: make docs"


def test_promtool_finds_no_fault(servers: Servers) -> None:
    done = run("check", "rules", "--lint-fatal", *sorted(RULES.glob("*.yml")), servers=servers)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_finds_no_fault_in_the_configuration_that_loads_them(servers: Servers) -> None:
    done = run("check", "config", "--lint-fatal", ROOT / "config" / "prometheus" / "prometheus.yml", servers=servers)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 rule files found" in done.stdout


@pytest.mark.parametrize("module", [recording, alerting])
def test_rules_sped_up_are_still_rules(servers: Servers, module: type[object], tmp_path: Path) -> None:
    file = tmp_path / "rules.yml"
    file.write_text(document(module.groups(), speed=120))  # type: ignore[attr-defined] # each module has it
    done = run("check", "rules", "--lint-fatal", file, servers=servers)
    assert done.returncode == 0, done.stdout + done.stderr


def test_speed_changes_nothing_but_durations() -> None:
    groups = (*recording.groups(), *alerting.groups())
    shipped, fast = document(groups), document(groups, speed=60)
    assert shipped != fast
    bare = re.compile(r"(?<![\w.:])\d+(ms|[smhd])?\b")
    strip = [bare.sub("#", text) for text in (shipped, fast)]
    assert strip[0] == strip[1]
    assert yaml.safe_load(fast)["groups"][1]["interval"] == "1s"
