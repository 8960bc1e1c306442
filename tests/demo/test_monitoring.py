from pathlib import Path

import pytest
import yaml

from exporter.demo import monitoring as module
from exporter.demo.monitoring import ALERTMANAGER, CONFIG, PROMETHEUS, Found, Monitoring, look

BOTH = Found({PROMETHEUS: "/bin/prometheus", ALERTMANAGER: "/bin/alertmanager"})


def installed(*names: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Programs on PATH: ``directory/name``, or in ``bin``."""
    for name in names:
        program = tmp_path / (name if "/" in name else f"bin/{name}")
        program.parent.mkdir(exist_ok=True)
        program.touch(mode=0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/first:{tmp_path}/bin")


@pytest.mark.parametrize(
    ("names", "programs", "remark"),
    [
        (
            ("prometheus", "prometheus-alertmanager"),
            {PROMETHEUS: "bin/prometheus", ALERTMANAGER: "bin/prometheus-alertmanager"},
            "",
        ),
        (
            ("prometheus", "alertmanager"),
            {PROMETHEUS: "bin/prometheus", ALERTMANAGER: "bin/alertmanager"},
            "",
        ),
        (
            ("first/alertmanager", "prometheus", "prometheus-alertmanager"),
            {PROMETHEUS: "bin/prometheus", ALERTMANAGER: "first/alertmanager"},
            "",
        ),
        (
            ("prometheus",),
            {PROMETHEUS: "bin/prometheus"},
            "Alertmanager is not installed: nobody tells of alerts.",
        ),
        (("alertmanager",), {}, "Prometheus is not installed: there are no alerts to see."),
        ((), {}, "Prometheus is not installed: there are no alerts to see."),
    ],
)
def test_what_is_installed_is_found(
    names: tuple[str, ...], programs: dict[str, str], remark: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed(*names, monkeypatch=monkeypatch, tmp_path=tmp_path)
    assert look() == Found({name: f"{tmp_path}/{path}" for name, path in programs.items()}, remark)


def test_an_installed_package_has_no_files_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed("prometheus", "alertmanager", monkeypatch=monkeypatch, tmp_path=tmp_path)
    found = look(tmp_path)
    assert found.programs == {}
    assert "come with the source" in found.remark


def test_the_usual_ports_are_taken_where_they_are_free_and_left_alone_where_any_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "free", lambda ports: [port or 12345 for port in ports])
    usual, any_port = (Monitoring(BOTH, tmp_path, any_port=any_port) for any_port in (False, True))
    assert [usual.url(name) for name in usual.names] == ["http://127.0.0.1:9093", "http://127.0.0.1:9090"]
    assert [any_port.url(name) for name in any_port.names] == ["http://127.0.0.1:12345"] * 2


def test_prometheus_reads_the_shipped_rules_and_finds_its_neighbours(tmp_path: Path) -> None:
    monitoring = Monitoring(BOTH, tmp_path, any_port=True)
    monitoring._prometheus("127.0.0.1:1")
    config = yaml.safe_load((tmp_path / "prometheus.yml").read_text())
    shipped = yaml.safe_load((CONFIG / "prometheus" / "prometheus.yml").read_text())

    assert config["rule_files"] == [f"{CONFIG}/prometheus/rules/*.yml"]
    targets = [static["targets"] for scrape in config["scrape_configs"] for static in scrape["static_configs"]]
    assert targets == [["127.0.0.1:1"], [monitoring.url(PROMETHEUS).removeprefix("http://")]]
    [alertmanager] = config["alerting"]["alertmanagers"]
    assert alertmanager["static_configs"] == [{"targets": [monitoring.url(ALERTMANAGER).removeprefix("http://")]}]
    assert config["global"] == shipped["global"]


def test_without_alertmanager_prometheus_sends_to_nobody(tmp_path: Path) -> None:
    monitoring = Monitoring(Found({PROMETHEUS: "/bin/prometheus"}), tmp_path, any_port=True)
    assert monitoring.names == (PROMETHEUS,)
    monitoring._prometheus("127.0.0.1:1")
    config = yaml.safe_load((tmp_path / "prometheus.yml").read_text())
    assert config["alerting"]["alertmanagers"] == [{"static_configs": [{"targets": []}]}]


def test_alertmanager_tells_the_receiver_of_this_run_whatever_the_files_say_else(tmp_path: Path) -> None:
    monitoring = Monitoring(BOTH, tmp_path, any_port=True)
    options = monitoring._alertmanager("127.0.0.1:1")
    assert f"--config.file={tmp_path}/alertmanager.yml" in options
    config = yaml.safe_load((tmp_path / "alertmanager.yml").read_text())
    shipped = yaml.safe_load((CONFIG / "alertmanager.yml").read_text())
    assert {webhook["url"] for each in config["receivers"] for webhook in each["webhook_configs"]} == {
        "http://127.0.0.1:1/alerts"
    }
    assert [each["name"] for each in config["receivers"]] == [each["name"] for each in shipped["receivers"]]
    for part in ("route", "inhibit_rules", "global"):
        assert config[part] == shipped[part]
