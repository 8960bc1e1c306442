"""What a new user does first: pip, pipx, and the image's own steps where there is no engine to build it.

Everything is fetched as they would fetch it, so it takes minutes: make newcomer.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.packaging.test_dockerfile import final_stage, instructions, only
from tests.support.ports import free_port
from tests.support.waiting import until_sum

pytestmark = [pytest.mark.long, pytest.mark.e2e]

PROJECT = Path(__file__).parents[2]
VERSION = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
KEY = "sk-byts-demo"
SECONDS = 900
"""So long one step may take, on a slow machine with a slow network."""


def environment(**more: str) -> dict[str, str]:
    """That of somebody who has no clone of this project."""
    left_out = ("PYTHON", "VIRTUAL_ENV", "BYTESPIKE", "COVERAGE")
    return {name: value for name, value in os.environ.items() if not name.startswith(left_out)} | more


def run(*command: str | Path, cwd: Path, **more: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=environment(**more), capture_output=True, text=True, check=False, timeout=SECONDS
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def venv(directory: Path) -> Path:
    """The programs of a fresh virtual environment."""
    run(sys.executable, "-m", "venv", directory, cwd=directory.parent)
    return directory / "bin"


@contextmanager
def running(*command: str | Path, cwd: Path, **more: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A program with its output in a file beside it; killed in the end, if it still runs."""
    with (cwd / f"{Path(command[-1]).name}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=cwd, env=environment(**more), stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def answered(url: str) -> httpx.Response:
    deadline = time.monotonic() + 120
    while True:
        try:
            return httpx.get(url, timeout=10)
        except httpx.TransportError:
            assert time.monotonic() < deadline, url
            time.sleep(0.2)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*build, "--wheel-dir", folder, PROJECT], check=True, capture_output=True, timeout=SECONDS)
    [built] = folder.glob("*.whl")
    return built


def test_pip_installs_it_and_the_first_minutes_go_as_they_are_told(wheel: Path, tmp_path: Path) -> None:
    programs = venv(tmp_path / "venv")
    run(programs / "pip", "install", "--quiet", wheel, cwd=tmp_path)
    program = programs / "bytespike-exporter"
    assert f"version {VERSION} " in run(program, "--version", cwd=tmp_path)

    upstream, sidecar, port = free_port(), free_port(), free_port()
    home = tmp_path / "home"
    told = run(program, "init", home, f"--base-url=http://127.0.0.1:{upstream}", cwd=tmp_path)
    config = home / "exporter.yml"
    config.write_text(config.read_text().replace("127.0.0.1:9878", f"127.0.0.1:{sidecar}"))
    check, serve = re.findall(r"^  bytespike-exporter (.+)$", told, re.MULTILINE)
    assert run(program, *check.split(), cwd=home, BYTESPIKE_API_KEY=KEY).endswith(": ok\n")

    with (
        running(program, "simulate", "--listen", f"127.0.0.1:{upstream}", cwd=tmp_path),
        running(
            *(program, *serve.split(), f"--web.listen-address=127.0.0.1:{port}"), cwd=home, BYTESPIKE_API_KEY=KEY
        ) as exporter,
    ):
        assert answered(f"http://127.0.0.1:{port}/").status_code == 200, "its templates are in the wheel"
        answered(f"http://127.0.0.1:{upstream}/sim/scenarios")
        submitted = httpx.post(
            f"http://127.0.0.1:{sidecar}/v1/tasks/submit",
            json={"model": "sora-2", "params": {"prompt": "a calm sea"}},
            headers={"x-api-key": KEY},
            timeout=60,
        )
        assert submitted.status_code == 200, submitted.text
        page = until_sum(f"http://127.0.0.1:{port}", "bytespike_tasks_followed_total", bool, seconds=60)
        assert page.sum("bytespike_tasks_followed_total", model="sora-2") == 1
        exporter.send_signal(signal.SIGTERM)
        assert exporter.wait(60) == 0


def test_an_application_imports_the_client_alone(wheel: Path, tmp_path: Path) -> None:
    programs = venv(tmp_path / "venv")
    run(programs / "pip", "install", "--quiet", "--no-deps", wheel, "msgspec", cwd=tmp_path)
    run(programs / "python", "-c", "import exporter.client", cwd=tmp_path)


def test_pipx_runs_it(wheel: Path, tmp_path: Path) -> None:
    programs = venv(tmp_path / "venv")
    run(programs / "pip", "install", "--quiet", "pipx", cwd=tmp_path)
    told = run(
        *(programs / "pipx", "run", "--spec", wheel, "bytespike-exporter", "--version"),
        cwd=tmp_path,
        PIPX_HOME=str(tmp_path / "pipx"),
        PIPX_DEFAULT_PYTHON=sys.executable,
    )
    assert f"version {VERSION} " in told


# ---- the image -------------------------------------------------------------------------------------------------------


class Image:
    """The Dockerfile's steps, in a directory that stands for the root of the file system."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.base = venv(root / "base")
        self._workdir = root
        self._environment: dict[str, str] = {}

    def build(self) -> None:
        for word, rest in instructions():
            match word:
                case "WORKDIR":
                    self._workdir = self._inside(rest)
                    self._workdir.mkdir(parents=True, exist_ok=True)
                case "ENV":
                    self._environment |= dict(pair.split("=", 1) for pair in rest.split())
                case "COPY":
                    self._copy(*rest.split())
                case "RUN":
                    self.run("sh", "-ec", self._translated(rest))

    def run(self, *command: str, **more: str) -> str:
        return run(*command, cwd=self._workdir, **{**self.environment(), **more})

    def environment(self) -> Mapping[str, str]:
        """Without what the image takes from its base: that is this machine's."""
        own = {name: value for name, value in self._environment.items() if name != "PATH" and "${" not in value}
        return own | {"PATH": f"{self.root}/opt/exporter/bin:{self.base}:{os.environ['PATH']}"}

    def _copy(self, *words: str) -> None:
        *sources, target = [word for word in words if not word.startswith("--")]
        if len(sources) < len(words) - 1:
            return  # from the stage before, whose root is the same here
        for source in sources:
            place = self._workdir / target if target != "./" else self._workdir
            if (PROJECT / source).is_dir():
                shutil.copytree(PROJECT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy(PROJECT / source, place)

    def _translated(self, command: str) -> str:
        """Paths of the image lie below the root, and only root may give files away."""
        command = re.sub(r"(?<![\w.])/(?=(?:opt|wheels|data)\b)", f"{self.root}/", command)
        return command if os.geteuid() == 0 else command.replace("-o 65532 -g 65532 ", "")

    def _inside(self, path: str) -> Path:
        return self.root / path.lstrip("/")


def test_the_steps_of_the_image_make_what_its_entry_point_runs(tmp_path: Path) -> None:
    image = Image(tmp_path)
    image.build()
    assert [word for word, _ in final_stage()].count("RUN") == 1
    assert (tmp_path / "data").is_dir()

    entry = [str(part) for part in json.loads(only("ENTRYPOINT"))]
    assert f"version {VERSION} (revision: abc, " in image.run(*entry, "--version", BYTESPIKE_EXPORTER_REVISION="abc")

    config = tmp_path / "etc/exporter.yml"
    config.parent.mkdir()
    config.write_text("accounts: [{name: a, base_url: 'http://127.0.0.1:1', api_key_env: KEY}]\ntask_groups: []\n")
    port = free_port()
    more = {**image.environment(), "BYTESPIKE_EXPORTER_CONFIG_FILE": str(config), "KEY": KEY}
    with running(*entry, f"--web.listen-address=127.0.0.1:{port}", cwd=tmp_path, **more) as exporter:
        answered(f"http://127.0.0.1:{port}/-/healthy")
        check = json.loads(only("HEALTHCHECK").partition(" CMD ")[2])
        image.run(*(part.replace("9877", str(port)) for part in check))
        exporter.send_signal(signal.SIGTERM)
        assert exporter.wait(60) == 0
    assert (tmp_path / "data/ledger.db").exists(), "the default ledger lies in the volume"
