"""Thresholds from a file."""

import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest
import yaml

from monitoring import alerting, kubernetes
from monitoring.document import document
from monitoring.rule import Sites
from monitoring.thresholds import DEFAULTS, Thresholds
from monitoring.values import ValuesError, read, taken
from tests.rules.promtool import ROOT, run

OTHER = "objective: 0.99\nstuck: 6h\nstandstill: 1h\njob: shop\ngrafana: https://grafana.example/\nexporter: https://exporter.example\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "values.yml"
    path.write_text(OTHER)
    return path


def test_what_is_named_is_another_and_all_else_as_ever(file: Path) -> None:
    named = replace(DEFAULTS, objective=0.99, stuck="6h", standstill="1h", job="shop")
    assert read(file) == replace(named, grafana="https://grafana.example/", exporter="https://exporter.example")


@pytest.mark.parametrize("text", ["", "# nothing yet\n"])
def test_an_empty_file_is_no_change(text: str, tmp_path: Path) -> None:
    path = tmp_path / "values.yml"
    path.write_text(text)
    assert read(path) == DEFAULTS


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"OBJECTIVE": 0.9}, "there is no OBJECTIVE: it may be job, grafana, exporter, objective, "),
        ({"objective": 99}, "objective: 99 is not a number such as 0.95"),
        ({"objective": "0.9"}, "objective: '0.9' is not a number"),
        ({"spike_floor": True}, "spike_floor: True is not a number"),
        ({"spike_floor": -1}, "spike_floor: -1 is not a number"),
        ({"stuck": 7200}, "stuck: 7200 is not a duration such as 2h"),
        ({"stuck": "0h"}, "stuck: '0h' is not a duration"),
        ({"stuck": "two hours"}, "is not a duration"),
        ({"job": 'a"b'}, "is not a text without quotes"),
        ({"job": "a\\b"}, "is not a text without quotes, backslashes"),
        ({"job": "a\nb"}, "backslashes and line ends"),
        ({"job": ""}, "job: '' is not a text"),
        ({"down_ratio": 50}, "down_ratio: 50 is not a number such as 0.5 (a share, less than 1)"),
        ({"objective": 0.9}, "wave_burn: with objective 0.9 no burn reaches 11: give less than 10"),
        (
            {"objective": 0.9, "wave_burn": 6},
            "fastest_burn: with objective 0.9 no burn reaches 14.4: give less than 10",
        ),
        ({"objective": 0.8, "wave_burn": 4, "fastest_burn": 4}, "fast_burn: with objective 0.8 no burn reaches 6"),
    ],
)
def test_what_does_not_fit_is_said(values: dict[str, object], fault: str) -> None:
    with pytest.raises(ValuesError) as found:
        taken(values)
    assert fault in str(found.value)


@pytest.mark.parametrize("text", ["- objective", "objective: [", "just text"])
def test_a_file_of_another_kind_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "values.yml"
    path.write_text(text)
    with pytest.raises(ValuesError, match=r"values\.yml: "):
        read(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValuesError, match="No such file"):
        read(tmp_path / "values.yml")


def printed(module: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_rules_with_other_thresholds_are_rules(file: Path, tmp_path: Path) -> None:
    done = printed("monitoring.alerting", "--values", str(file))
    assert done.stdout == document(
        alerting.groups(read(file)),
        header=alerting.HEADER,
        sites=Sites("https://grafana.example/", "https://exporter.example"),
    )
    (tmp_path / "alerts.yml").write_text(done.stdout)
    assert run("check", "rules", "--lint-fatal", tmp_path / "alerts.yml").returncode == 0
    assert 'up{job="shop"} == 0' in done.stdout
    assert "the objective allows 1%." in done.stdout
    assert "dashboard_url: https://grafana.example/d/bytespike-" in done.stdout
    assert "tasks_url: https://exporter.example/tasks?account={{ $labels.account | urlquery }}" in done.stdout


def test_the_kubernetes_object_has_them_too(file: Path) -> None:
    done = printed("monitoring.kubernetes", "--values", str(file))
    assert done.stdout == kubernetes.manifest(read(file))
    assert yaml.safe_load(done.stdout) != yaml.safe_load(kubernetes.manifest())


def test_a_fault_ends_the_command_and_prints_no_rules(tmp_path: Path) -> None:
    (tmp_path / "values.yml").write_text("stuk: 6h\n")
    done = printed("monitoring.alerting", "--values", str(tmp_path / "values.yml"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no stuk: it may be job, " in done.stderr


@pytest.mark.parametrize("name", [field.name for field in fields(Thresholds)])
def test_each_threshold_is_in_the_rules(name: str) -> None:
    usual = getattr(DEFAULTS, name)
    other = {"job": "shop", "grafana": "https://a.example", "exporter": "https://b.example", "objective": 0.97}.get(
        name
    )
    if other is None:
        other = "17m" if isinstance(usual, str) else usual * 0.77
    assert kubernetes.manifest(taken({name: other})) != kubernetes.manifest()
