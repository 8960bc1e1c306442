"""The image as far as it can be judged without building it."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

PROJECT = Path(__file__).parents[2]


def instructions() -> list[tuple[str, str]]:
    """Every instruction as its word and the rest of its logical line."""
    lines = [line for line in (PROJECT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    logical = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [(word, " ".join(rest.split())) for word, _, rest in (line.partition(" ") for line in logical if line)]


def final_stage() -> list[tuple[str, str]]:
    listed = instructions()
    start = max(number for number, (word, _) in enumerate(listed) if word == "FROM")
    return listed[start:]


def only(word: str) -> str:
    (rest,) = [rest for name, rest in final_stage() if name == word]
    return rest


def copied_from_the_tree() -> list[str]:
    copies = [rest.split() for word, rest in instructions() if word == "COPY" and not rest.startswith("--from")]
    return [source for *sources, _ in copies for source in sources]


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    result = subprocess.run([hadolint, PROJECT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "")


@pytest.mark.parametrize("source", copied_from_the_tree())
def test_what_is_copied_exists_and_is_not_ignored(source: str) -> None:
    assert (PROJECT / source).exists()
    ignored = (PROJECT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    assert any(fnmatch(source, rule[1:]) or source.startswith(f"{rule[1:]}/") for rule in ignored if rule[0] == "!")


def test_the_stages_share_one_base_with_an_exact_minor_version() -> None:
    bases = {rest.split()[0] for word, rest in instructions() if word == "FROM"}
    [base] = bases
    assert re.fullmatch(r"python:3\.13\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", base)


def test_everything_installed_is_hashed_or_built_here() -> None:
    runs = " ".join(rest for word, rest in instructions() if word == "RUN")
    installs = [part.partition("&&")[0] for part in runs.split(" install ")[1:] if not part.startswith("-d ")]
    assert len(installs) == 3
    assert all("--require-hashes" in part or "--no-index" in part for part in installs)


def test_the_final_image_runs_the_command_of_the_project_and_not_as_root() -> None:
    scripts = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["scripts"]
    *waits, program = json.loads(only("ENTRYPOINT"))
    assert waits == ["env", "--block-signal=TERM,INT,HUP"], "tests/cli/test_entry.py shows what for"
    assert [program] == list(scripts)
    user, _, group = only("USER").partition(":")
    assert int(user) > 0
    assert int(group) > 0
    assert only("EXPOSE") == "9877"


def test_only_the_volume_is_written_to() -> None:
    assert only("VOLUME") == "/data"
    assert only("WORKDIR") == "/", "the default ledger, data/ledger.db, must lie in the volume"
    assert "PYTHONDONTWRITEBYTECODE=1" in only("ENV").split()


def test_the_revision_reaches_the_process() -> None:
    assert only("ARG") == "REVISION=unknown"
    assert "BYTESPIKE_EXPORTER_REVISION=${REVISION}" in only("ENV").split()


@contextmanager
def healthy_answering(status: int) -> Iterator[int]:
    """A server on loopback that answers ``/-/healthy`` with the status; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/-/healthy" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def health_check(port: int, **environment: str) -> int:
    command = json.loads(only("HEALTHCHECK").partition(" CMD ")[2])
    assert command[0] == "python"
    command = [sys.executable, *(part.replace("9877", str(port)) for part in command[1:])]
    return subprocess.run(command, check=False, capture_output=True, env=environment).returncode


@pytest.mark.parametrize(("status", "exit_code"), [(200, 0), (500, 1), (503, 1), (404, 1)])
def test_the_health_check_tells_whether_the_exporter_is_healthy(status: int, exit_code: int) -> None:
    with healthy_answering(status) as port:
        assert health_check(port) == exit_code


def test_the_health_check_fails_where_nothing_listens() -> None:
    with healthy_answering(200) as port:
        pass
    assert health_check(port) == 1


def test_the_health_check_goes_past_a_proxy() -> None:
    with healthy_answering(200) as port:
        assert health_check(port, http_proxy="http://127.0.0.1:1", HTTP_PROXY="http://127.0.0.1:1") == 0
