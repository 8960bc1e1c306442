"""Prometheus and Alertmanager beside the demo, where they are installed: the shipped files with other addresses."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from exporter.demo.processes import Child, free
from exporter.demo.receiver import RECEIVER_PORT

CONFIG = Path(__file__).parents[2] / "config"
"""It is there in a checkout, and not in an installed package."""

PROMETHEUS, ALERTMANAGER = "Prometheus", "Alertmanager"

PROGRAMS = {PROMETHEUS: ("prometheus",), ALERTMANAGER: ("prometheus-alertmanager", "alertmanager")}
"""What the programs are called: Debian gives Alertmanager a name of its own. What comes first on PATH is taken."""

PORTS = {PROMETHEUS: 9090, ALERTMANAGER: 9093}

PLACEHOLDER = f"//localhost:{RECEIVER_PORT}/"
"""The receiver of the shipped configuration: in whatever else stands there, nothing is changed."""

ANSWERS = {PROMETHEUS: r"msg=\"?(Server is ready)", ALERTMANAGER: r"msg=\"?(Listening on)"}
"""What each of them logs once it answers; Prometheus listens before that, and refuses."""


@dataclass(frozen=True, slots=True)
class Found:
    """Where there is something to start: the programs by name, and why there are not both of them."""

    programs: Mapping[str, str]
    remark: str = ""


def look(config: Path = CONFIG) -> Found:
    """What is installed; Alertmanager without Prometheus would have nothing to do."""
    if not (config / "prometheus").is_dir():
        return Found({}, "Prometheus is left out: its files come with the source, not with the installed package.")
    programs = {name: path for name, known in PROGRAMS.items() if (path := _which(*known))}
    if PROMETHEUS not in programs:
        return Found({}, "Prometheus is not installed: there are no alerts to see.")
    return Found(programs, "" if ALERTMANAGER in programs else "Alertmanager is not installed: nobody tells of alerts.")


class Monitoring:
    """Starts what was found. ``any_port`` is for a demo that leaves the usual ports alone."""

    def __init__(self, found: Found, directory: Path, *, any_port: bool, config: Path = CONFIG) -> None:
        self._found = found
        self._directory = directory
        self._config = config
        ports = free([0 if any_port else PORTS[name] for name in found.programs])
        self._addresses = {name: f"127.0.0.1:{port}" for name, port in zip(found.programs, ports, strict=True)}

    @property
    def names(self) -> tuple[str, ...]:
        """What is started, the receiver of alerts first."""
        return tuple(name for name in (ALERTMANAGER, PROMETHEUS) if name in self._found.programs)

    def url(self, name: str) -> str:
        return f"http://{self._addresses[name]}"

    async def start(self, name: str, *, exporter: str, receiver: str) -> Child:
        """One of them; ``exporter`` and ``receiver``, who is told of alerts, are HOST:PORT."""
        options = self._alertmanager(receiver) if name == ALERTMANAGER else self._prometheus(exporter)
        listen = f"--web.listen-address={self._addresses[name]}"
        log = self._directory / f"{name.lower()}.log"
        return await Child.start(name, self._found.programs[name], *options, listen, log=log)

    def _alertmanager(self, receiver: str) -> tuple[str, ...]:
        file = self._directory / "alertmanager.yml"
        file.write_text(yaml.safe_dump(self._telling(receiver), sort_keys=False))
        return (
            f"--config.file={file}",
            f"--storage.path={self._directory / 'alertmanager'}",
            "--cluster.listen-address=",  # without it, on every interface
        )

    def _prometheus(self, exporter: str) -> tuple[str, ...]:
        file = self._directory / "prometheus.yml"
        file.write_text(yaml.safe_dump(self._readdressed(exporter), sort_keys=False))
        return (
            f"--config.file={file}",
            f"--storage.tsdb.path={self._directory / 'prometheus'}",
            "--enable-feature=exemplar-storage",
        )

    def _telling(self, receiver: str) -> dict[str, Any]:
        """The shipped configuration, whose placeholders are the one receiver that there is."""
        shipped = self._config / "alertmanager.yml"
        config: dict[str, Any] = yaml.safe_load(shipped.read_text(encoding="utf-8"))
        for each in config["receivers"]:
            for webhook in each["webhook_configs"]:
                webhook["url"] = webhook["url"].replace(PLACEHOLDER, f"//{receiver}/")
        return config

    def _readdressed(self, exporter: str) -> dict[str, Any]:
        """The shipped configuration with this run's addresses in place of the usual ones."""
        shipped = self._config / "prometheus" / "prometheus.yml"
        config: dict[str, Any] = yaml.safe_load(shipped.read_text(encoding="utf-8"))
        config["rule_files"] = [str(shipped.parent / pattern) for pattern in config["rule_files"]]
        ours = {"localhost:9877": exporter} | {
            f"localhost:{PORTS[name]}": address for name, address in self._addresses.items()
        }
        for holder in (*config["scrape_configs"], *config["alerting"]["alertmanagers"]):
            for group in holder["static_configs"]:
                group["targets"] = [ours[target] for target in group["targets"] if target in ours]
        return config


def _which(*names: str) -> str | None:
    found = (shutil.which(name, path=directory) for directory in os.get_exec_path() for name in names)
    return next((path for path in found if path), None)
