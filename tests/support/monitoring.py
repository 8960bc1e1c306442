"""The real Prometheus and Alertmanager with the shipped files, as much faster as a test needs them."""

import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import httpx
import yaml

from monitoring import alerting, recording
from monitoring.document import document
from monitoring.durations import faster
from tests.support.ports import free_port
from tests.support.processes import PROJECT
from tests.support.servers import INSTALLED, Servers

PROMETHEUS_FILE = PROJECT / "config" / "prometheus" / "prometheus.yml"
ALERTMANAGER_FILE = PROJECT / "config" / "alertmanager.yml"

START_SECONDS = 60.0
STOP_SECONDS = 20.0
LOOK_SECONDS = 0.05

PACE = ("scrape_interval", "evaluation_interval", "group_wait", "group_interval", "repeat_interval", "resolve_timeout")
"""The keys of both configurations whose durations set a pace."""

RESEND_DELAY = "1m"
"""Prometheus' default: an alert that fires on is told again so often."""


class Server:
    """A process on a loopback port that answers when it is ready. Leaving its ``with`` block ends it."""

    ready_path = "/-/ready"

    def __init__(self, command: Sequence[str], *, url: str, log: Path) -> None:
        self.url = url
        self._log = log
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, cwd=log.parent, start_new_session=True
            )
        self._http = httpx.Client(base_url=url, timeout=30, trust_env=False)

    def __enter__(self) -> Self:
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def output(self) -> str:
        """Everything it has said so far."""
        return self._log.read_text()

    def stop(self) -> None:
        """Ask it to end, and make it end where it does not."""
        self._http.close()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def get(self, path: str, **params: str | float) -> Any:
        """The JSON that a path answers with."""
        response = self._http.get(path, params=params)
        assert response.is_success, f"{response.url}: {response.text}"
        return response.json()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            assert self._process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(LOOK_SECONDS)

    def _is_ready(self) -> bool:
        try:
            return self._http.get(self.ready_path).is_success
        except httpx.HTTPError:
            return False


class Prometheus(Server):
    """A Prometheus that can be queried."""

    def instant(self, expr: str, at: float | None = None) -> list[dict[str, Any]]:
        """The series of an instant query; ``at`` is Unix seconds, now where it is None."""
        time_ = {} if at is None else {"time": at}
        return self._result("/api/v1/query", query=expr, **time_)

    def range(self, expr: str, start: float, end: float, *, step: float) -> list[dict[str, Any]]:
        """The series of a range query; times are Unix seconds."""
        return self._result("/api/v1/query_range", query=expr, start=start, end=end, step=step)

    def _result(self, path: str, **params: str | float) -> list[dict[str, Any]]:
        result = self.get(path, **params)["data"]["result"]
        assert isinstance(result, list), result
        return result


class Alertmanager(Server):
    """An Alertmanager that can be asked what it holds."""

    def alerts(self) -> list[dict[str, Any]]:
        """Every alert that it holds, those that it keeps back too."""
        alerts = self.get("/api/v2/alerts")
        assert isinstance(alerts, list), alerts
        return alerts


def start_prometheus(
    directory: Path,
    *,
    exporters: Sequence[str],
    alertmanager: str,
    speed: float,
    port: int | None = None,
    servers: Servers = INSTALLED,
) -> Prometheus:
    """A Prometheus with the shipped configuration and rules, ``speed`` times as fast; enter it to have it ready.

    ``exporters`` and ``alertmanager`` are addresses (HOST:PORT) in place of the shipped ones.
    """
    address = f"127.0.0.1:{port or free_port()}"
    directory.mkdir(parents=True, exist_ok=True)
    write_rules(directory / "rules", speed=speed)
    config = prometheus_config(own=address, exporters=exporters, alertmanager=alertmanager, speed=speed)
    (directory / "prometheus.yml").write_text(yaml.safe_dump(config, sort_keys=False))
    command = [
        servers.need("prometheus"),
        f"--config.file={directory}/prometheus.yml",
        f"--storage.tsdb.path={directory}/data",
        f"--web.listen-address={address}",
        "--enable-feature=exemplar-storage",
        f"--rules.alert.resend-delay={faster(RESEND_DELAY, speed)}",
    ]
    return Prometheus(command, url=f"http://{address}", log=directory / "prometheus.log")


def start_alertmanager(directory: Path, *, webhook: str, speed: float, servers: Servers = INSTALLED) -> Alertmanager:
    """An Alertmanager with the shipped configuration, its receivers at the webhook's URL; enter it to have it ready."""
    address = f"127.0.0.1:{free_port()}"
    directory.mkdir(parents=True, exist_ok=True)
    config = alertmanager_config(webhook=webhook, speed=speed)
    (directory / "alertmanager.yml").write_text(yaml.safe_dump(config, sort_keys=False))
    command = [
        servers.need("alertmanager"),
        f"--config.file={directory}/alertmanager.yml",
        f"--storage.path={directory}/data",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    ]
    return Alertmanager(command, url=f"http://{address}", log=directory / "alertmanager.log")


def write_rules(directory: Path, *, speed: float) -> None:
    """The shipped rules, every duration in them divided by ``speed``."""
    directory.mkdir(exist_ok=True)
    for name, module in (("recording", recording), ("alerts", alerting)):
        (directory / f"{name}.yml").write_text(document(module.groups(), speed=speed))


def prometheus_config(*, own: str, exporters: Sequence[str], alertmanager: str, speed: float) -> dict[str, Any]:
    """The shipped configuration with other addresses. A scrape may take as long as there is between two of them."""
    addresses = {"localhost:9877": list(exporters), "localhost:9090": [own], "localhost:9093": [alertmanager]}
    config: dict[str, Any] = _paced(yaml.safe_load(PROMETHEUS_FILE.read_text()), speed)
    config["global"]["scrape_timeout"] = config["global"]["scrape_interval"]
    for holder in (*config["scrape_configs"], *config["alerting"]["alertmanagers"]):
        for static in holder["static_configs"]:
            static["targets"] = [address for target in static["targets"] for address in addresses[target]]
    return config


def alertmanager_config(*, webhook: str, speed: float) -> dict[str, Any]:
    """The shipped configuration; the receiver's name is the last part of its URL."""
    config: dict[str, Any] = _paced(yaml.safe_load(ALERTMANAGER_FILE.read_text()), speed)
    for receiver in config["receivers"]:
        receiver["webhook_configs"] = [{"url": f"{webhook}/{receiver['name']}"}]
    return config


def _paced(tree: Any, speed: float) -> Any:
    """The same tree with those durations divided that set a pace."""
    match tree:
        case dict():
            return {
                key: _duration(value, speed) if key in PACE else _paced(value, speed) for key, value in tree.items()
            }
        case list():
            return [_paced(value, speed) for value in tree]
    return tree


def _duration(text: str, speed: float) -> str:
    """Divided; Alertmanager takes none of 0, which ``faster`` would make a millisecond, too."""
    return text if text == "0s" else faster(text, speed)
