"""An account of replicas is one series, whoever owns it: the relabelling that ships, and what Prometheus makes."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.metrics.catalogue import FAMILIES
from exporter.metrics.family import Scope
from tests.e2e.scripted import until
from tests.support.monitoring import Prometheus, free_port
from tests.support.processes import PROJECT
from tests.support.tools import need_tool

CONFIG = yaml.safe_load((PROJECT / "config/compose/prometheus.yml").read_text())
[RULE] = next(job["metric_relabel_configs"] for job in CONFIG["scrape_configs"] if job["job_name"] == "replicas")

OF_THE_OWNER = {Scope.TASKS, Scope.TASK, Scope.ACCOUNT}
EACH_REPLICA_S_OWN = {"bytespike_exporter_account_owned"}
"""It has an account, and every replica says of it whether it is the owner."""


def is_rewritten(name: str, account: str) -> bool:
    """Prometheus' regular expressions are anchored."""
    return re.fullmatch(RULE["regex"], f"{name};{account}") is not None


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_it_takes_what_the_owner_alone_shows(family: Any) -> None:
    expected = family.scope in OF_THE_OWNER and family.name not in EACH_REPLICA_S_OWN
    for suffix in ("", "_bucket", "_sum", "_count"):
        assert is_rewritten(family.name + suffix, "default") is expected
    assert not is_rewritten(family.name, "")


@pytest.mark.parametrize("name", ["up", "process_start_time_seconds", *EACH_REPLICA_S_OWN])
def test_it_leaves_what_each_replica_says_of_itself(name: str) -> None:
    assert not is_rewritten(name, "default")


def test_the_chart_has_the_same_one() -> None:
    template = (PROJECT / "config/helm/bytespike-exporter/templates/service-monitor.yaml").read_text()
    assert re.findall(r"^ +regex: (bytespike_.*)$", template, re.MULTILINE) == [RULE["regex"]]
    assert "- sourceLabels: [__name__, account]\n" in template
    assert RULE["source_labels"] == ["__name__", "account"]


# ---- Prometheus ------------------------------------------------------------------------------------------------------

OWNER = """\
bytespike_up{account="a"} 1
bytespike_tasks{account="a",group="g",model="m",status="running"} 2
bytespike_exporter_account_owned{account="a"} 1
bytespike_proxy_requests_total{account="a",endpoint="submit",code="200"} 3
bytespike_exporter_ledger_pending 0
"""
OTHER = """\
bytespike_exporter_account_owned{account="a"} 0
bytespike_proxy_requests_total{account="a",endpoint="submit",code="200"} 5
bytespike_exporter_ledger_pending 0
"""


@contextmanager
def serving(page: str) -> Iterator[str]:
    """The address at which a replica shows this page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = page.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_prometheus_sees_one_account_and_two_replicas(tmp_path: Path) -> None:
    with serving(OWNER) as owner, serving(OTHER) as other:
        job = {
            "job_name": "bytespike-exporter",
            "scrape_interval": "1s",
            "static_configs": [{"targets": [owner, other]}],
            "metric_relabel_configs": [RULE],
        }
        (tmp_path / "prometheus.yml").write_text(yaml.safe_dump({"scrape_configs": [job]}))
        address = f"127.0.0.1:{free_port()}"
        command = [
            need_tool("prometheus"),
            f"--config.file={tmp_path}/prometheus.yml",
            f"--storage.tsdb.path={tmp_path}/data",
            f"--web.listen-address={address}",
        ]
        with Prometheus(command, url=f"http://{address}", log=tmp_path / "prometheus.log") as prometheus:

            def instances(name: str) -> set[str]:
                return {one["metric"]["instance"] for one in prometheus.instant(name)}

            def are_scraped() -> bool:
                return len(instances("bytespike_exporter_ledger_pending")) == 2

            until(are_scraped, "both are scraped", seconds=30)
            assert instances("bytespike_up") == instances("bytespike_tasks") == {RULE["replacement"]}
            for own in ("up", "bytespike_exporter_account_owned", "bytespike_proxy_requests_total"):
                assert instances(own) == {owner, other}
