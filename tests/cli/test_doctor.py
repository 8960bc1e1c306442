"""``doctor`` as it is called: what it prints, what it ends with, and what it never prints."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from exporter.cli.doctor import command

KEY = "sk-byts-0123456789abcdef"

CONFIG = """\
accounts: [{name: a, base_url: 'http://127.0.0.1:1', api_key_env: BYTESPIKE_TEST_KEY, timeout: 5s}]
task_groups: [{name: g}]
ledger: {url: 'sqlite:///LEDGER'}
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BYTESPIKE_TEST_KEY", KEY)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def doctor(tmp_path: Path, *arguments: str, config: str = CONFIG) -> Result:
    file = tmp_path / "exporter.yml"
    file.write_text(config.replace("LEDGER", f"/{tmp_path}/ledger.db"))
    result = CliRunner().invoke(command, ["--config.file", str(file), *arguments], terminal_width=200)
    assert KEY not in result.output
    return result


def found(result: Result) -> dict[str, str]:
    return {each["check"]: each["verdict"] for each in json.loads(result.stdout)["findings"]}


def test_everything_that_is_looked_at_as_json(tmp_path: Path) -> None:
    result = doctor(tmp_path, "--json", "--web.listen-address", "127.0.0.1:0", "--prometheus.url", "http://127.0.0.1:1")
    verdicts = found(result)
    assert list(verdicts) == [
        *("configuration", "key", "secrets", "proxy", "dns", "tls", "query", "clock", "ledger", "port"),
        *("descriptors", "prometheus"),
    ]
    faults = {check for check, verdict in verdicts.items() if verdict == "fault"}
    assert faults - {"descriptors"} == {"query", "prometheus"}
    assert (result.exit_code, json.loads(result.stdout)["ok"]) == (4, False)
    assert all(each["advice"] for each in json.loads(result.stdout)["findings"] if each["verdict"] == "fault")


@pytest.mark.slow
def test_a_configuration_with_faults_hides_nothing_of_the_machine(tmp_path: Path, taken: int) -> None:
    result = doctor(tmp_path, "--web.listen-address", f"127.0.0.1:{taken}", config="acounts: []\n")
    assert result.exit_code == 1
    assert "did you mean accounts?" in " ".join(result.output.split())
    assert "-> who has it says ss -ltnp" in " ".join(result.output.split())


def test_a_key_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BYTESPIKE_TEST_KEY")
    result = doctor(tmp_path, "--json", "--web.listen-address", "127.0.0.1:0")
    assert (found(result)["key"], found(result)["query"]) == ("fault", "skipped")


def test_a_password_of_a_proxy_is_not_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://me:secret-word@127.0.0.1:9")
    result = doctor(tmp_path, "--web.listen-address", "127.0.0.1:0")
    assert "through http://127.0.0.1:9" in " ".join(result.output.split())
    assert "secret-word" not in result.output


@pytest.mark.parametrize("url", ["localhost:9090", "http://me:pw@host", "ftp://host"])
def test_a_prometheus_that_cannot_be(tmp_path: Path, url: str) -> None:
    result = doctor(tmp_path, "--prometheus.url", url)
    assert (result.exit_code, "expected a URL such as http://localhost:9090" in result.output) == (2, True)
