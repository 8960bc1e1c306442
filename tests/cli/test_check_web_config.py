"""``check-web-config``, and ``--web.config.file`` of ``serve``: what is printed where, and how they exit."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from exporter.cli.main import cli
from tests.support.certificates import LOCALHOST, Certificate
from tests.support.processes import PROJECT

HASH = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*args: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(cli, [*args], env=env)


def check(text: str) -> Result:
    Path("web.yml").write_text(text)
    return run("check-web-config", "web.yml")


def test_good_files(here: Path) -> None:
    Certificate.make(here, "server", names=LOCALHOST)
    tls = "tls_server_config: {cert_file: server.crt, key_file: server.key}\n"

    for text, told in (
        ("", "no TLS, no users"),
        (tls, "TLS, no users"),
        (f"{tls}basic_auth_users: {{a: {HASH}}}", "TLS, 1 user"),
        (f"{tls}basic_auth_users: {{a: {HASH}, b: {HASH}}}", "TLS, 2 users"),
    ):
        result = check(text)
        assert (result.exit_code, result.stdout, result.stderr) == (0, f"web.yml: {told}: ok\n", "")


def test_what_is_hardly_meant(here: Path) -> None:
    Certificate.make(here, "server", names=LOCALHOST, days=-1)

    old = check("tls_server_config: {cert_file: server.crt, key_file: server.key}\n")
    clear = check(f"basic_auth_users: {{a: {HASH}}}")

    assert (old.exit_code, clear.exit_code) == (0, 0)
    assert old.stderr.startswith("web.yml: warning: tls_server_config: the certificate ended on 20")
    assert clear.stderr == (
        "web.yml: warning: basic_auth_users without TLS: passwords cross the network in the clear\n"
    )


def test_every_mistake_with_its_line() -> None:
    result = check("rate_limit:\n  burst: x\nusers: {}\n")

    assert (result.exit_code, result.stdout) == (1, "")
    assert [line.split(" ")[0] for line in result.stderr.splitlines()] == ["web.yml:2:", "web.yml:3:"]


def test_what_its_certificates_say(here: Path) -> None:
    Certificate.make(here, "one")
    Certificate.make(here, "two")

    for tls, told in (
        ("cert_file: one.crt, key_file: two.key", "key_file: is not the key of the certificate"),
        ("cert_file: one.key, key_file: one.key", "cert_file: holds no certificate (PEM)"),
        (
            "cert_file: one.crt, key_file: one.crt",
            "key_file: holds no key that can be used (PEM, without a passphrase)",
        ),
        ("cert: x, key_file: one.key", "cert: holds no certificate (PEM)"),
        ("cert_file: one.crt, key_file: one.key, client_auth_type: x", "client_auth_type: has to be one of: "),
        ("cert_file: one.crt", "key: is needed for TLS: key, or key_file"),
    ):
        result = check(f"tls_server_config: {{{tls}}}")
        assert result.exit_code == 1
        assert result.stderr.startswith(f"web.yml:1: tls_server_config.{told}")


def test_serving_does_not_begin_with_a_wrong_one() -> None:
    Path("exporter.yml").write_text("accounts: [{name: default, api_key_env: KEY}]")
    Path("web.yml").write_text("nonsense: 1")

    for flags, env in ((["--web.config.file=web.yml"], {}), ([], {"BYTESPIKE_EXPORTER_WEB_CONFIG_FILE": "web.yml"})):
        result = run("serve", *flags, env={"KEY": "sk-byts-0123456789", **env})
        assert result.exit_code == 1
        assert "web.yml:1: nonsense: unknown key; allowed: tls_server_config" in result.stderr


def test_the_shipped_example() -> None:
    result = run("check-web-config", str(PROJECT / "config" / "web.yml"))

    assert result.exit_code == 0, result.stderr
