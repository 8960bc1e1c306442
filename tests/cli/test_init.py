"""``init``: by flags, by questions on a real terminal, and never with the key."""

import os
import pty
import select
import signal
import sys
import time
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from exporter.cli.check_config import command as check_config
from exporter.cli.exits import ExitCode
from exporter.cli.main import cli
from exporter.settings.load import load
from tests.support.processes import PROJECT, start_exporter

KEY = "sk-byts-4d0f6c1b2a9e8d7c"
INTERRUPT = "\x03"


def run(*arguments: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(cli, ["init", *arguments], env=env, prog_name="bytespike-exporter")


def files(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def test_without_a_terminal_it_asks_nothing_and_says_the_next_two_commands(tmp_path: Path) -> None:
    result = run(str(tmp_path / "new"))
    assert result.exit_code == 0, result.output
    assert files(tmp_path / "new") == {"exporter.yml", "prometheus.yml"}
    assert result.stdout == (
        "\n"
        "Put the key into the environment variable BYTESPIKE_API_KEY.\n"
        "Then:\n"
        f"  cd {tmp_path}/new\n"
        "  bytespike-exporter check-config exporter.yml\n"
        "  bytespike-exporter --config.file=exporter.yml\n"
        "\n"
        "Your application's base URL is now http://127.0.0.1:9878. Nothing else changes: docs/sidecar.md.\n"
    )
    checked = CliRunner().invoke(check_config, [str(tmp_path / "new/exporter.yml")], env={"BYTESPIKE_API_KEY": KEY})
    assert (checked.exit_code, checked.stderr) == (0, "")


@pytest.mark.parametrize(
    ("flags", "written", "said"),
    [
        (["--way=files"], {"exporter.yml", "prometheus.yml", "tasks/tasks.yml"}, ["tasks/tasks.yml"]),
        (["--way=api"], {"exporter.yml", "prometheus.yml"}, ["POST /api/v1/tasks"]),
        (
            ["--way=api", "--deploy=compose"],
            {"exporter.yml", "prometheus.yml", "compose.yaml"},
            ["openssl rand -hex 32 > token", "docker compose up --detach --wait", "docker compose logs exporter"],
        ),
        (
            ["--way=api", "--deploy=kubernetes"],
            {"exporter.yml", "prometheus.yml", "kubernetes.yaml"},
            [
                "kubectl create secret generic bytespike-api-key --from-file=api_key --from-file=token",
                "kubectl apply -f kubernetes.yaml",
            ],
        ),
        (["--api-key-file=the key"], {"exporter.yml", "prometheus.yml"}, ["Put the key into the key."]),
    ],
)
def test_flags_say_what_is_written(flags: list[str], written: set[str], said: list[str], tmp_path: Path) -> None:
    result = run(str(tmp_path), *flags)
    assert result.exit_code == 0, result.output
    assert files(tmp_path) == written
    assert [line for line in said if line not in result.stdout] == []


def test_values_reach_the_configuration(tmp_path: Path) -> None:
    url = "https://gateway.example/bytespike"
    run(str(tmp_path), "--api-key-env=MY_KEY", f"--base-url={url}", "--group=renders", "--model=sora: 2 # pro")
    settings = load(tmp_path / "exporter.yml")
    [account], [group] = settings.accounts, settings.task_groups
    assert (account.api_key_env, account.base_url) == ("MY_KEY", url)
    assert (group.name, group.model) == ("renders", "sora: 2 # pro")


def test_the_image_is_the_released_one_unless_another_is_named(tmp_path: Path) -> None:
    for flags, image in (
        ([], "ghcr.io/bytespike/bytespike-exporter:v"),
        (["--image=registry.example/exporter:7"], "registry.example/exporter:7"),
    ):
        run(str(tmp_path), "--deploy=compose", "--force", *flags)
        services = yaml.safe_load((tmp_path / "compose.yaml").read_text())["services"]
        assert services["exporter"]["image"].startswith(image)


def test_a_dry_run_prints_the_files_and_writes_none(tmp_path: Path) -> None:
    result = run(str(tmp_path), "--dry-run", "--way=files", "--deploy=kubernetes")
    assert result.exit_code == 0
    assert files(tmp_path) == set()
    titles = [line for line in result.stdout.splitlines() if line.startswith("# ==>")]
    assert titles == [
        f"# ==> {name}" for name in ("exporter.yml", "tasks/tasks.yml", "prometheus.yml", "kubernetes.yaml")
    ]
    assert len(list(yaml.safe_load_all(result.stdout))) > len(titles), "it is YAML as a whole, too"


def test_what_is_there_stays_unless_it_is_forced(tmp_path: Path) -> None:
    (tmp_path / "prometheus.yml").write_text("mine\n")
    result = run(str(tmp_path))
    assert result.exit_code == ExitCode.CANNOT_START
    assert "prometheus.yml is there already; nothing was written" in result.output
    assert files(tmp_path) == {"prometheus.yml"}
    assert run(str(tmp_path), "--force").exit_code == 0
    assert files(tmp_path) == {"exporter.yml", "prometheus.yml"}


@pytest.mark.parametrize(
    "flags",
    [
        *(["--api-key-env", KEY], ["--api-key-file", KEY], ["--group", KEY], ["--model", KEY], ["--base-url", KEY]),
        ["--deploy=compose", "--image", f"exporter:{KEY}"],
        ["--base-url", f"https://{KEY}@llm.bytespike.ai"],
    ],
)
def test_a_key_is_never_written_nor_repeated(flags: list[str], tmp_path: Path) -> None:
    result = run(str(tmp_path), *flags)
    assert result.exit_code in (ExitCode.CONFIG, ExitCode.USAGE)
    assert KEY not in result.output
    assert files(tmp_path) == set()


def test_a_key_of_another_form_is_known_by_its_variable(tmp_path: Path) -> None:
    secret = "averyprivatekeyofmine"
    result = run(str(tmp_path), "--model", secret, env={"BYTESPIKE_API_KEY": secret})
    assert result.exit_code == ExitCode.CONFIG
    assert secret not in result.output
    assert files(tmp_path) == set()


@pytest.mark.parametrize("flags", [["--way=telepathy"], ["--deploy=nomad"], ["--api-key-env=A", "--api-key-file=b"]])
def test_what_cannot_be_is_said(flags: list[str], tmp_path: Path) -> None:
    assert run(str(tmp_path), *flags).exit_code == ExitCode.USAGE
    assert files(tmp_path) == set()


@pytest.mark.slow
@pytest.mark.e2e
def test_the_exporter_starts_with_what_was_written(tmp_path: Path) -> None:
    run(str(tmp_path), "--way=files", "--base-url=http://127.0.0.1:1")
    with start_exporter(tmp_path / "exporter.yml", env={"BYTESPIKE_API_KEY": KEY}) as exporter:
        exporter.stop()
        assert not [event for event in exporter.events() if event["level"] in ("warning", "error")]


@pytest.mark.e2e
def test_on_a_terminal_it_asks(tmp_path: Path) -> None:
    answers = {
        "How do tasks come in?": "api",
        "What runs the exporter?": "compose",
        "Its name, not the key": KEY,
        "expected the name of a variable": "MY_KEY",
    }
    said, code = on_a_terminal(tmp_path, answers)
    assert code == 0, said
    assert files(tmp_path) == {"exporter.yml", "prometheus.yml", "compose.yaml"}
    settings = load(tmp_path / "exporter.yml")
    assert settings.accounts[0].api_key_env == "MY_KEY"
    assert settings.api.token_file is not None
    assert KEY not in "".join(path.read_text() for path in tmp_path.iterdir())


@pytest.mark.e2e
def test_a_question_that_is_not_answered_writes_nothing(tmp_path: Path) -> None:
    said, code = on_a_terminal(tmp_path, {"How do tasks come in?": INTERRUPT})
    assert code != 0
    assert "Traceback" not in said
    assert files(tmp_path) == set()


def on_a_terminal(directory: Path, answers: dict[str, str], *, seconds: float = 60) -> tuple[str, int]:
    """Run it in a pseudo-terminal and answer each question when it comes; what was on the screen, and the exit code."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(directory)
        env = {**os.environ, "PYTHONPATH": str(PROJECT), "TERM": "xterm"}
        os.execve(sys.executable, [sys.executable, "-m", "exporter", "init"], env)
    said, start, waiting = "", 0, list(answers.items())
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if waiting and waiting[0][0] in said[start:] and said.endswith("]: "):
            answer = waiting.pop(0)[1]
            start = len(said)
            os.write(terminal, answer.encode() if answer == INTERRUPT else f"{answer}\n".encode())
        if select.select([terminal], [], [], 0.05)[0]:
            try:
                said += os.read(terminal, 65536).decode()
            except OSError:  # nobody has it open any more
                break
    else:
        os.kill(child, signal.SIGKILL)
    os.close(terminal)
    return said, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
