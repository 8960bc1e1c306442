"""A real Prometheus that scrapes all replicas once a second, as the shipped ``replicas.yml`` says."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.support.monitoring import Prometheus
from tests.support.ports import free_port
from tests.support.processes import PROJECT
from tests.support.scraped import Scraped
from tests.support.servers import INSTALLED

SHIPPED = PROJECT / "config" / "prometheus" / "replicas.yml"
SECONDS = 1.0
"""From one scrape to the next, and what each may take."""

ONE = "bytespike-exporter"
"""The instance of whatever belongs to an account."""

ENDS, CREDITS = "bytespike_tasks_finished_total", "bytespike_tasks_credits_used_total"

ROUNDING = 1e-6
"""So little may be missing of a sum of fractions that was added up in another order."""

REFUSED = (
    "prometheus_target_scrapes_sample_duplicate_timestamp_total",
    "prometheus_target_scrapes_sample_out_of_order_total",
    "prometheus_target_scrapes_sample_out_of_bounds_total",
)
"""What Prometheus counts where two replicas tell of one series at once."""


@dataclass(frozen=True, slots=True)
class Grown:
    """One account as Prometheus saw it over the run; ``instances`` are those of its series."""

    ends: float
    credits: float
    instances: frozenset[str]


def configuration(targets: Sequence[str]) -> dict[str, Any]:
    """The shipped file with these targets, faster, and without what it does not need here."""
    config: dict[str, Any] = yaml.safe_load(SHIPPED.read_text())
    config["global"] = {"scrape_interval": f"{SECONDS:g}s", "scrape_timeout": f"{SECONDS:g}s"}
    del config["rule_files"], config["alerting"]
    [job] = config["scrape_configs"]
    job["static_configs"] = [{"targets": list(targets)}]
    return config


def started(directory: Path, targets: Sequence[str]) -> Prometheus:
    """One that is to be entered."""
    directory.mkdir()
    file = directory / "prometheus.yml"
    file.write_text(yaml.safe_dump(configuration(targets)))
    address = f"127.0.0.1:{free_port()}"
    command = [
        INSTALLED.need("prometheus"),
        f"--config.file={file}",
        f"--storage.tsdb.path={directory}/data",
        f"--web.listen-address={address}",
    ]
    return Prometheus(command, url=f"http://{address}", log=directory / "prometheus.log")


class Seen:
    """What Prometheus has seen in the last ``seconds``."""

    def __init__(self, prometheus: Prometheus, *, seconds: float) -> None:
        self._prometheus = prometheus
        self._window = f"[{seconds:.0f}s]"

    def grown(self, account: str) -> Grown:
        """``increase()`` from the account's first sample to its last: Prometheus adds nothing at the edges then."""
        chosen = f'{ENDS}{{account="{account}"}}'
        ends = self._prometheus.instant(f"{chosen}{self._window}")
        first = min(float(series["values"][0][0]) for series in ends)
        last = max(float(series["values"][-1][0]) for series in ends)
        return Grown(
            ends=self._increase(ENDS, account, first, last),
            credits=self._increase(CREDITS, account, first, last),
            instances=frozenset(series["metric"]["instance"] for series in ends),
        )

    def drops(self) -> Sequence[str]:
        """Where a number of an account that only grows went down: as resets() finds it, and which, when, how far."""
        grows = f'{{instance="{ONE}", __name__=~"bytespike_.+_(total|count|sum|bucket)"}}'
        return [
            f"{_named(series['metric'])}: {before[1]} to {after[1]} at {float(after[0]):.1f}"
            for series in self._prometheus.instant(f"{grows}{self._window}")
            for before, after in pairwise(series["values"])
            if float(after[1]) < float(before[1]) - ROUNDING
        ]

    def refused(self) -> float:
        """Samples that came for an instant that had one, or for one before the last."""
        page = Scraped(httpx.get(f"{self._prometheus.url}/metrics", timeout=60).raise_for_status().text)
        return sum(page.sum(name) for name in REFUSED)

    def owned_twice(self, begin: float, end: float) -> float:
        """The longest time, in seconds, for which two replicas were seen to own one account."""
        step = SECONDS / 4
        twice = self._prometheus.range(
            "sum by (account) (bytespike_exporter_account_owned) > 1", begin, end, step=max(step, (end - begin) / 10000)
        )
        return max(
            (length for series in twice for length in _runs([at for at, _ in series["values"]], step)), default=0
        )

    def _increase(self, family: str, account: str, first: float, last: float) -> float:
        window = f"{1000 * (last - first):.0f}ms"
        found = self._prometheus.instant(f'sum(increase({family}{{account="{account}"}}[{window}]))', last)
        return float(found[0]["value"][1]) if found else 0.0


def _named(labels: Mapping[str, str]) -> str:
    """A series as PromQL has it, without what is the same for all."""
    told = (f'{name}="{value}"' for name, value in labels.items() if name not in ("__name__", "instance", "job"))
    return f"{labels['__name__']}{{{', '.join(told)}}}"


def _runs(times: Sequence[float], step: float) -> Iterator[float]:
    """How long each row of points lasts that follow each other."""
    begin = last = times[0]
    for at in times[1:]:
        if at - last > 1.5 * step:
            yield last - begin + step
            begin = at
        last = at
    yield last - begin + step
