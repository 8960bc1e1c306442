"""The real Prometheus scrapes the real exporter, over TLS and with a password: as docs/web-configuration.md has it."""

import time
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import yaml
from cryptography import x509

from tests.e2e.upstream import Upstream, configuration
from tests.support.certificates import LOCALHOST, Certificate
from tests.support.monitoring import Prometheus
from tests.support.ports import free_port
from tests.support.processes import start_exporter
from tests.support.servers import INSTALLED

pytestmark = pytest.mark.e2e

PASSWORD = "a password of its own"

WEB = """\
tls_server_config:
  cert_file: server.crt
  key_file: server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: clients.crt
  client_allowed_sans: [prometheus.monitoring]
  min_version: TLS13
basic_auth_users:
  prometheus: {hashed}
"""

GOOD: dict[str, Any] = {
    "scheme": "https",
    "tls_config": {"ca_file": "servers.crt", "cert_file": "prometheus.crt", "key_file": "prometheus.key"},
    "basic_auth": {"username": "prometheus", "password_file": "password"},
}
"""What a scrape_config needs; each other job lacks one thing."""

JOBS: dict[str, dict[str, Any]] = {
    "good": GOOD,
    "wrong password": {**GOOD, "basic_auth": {"username": "prometheus", "password": "guess"}},
    "no password": {**GOOD, "basic_auth": None},
    "another name": {
        **GOOD,
        "tls_config": {"ca_file": "servers.crt", "cert_file": "other.crt", "key_file": "other.key"},
    },
    "no certificate": {**GOOD, "tls_config": {"ca_file": "servers.crt"}},
    "no authority": {**GOOD, "tls_config": {**GOOD["tls_config"], "ca_file": "clients.crt"}},
    "no TLS": {**GOOD, "scheme": "http"},
}


@pytest.mark.slow
def test_prometheus_scrapes_over_tls_with_a_certificate_and_a_password(tmp_path: Path, upstream: Upstream) -> None:
    servers, clients = Certificate.make(tmp_path, "servers"), Certificate.make(tmp_path, "clients")
    Certificate.make(tmp_path, "server", signer=servers, names=LOCALHOST)
    Certificate.make(tmp_path, "prometheus", signer=clients, names=[x509.DNSName("prometheus.monitoring")])
    Certificate.make(tmp_path, "other", signer=clients, names=[x509.DNSName("other.monitoring")])
    (tmp_path / "password").write_text(PASSWORD)
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(8)).decode()
    (tmp_path / "web.yml").write_text(WEB.format(hashed=hashed))
    config = configuration(tmp_path, upstream)

    with start_exporter(config, f"--web.config.file={tmp_path}/web.yml") as exporter:
        address = exporter.url.removeprefix("http://")
        with prometheus(tmp_path, address) as scraping:
            scraped = up(scraping)
            assert scraped == {job: float(job == "good") for job in JOBS}, scraping.get("/api/v1/targets")
            assert [each["value"][1] for each in scraping.instant("bytespike_exporter_build_info")] == ["1"]
    log = exporter.output
    assert PASSWORD not in log
    assert hashed not in log
    assert "Traceback" not in log


def prometheus(directory: Path, exporter: str) -> Prometheus:
    """One that scrapes the same exporter for each of the jobs."""
    address = f"127.0.0.1:{free_port()}"
    jobs = [
        {
            "job_name": name,
            **{key: value for key, value in job.items() if value is not None},
            "static_configs": [{"targets": [exporter]}],
        }
        for name, job in JOBS.items()
    ]
    settings = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": jobs}
    (directory / "prometheus.yml").write_text(yaml.safe_dump(settings))
    command = [
        INSTALLED.need("prometheus"),
        f"--config.file={directory}/prometheus.yml",
        f"--storage.tsdb.path={directory}/data",
        f"--web.listen-address={address}",
    ]
    return Prometheus(command, url=f"http://{address}", log=directory / "prometheus.log")


def up(scraping: Prometheus) -> dict[str, float]:
    """By job, once each was scraped."""
    deadline = time.monotonic() + 60
    found: dict[str, float] = {}
    while time.monotonic() < deadline:
        found = {each["metric"]["job"]: float(each["value"][1]) for each in scraping.instant("up")}
        if len(found) == len(JOBS) and found["good"]:
            break
        time.sleep(0.2)
    return found
