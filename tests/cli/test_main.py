"""The command line: commands by name, serve without one, and no traceback for a user's mistake."""

import sys
from types import ModuleType

import click
import pytest
import structlog
from click.testing import CliRunner, Result

from exporter.cli import main as module
from exporter.cli.exits import CannotStart
from exporter.cli.main import COMMANDS, Lazy, cli
from exporter.cli.options import config_file, listening, log_options, site, web_config_file
from exporter.errors import ExporterError
from exporter.logs import LogFormat, LogLevel
from exporter.settings.errors import ConfigError, Fault

KEY = "sk-byts-4d0f6c1b2a9e8d7c"


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> None:
    """A serve command that prints what it was given, or fails as it is told."""

    @click.command
    @config_file
    @log_options
    @listening
    @site
    @web_config_file
    @click.option("--fail", type=click.Choice(["config", "ledger", "port", "bug"]))
    def command(**given: object) -> None:
        fail = given.pop("fail")
        if fail == "config":
            raise ConfigError([Fault("exporter.yml", 2, "a", "is wrong"), Fault("exporter.yml", 3, "b", "is wrong")])
        if fail == "ledger":
            raise ExporterError("the ledger is corrupt")
        if fail == "port":
            raise CannotStart("the port is taken")
        if fail == "bug":
            raise RuntimeError(f"sent with {KEY}")
        assert isinstance(given["log_level"], LogLevel)
        assert isinstance(given["log_format"], LogFormat)
        for name, value in sorted(given.items()):
            click.echo(f"{name}={', '.join(map(str, value)) if isinstance(value, tuple) else value}")

    stub = ModuleType("stub_of_serve")
    stub.command = command  # type: ignore[attr-defined] # that is what makes it a stub
    monkeypatch.setitem(sys.modules, "stub_of_serve", stub)
    monkeypatch.setitem(COMMANDS, "serve", Lazy("stub_of_serve:command", "Serve."))


def run(*args: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(cli, list(args), env=env, prog_name="bytespike-exporter")


DEFAULTS = [
    "addresses=:9877",
    "config_file=exporter.yml",
    "handed_over=False",
    "log_format=logfmt",
    "log_level=info",
    "site=Site(prefix='', metrics='/metrics', external_url='')",
    "web_config_file=None",
]


@pytest.mark.usefixtures("serve")
@pytest.mark.parametrize("args", [[], ["serve"]])
def test_it_serves_without_a_command(args: list[str]) -> None:
    assert run(*args).output.splitlines() == DEFAULTS


@pytest.mark.usefixtures("serve")
@pytest.mark.parametrize("command", [[], ["serve"]])
@pytest.mark.parametrize("style", ["{}={}", "{} {}"])
def test_flags_belong_to_serve(command: list[str], style: str) -> None:
    flags = [
        ("--config.file", "x.yml"),
        ("--log.level", "debug"),
        ("--log.format", "json"),
        ("--web.listen-address", "[::1]:0"),
        ("--web.listen-address", "unix:/run/x.sock"),
        ("--web.external-url", "https://monitoring.example/bytespike/"),
        ("--web.telemetry-path", "/m"),
        ("--web.config.file", "web.yml"),
    ]
    args = [part for flag in flags for part in style.format(*flag).split()]

    assert run(*command, *args).output.splitlines() == [
        "addresses=[::1]:0, unix:/run/x.sock",
        "config_file=x.yml",
        "handed_over=False",
        "log_format=json",
        "log_level=debug",
        "site=Site(prefix='/bytespike', metrics='/m', external_url='https://monitoring.example/bytespike')",
        "web_config_file=web.yml",
    ]


@pytest.mark.usefixtures("serve")
def test_each_flag_has_a_variable() -> None:
    env = {
        "BYTESPIKE_EXPORTER_CONFIG_FILE": "y.yml",
        "BYTESPIKE_EXPORTER_LOG_LEVEL": "error",
        "BYTESPIKE_EXPORTER_LOG_FORMAT": "json",
        "BYTESPIKE_EXPORTER_WEB_LISTEN_ADDRESS": "localhost:1\nunix:/x [::]:2",
        "BYTESPIKE_EXPORTER_WEB_SYSTEMD_SOCKET": "true",
        "BYTESPIKE_EXPORTER_WEB_EXTERNAL_URL": "/outside",
        "BYTESPIKE_EXPORTER_WEB_ROUTE_PREFIX": "inside",
        "BYTESPIKE_EXPORTER_WEB_TELEMETRY_PATH": "/",
        "BYTESPIKE_EXPORTER_WEB_CONFIG_FILE": "/etc/web.yml",
    }

    assert run("--config.file=z.yml", env=env).output.splitlines() == [
        "addresses=localhost:1, unix:/x, [::]:2",
        "config_file=z.yml",
        "handed_over=True",
        "log_format=json",
        "log_level=error",
        "site=Site(prefix='/inside', metrics='/', external_url='/outside')",
        "web_config_file=/etc/web.yml",
    ]


@pytest.mark.usefixtures("serve")
@pytest.mark.parametrize(
    ("fail", "code", "text"),
    [
        ("config", 1, "exporter.yml:2: a: is wrong\nexporter.yml:3: b: is wrong\n"),
        ("ledger", 3, "Error: the ledger is corrupt\n"),
        ("port", 3, "Error: the port is taken\n"),
    ],
)
def test_what_the_user_can_mend_is_said_in_words(fail: str, code: int, text: str) -> None:
    result = run(f"--fail={fail}")

    assert (result.exit_code, result.stderr, result.stdout) == (code, text, "")


@pytest.mark.usefixtures("serve")
@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["--nonsense"], "No such option '--nonsense'."),
        (["nonsense"], "No such command 'nonsense'."),
        (["--log.level=loud"], "'loud' is not one of 'debug', 'info', 'warn', 'error'."),
        (
            ["--web.listen-address=9877"],
            "_WEB_LISTEN_ADDRESS'): expected HOST:PORT, such as :9877, 127.0.0.1:9877 or [::1]:9877\n",
        ),
        (["--web.listen-address=unix:"], "expected unix:/path of a socket"),
        (["--web.route-prefix=a b"], "--web.route-prefix: expected a path such as /exporter"),
        (["--web.external-url=monitoring.example"], "--web.external-url: expected a URL such as https://host/exporter"),
        (["--web.telemetry-path=/sd"], "--web.telemetry-path: /sd is something else's"),
        (["--web.listen-address=:65536"], "there is no port 65536; the last is 65535"),
    ],
)
def test_wrong_usage(args: list[str], text: str) -> None:
    result = run(*args)

    assert result.exit_code == 2
    assert text in result.stderr


def test_version() -> None:
    assert run("--version").output.startswith("bytespike-exporter, version ")
    assert run("--version").output.rstrip().endswith(")")
    assert "(revision: " in run("--version").output
    assert f"python: {sys.version_info.major}.{sys.version_info.minor}." in run("--version").output


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_names_every_command_without_importing_one(flag: str) -> None:
    before = set(sys.modules)

    result = run(flag)

    assert result.exit_code == 0
    assert [name for name in COMMANDS if f"\n  {name} " not in result.output] == []
    assert not {name for name in set(sys.modules) - before if name.startswith("exporter.cli.")}


def test_the_commands() -> None:
    checks = ["check-config", "check-web-config"]
    asked = ["query", "watch", "doctor"]
    named = ["serve", "init", *checks, *asked, "simulate", "scenario", "ledger", "demo", "demo-receiver"]
    assert cli.list_commands(click.Context(cli)) == named


def test_the_script(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["anything", "--version"])

    with pytest.raises(SystemExit) as caught:
        module.main()

    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("bytespike-exporter, version ")


@pytest.mark.usefixtures("serve")
def test_a_crash_is_not_taken_for_a_faulty_configuration(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    structlog.reset_defaults()  # no other test's log is meant
    monkeypatch.setattr(sys, "argv", ["anything", "--fail=bug"])

    with pytest.raises(SystemExit) as caught:
        module.main()

    assert caught.value.code == 70
    told = capsys.readouterr().err
    assert told.startswith("Traceback ")
    assert "RuntimeError: sent with ***" in told
    assert KEY not in told
