"""``check-config``: what it prints where, and how it exits."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from exporter.cli.main import cli
from exporter.service.estimate import estimate
from exporter.settings.load import load

GOOD = """\
accounts:
  - {name: default, api_key_env: KEY}
task_groups:
  - {name: renders, static_configs: [{task_ids: [task_1], out_task_ids: [render-1]}]}
  - {name: images, static_configs: [{task_ids: [task_2]}]}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(text: str, *flags: str, key: str = "sk-byts-0123456789", env: Mapping[str, str] | None = None) -> Result:
    Path("exporter.yml").write_text(text, encoding="utf-8")
    return CliRunner().invoke(cli, ["check-config", "exporter.yml", *flags], env={"KEY": key, **(env or {})})


def test_a_good_file() -> None:
    result = check(GOOD)

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "exporter.yml: 1 account, 2 task groups, 3 tasks: ok\n"


def test_a_secret_that_is_not_there_is_a_warning() -> None:
    result = check(GOOD, key="")

    assert result.exit_code == 0
    assert result.stderr == (
        "exporter.yml: warning: account default: api_key_env: the environment variable KEY is not set; "
        "set it to the API key\n"
    )


def test_what_cannot_be_used_of_the_environment_is_a_warning_that_shows_no_password() -> None:
    proxies = {"https_proxy": "http://user:hunter2#@proxy:3128", "no_proxy": "fd00::/8, [::1"}
    result = check(GOOD, env={**proxies, "SSL_CERT_FILE": "none.pem"})

    assert result.exit_code == 0
    proxy, exempt, certificates = result.stderr.splitlines()
    assert proxy.startswith("exporter.yml: warning: https_proxy is not the address of a proxy that can be used")
    assert exempt.startswith("exporter.yml: warning: no_proxy: [::1 is neither a host, an address nor a network")
    assert certificates.endswith("SSL_CERT_FILE: none.pem cannot be used, and is left out: No such file or directory")
    assert "hunter2" not in result.output


def test_every_mistake_stands_on_a_line_of_its_own() -> None:
    result = check("accounts:\n  - {name: default, api_key_env: KEY, timeout: soon}\nledgers: {}\n")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        'exporter.yml:2: accounts[0].timeout: "soon" is not a duration; write one such as 500ms, 2s, 5m, 1h30m or 1d\n'
        "exporter.yml:3: ledgers: unknown key; did you mean ledger? "
        "allowed: global, accounts, task_groups, api, ledger, proxy\n"
    )


def test_a_missing_file() -> None:
    result = CliRunner().invoke(cli, ["check-config", "nowhere.yml"])

    assert result.exit_code == 1
    assert result.stderr == "nowhere.yml: cannot be read: No such file or directory\n"


def test_standard_input() -> None:
    result = CliRunner().invoke(cli, ["check-config", "-"], input=GOOD, env={"KEY": ""})

    assert (result.exit_code, result.stdout) == (0, "standard input: 1 account, 2 task groups, 3 tasks: ok\n")
    assert result.stderr.startswith("standard input: warning: account default: ")


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (b"acounts: []\n", "standard input:1: acounts: unknown key; did you mean accounts?"),
        (b"", "standard input:1: the file is empty"),
        (b"a: \xff\n", "standard input:1: is not UTF-8"),
    ],
)
def test_mistakes_on_standard_input(given: bytes, fault: str) -> None:
    result = CliRunner().invoke(cli, ["check-config", "-"], input=given)

    assert result.exit_code == 1
    assert fault in result.stderr


def test_relative_paths_on_standard_input_start_where_one_is(here: Path) -> None:
    (here / "key").write_text("sk-byts-0123456789")
    text = GOOD.replace("api_key_env: KEY", "api_key_file: key")

    assert CliRunner().invoke(cli, ["check-config", "-"], input=text).stderr == ""


def test_the_estimate() -> None:
    lines = [" ".join(line.split()) for line in check(GOOD, "--estimate").stdout.splitlines()]

    found = estimate(load(Path("exporter.yml")))
    assert "default 3 0.60 0.01 .. 1.50 10.00 0.20" in lines
    assert f"aggregates (2 label sets) {found.aggregate_series}" in lines
    assert "failures by error code 404" in lines
    assert f"single tasks {found.task_series}" in lines
    assert f"accounts and the exporter {found.exporter_series}" in lines
    assert f"all {found.series}" in lines


def test_the_estimate_warns_where_the_limit_is_too_low() -> None:
    slow = GOOD.replace("api_key_env: KEY", "api_key_env: KEY, max_requests_per_second: 0.1")

    assert (
        "Account default wants more than its limit: each task is polled every 30.0 s at best, "
        "in the mean. Groups share the limit, half of it equally and half by what they ask for. "
        "Raise max_requests_per_second or follow fewer tasks."
    ) in check(slow, "--estimate").stdout


def test_the_estimate_of_an_account_without_a_limit() -> None:
    fast = GOOD.replace("api_key_env: KEY", "api_key_env: KEY, max_requests_per_second: unlimited")
    stdout = check(fast, "--estimate").stdout

    assert " ".join(stdout.split()).find("default 3 0.60 0.01 .. 1.50 unlimited 0.20") > 0
    assert "wants more" not in stdout


def test_the_estimate_explains_the_adaptive_strategy() -> None:
    some = GOOD.replace("{name: images,", "{name: images, poll: {strategy: eta},")
    none = some.replace("accounts:", "global: {poll: {strategy: eta}}\naccounts:").replace(
        "poll: {strategy: eta}, ", ""
    )

    for text, adaptive in ((GOOD, "0.60"), (some, "0.40")):
        assert f"Account default: {adaptive} of the 0.60 wanted are placed by the adaptive strategy" in (
            check(text, "--estimate").stdout
        )
    assert "adaptive" not in check(none, "--estimate").stdout


def test_the_estimate_names_what_it_cannot_foresee() -> None:
    result = check(GOOD.replace("{name: images,", "{name: images, api_config: {},"), "--estimate")

    assert "Tasks found elsewhere by images: series are counted up to the limits, requests are not." in result.stdout
