from pathlib import Path

import pytest
import yaml

from exporter.demo import monitoring as module
from exporter.demo.monitoring import ALERTMANAGER, CONFIG, PROMETHEUS, Found, Monitoring, look

BOTH = Found({PROMETHEUS: "/bin/prometheus", ALERTMANAGER: "/bin/alertmanager"})


def installed(*names: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}" if name in names else None)


@pytest.mark.parametrize(
    ("names", "programs", "remark"),
    [
        (
            ("prometheus", "prometheus-alertmanager"),
            {PROMETHEUS: "/bin/prometheus", ALERTMANAGER: "/bin/prometheus-alertmanager"},
            "",
        ),
        (
            ("prometheus", "alertmanager"),
            {PROMETHEUS: "/bin/prometheus", ALERTMANAGER: "/bin/alertmanager"},
            "",
        ),
        (
            ("prometheus",),
            {PROMETHEUS: "/bin/prometheus"},
            "Alertmanager is not installed: nobody tells of alerts.",
        ),
        (("alertmanager",), {}, "Prometheus is not installed: there are no alerts to see."),
        ((), {}, "Prometheus is not installed: there are no alerts to see."),
    ],
)
def test_what_is_installed_is_found(
    names: tuple[str, ...], programs: dict[str, str], remark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(*names, monkeypatch=monkeypatch)
    assert look() == Found(programs, remark)


def test_an_installed_package_has_no_files_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed("prometheus", "alertmanager", monkeypatch=monkeypatch)
    found = look(tmp_path)
    assert found.programs == {}
    assert "come with the source" in found.remark


def test_the_usual_ports_are_taken_where_they_are_free_and_left_alone_where_any_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "free", lambda port: port or 12345)
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
