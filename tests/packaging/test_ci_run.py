"""The script of continuous integration, among stand-ins for the system's commands that note how they are called."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from exporter.cli.init import command as init

PROJECT = Path(__file__).parents[2]
# initdb stands for PostgreSQL, which Debian puts on nobody's path: where it is there, it is looked for in vain
SERVERS = {"make", "chromium", "prometheus", "prometheus-alertmanager", "pgbouncer", "initdb"}
POSTGRESQL = "" if list(Path("/usr/lib/postgresql").glob("*/bin/initdb")) else " postgresql"
PYTHON = f'#!/bin/sh\nexec "{sys.executable}" "$@"\n'
SUDO = '#!/bin/sh\nexec "$@"\n'
BASH = shutil.which("bash") or "bash"

UPDATE = "apt-get update -qq"
INSTALL = "apt-get install -qq -y --no-install-recommends -o Acquire::Retries=3"
CHECKS = ["make check"]
# every stand-in notes its call; apt-get provides make, as the real one would
RECORDER = """\
#!/bin/sh
echo "${0##*/} $*" >>"$LOG"
case "${0##*/} $*" in
"apt-get install"*) cp "$0" "${0%/*}/make" ;;
"make check") exit "$CHECKS" ;;
"newest-servers ") exit "$SERVERS" ;;
esac
"""


def write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


class Machine:
    """A clone of the project on a machine that has only the named commands."""

    def __init__(self, root: Path, commands: Collection[str], *, python: bool = True) -> None:
        self.log = root / "log"
        self.clone = root / "clone"
        self.bin = root / "bin"
        for name in [".ci/run", "scripts/find-python"]:
            (self.clone / name).parent.mkdir(parents=True)
            shutil.copy(PROJECT / name, self.clone / name)
        write(self.clone / "scripts/newest-servers", RECORDER)
        self.bin.mkdir()
        for name in ["sh", "env", "dirname", "cp"]:
            (self.bin / name).symlink_to(shutil.which(name) or name)
        for name in commands:
            write(self.bin / name, RECORDER)
        write(self.bin / "sudo", SUDO)
        if python:
            write(self.bin / "python3", PYTHON)

    def run(self, *, checks: int = 0, servers: int = 0) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [BASH, self.clone / ".ci/run"],
            cwd="/",
            env={
                "PATH": str(self.bin),
                "LOG": str(self.log),
                "CHECKS": str(checks),
                "SERVERS": str(servers),
                "CI": "true",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


def test_where_all_is_installed_only_the_checks_run(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {*SERVERS, "apt-get"})
    assert machine.run().returncode == 0
    assert machine.calls() == CHECKS


@pytest.mark.parametrize("absent", sorted(SERVERS - {"initdb"}))
def test_what_is_missing_is_installed_first(tmp_path: Path, absent: str) -> None:
    machine = Machine(tmp_path, {*SERVERS, "apt-get"} - {absent})
    assert machine.run().returncode == 0
    assert machine.calls() == [UPDATE, f"{INSTALL} {absent}", *CHECKS]


def test_a_bare_machine_gets_everything(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {"apt-get"}, python=False)
    assert machine.run().returncode == 0
    packages = f"make chromium prometheus prometheus-alertmanager pgbouncer{POSTGRESQL} python3-venv"
    assert machine.calls() == [UPDATE, f"{INSTALL} {packages}", *CHECKS]


def test_without_apt_the_checks_run_all_the_same(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {"make"})
    result = machine.run()
    assert result.returncode == 0
    packages = f"chromium prometheus prometheus-alertmanager pgbouncer{POSTGRESQL}"
    assert result.stdout == f"Not installed, for there is no apt-get here: {packages}\n"
    assert machine.calls() == CHECKS


def test_where_there_is_go_its_tools_are_installed_first(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {*SERVERS, "go", "timeout"})
    assert machine.run().returncode == 0
    tools = {
        "go -C requirements/pint install tool",
        "go install github.com/grafana/dashboard-linter@v0.1.1",
        "go -C requirements/helm install tool",
    }
    limited = [call.split(" ", 2)[2] for call in machine.calls()[:-1]]
    assert {*limited[:-1]} == tools
    assert limited[-1] == "scripts/newest-servers"
    assert machine.calls()[-1:] == CHECKS


def test_newest_servers_that_cannot_be_built_are_told_of_and_all_else_is_checked(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {*SERVERS, "go"})
    write(machine.bin / "timeout", '#!/bin/sh\nshift\nexec "$@"\n')
    result = machine.run(servers=1)
    assert result.returncode == 0
    assert result.stderr.endswith("could not be built (scripts/newest-servers).\n")
    assert machine.calls()[-2:] == ["newest-servers ", *CHECKS]


def test_without_go_it_is_told_that_they_are_not_tested(tmp_path: Path) -> None:
    assert "there is no Go here" in Machine(tmp_path, SERVERS).run().stderr


def test_failing_checks_fail_the_run_and_the_rest_is_tried_all_the_same(tmp_path: Path) -> None:
    machine = Machine(tmp_path, SERVERS)
    assert machine.run(checks=2).returncode == 2
    assert machine.calls() == CHECKS


def test_the_workflow_runs_the_script_on_every_supported_python() -> None:
    workflow = yaml.safe_load((PROJECT / ".github/workflows/ci.yml").read_text())
    job = workflow["jobs"]["check"]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert [step["run"] for step in job["steps"] if "run" in step] == ["bash .ci/run"]
    assert workflow["permissions"] == {"contents": "read"}


def test_the_workflow_builds_the_image_and_starts_what_init_writes() -> None:
    job = yaml.safe_load((PROJECT / ".github/workflows/ci.yml").read_text())["jobs"]["image"]
    runs = "\n".join(step["run"] for step in job["steps"] if "run" in step).replace("\\\n", " ")
    [tag] = re.findall(r"docker build .*--tag (\S+) \.", runs)
    [flags] = re.findall(rf"docker run .*{tag} +init /new (.+)", runs)
    printed = CliRunner().invoke(init, [*shlex.split(flags), "--dry-run"])
    assert printed.exit_code == 0, printed.output
    assert f"image: {tag}\n" in printed.stdout
    assert runs.count("docker compose up --detach --wait") == runs.count("docker compose down") == 2
