"""Simulator, exporters, Prometheus, Alertmanager and a webhook receiver: the whole way of an alert."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.e2e.alerting.load import submitted
from tests.e2e.alerting.plan import CASES, HEALTHY, SHARED
from tests.e2e.upstream import Upstream
from tests.support.monitoring import Alertmanager, Prometheus, start_alertmanager, start_prometheus
from tests.support.processes import RunningExporter, start_exporter, start_simulator
from tests.support.servers import INSTALLED, Servers
from tests.support.webhook import Webhook

SPEED = 20.0
"""Five minutes in fifteen seconds: a scrape every 750 ms, which two busy cores keep up with easily."""

TASKS_PER_SECOND = 0.7
"""For each account, besides what its case adds."""

MODEL = "clip"
MODELS = {MODEL: {"kind": "video", "usd": 0.02, "latency": [1.6, 2.4], "failure_ratio": 0.01}}

PARTS = 2
"""So many exporters divide the accounts of the scenarios among them: one can be gone without the others."""

OTHER = "other"
"""The account of the exporter that has troubles of its own."""

OTHER_RATE = 1.5
"""Tasks that it is given besides, a second: a ledger that is locked is noticed by what waits to be written down."""


@dataclass(slots=True)
class Stack:
    """All of it, running. ``other`` is the exporter with troubles of its own."""

    upstream: Upstream
    exporters: Sequence[RunningExporter]
    other: RunningExporter
    prometheus: Prometheus
    alertmanager: Alertmanager
    webhook: Webhook
    directory: Path

    def end(self) -> None:
        """Let the other exporter go, which may have been started anew."""
        self.other.kill()


@contextmanager
def running(
    directory: Path,
    accounts: Sequence[str],
    *,
    speed: float = SPEED,
    parts: int = PARTS,
    shared: Sequence[str] = SHARED,
    servers: Servers = INSTALLED,
) -> Iterator[Stack]:
    """Start everything on loopback, and end it afterwards.

    ``parts`` exporters divide the accounts among them, but for the ``shared`` ones, which each of them has.
    """
    with ExitStack() as stack:
        webhook = stack.enter_context(Webhook())
        alertmanager = start_alertmanager(directory / "alertmanager", webhook=webhook.url, speed=speed, servers=servers)
        stack.enter_context(alertmanager)
        simulator = stack.enter_context(start_simulator(directory, *simulated(directory, [*accounts, OTHER])))
        upstream = stack.enter_context(closing(Upstream(simulator.url)))
        shares = [{*accounts[number::parts], *shared} & {*accounts} for number in range(parts)]
        configs = [
            configuration(directory, upstream, sorted(share), name=f"part{number}")
            for number, share in enumerate(shares)
        ]
        exporters = [stack.enter_context(start_exporter(config)) for config in configs]
        other = stack.enter_context(start_exporter(configuration(directory, upstream, [OTHER], name=OTHER)))
        prometheus = start_prometheus(
            directory / "prometheus",
            exporters=[exporter.url.removeprefix("http://") for exporter in (*exporters, other)],
            alertmanager=alertmanager.url.removeprefix("http://"),
            speed=speed,
            servers=servers,
        )
        stack.enter_context(prometheus)
        rates = {key_of(case.account): case.rate for case in CASES if case.rate and case.account in accounts}
        rates[key_of(OTHER)] = OTHER_RATE
        stack.enter_context(submitted(simulator.url, rates=rates))
        running = Stack(upstream, exporters, other, prometheus, alertmanager, webhook, directory)
        stack.callback(running.end)
        yield running


def simulated(directory: Path, accounts: Sequence[str]) -> tuple[str, ...]:
    """The simulator's options: these accounts, each with every limit far away, and tasks for each of them."""
    holders = [
        {
            "name": account,
            "org": True,
            "keys": [{"name": account, "key": key_of(account), "quota": 1e6, **limits(account)}],
        }
        for account in accounts
    ]
    (directory / "accounts.yml").write_text(yaml.safe_dump(holders))
    (directory / "models.yml").write_text(yaml.safe_dump(MODELS))
    return (
        *("--accounts.file", str(directory / "accounts.yml")),
        *("--models.file", str(directory / "models.yml")),
        *("--load.rate", str(TASKS_PER_SECOND * len(accounts))),
        *("--response-latency", "100ms"),
        *("--seed", "11"),
    )


def limits(account: str) -> dict[str, float]:
    """A spend limit for those that are well: where there is one, a refusal holds an account back until its reset."""
    return {"rate_limit_5h": 1e6} if account in (HEALTHY, OTHER) else {}


def configuration(parent: Path, upstream: Upstream, accounts: Sequence[str], *, name: str) -> Path:
    """An exporter's configuration: a group for each account, whose tasks the simulator tells by itself.

    Only the other exporter, whose page is short, has series of single tasks and keeps ended ones for a while. It takes
    registrations, too: the linter asks for each value of a label that a rule names.
    """
    directory, is_other = parent / name, name == OTHER
    retention = 60 if is_other else 3
    directory.mkdir()
    config = {
        "global": {
            "poll": {"min_interval": "1s", "max_interval": "1s"},
            "retention": f"{retention}s",
            "task_series": {"limit": 1000 if is_other else 0},
        },
        "accounts": [_account(directory, upstream, account) for account in accounts],
        "task_groups": [
            _group(upstream, account, retention) | ({"api_config": {}} if is_other else {}) for account in accounts
        ],
        "ledger": {"url": f"sqlite:///{directory}/ledger.db"},
    }
    path = directory / "exporter.yml"
    path.write_text(json.dumps(config))
    return path


def _account(directory: Path, upstream: Upstream, name: str) -> dict[str, object]:
    key_file = directory / f"{name}.key"
    key_file.write_text(key_of(name))
    limits = {"max_in_flight": 20, "max_requests_per_second": 500}
    return {"name": name, "base_url": upstream.url, "api_key_file": str(key_file), **limits}


def _group(upstream: Upstream, account: str, retention: int) -> dict[str, object]:
    url = f"{upstream.url}/sim/sd?account={account}&finished_within={retention}"
    source = {"url": url, "refresh_interval": "1s"}
    return {"name": f"{account}-tasks", "account": account, "model": MODEL, "http_sd_configs": [source]}


def key_of(account: str) -> str:
    return f"sk-byts-{account}"
