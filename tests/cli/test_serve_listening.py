"""``serve`` as a real process on several sockets: of its own, of the file system and of systemd, below a prefix."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.processes import PROJECT, START_SECONDS, STOP_SECONDS, launch_exporter, start_exporter
from tests.support.supervisor import supervising

pytestmark = pytest.mark.e2e

CONFIG = """\
accounts: [{name: a, base_url: 'http://127.0.0.1:1', api_key_env: KEY}]
task_groups: [{name: renders, api_config: {}}]
"""
ENVIRON = {"KEY": "sk-byts-x"}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "exporter.yml"
    path.write_text(CONFIG)
    return path


@contextmanager
def through(path: Path) -> Iterator[httpx.Client]:
    """A client of a socket in the file system."""
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://localhost") as client:
        yield client


@pytest.mark.slow
def test_it_answers_on_all_of_them_and_only_then_says_that_it_is_ready(config: Path) -> None:
    path = config.parent / "exporter.sock"
    more = f"--web.listen-address=unix:{path}"
    with supervising(str(config.parent / "notify")) as systemd:
        environ = {**ENVIRON, "NOTIFY_SOCKET": systemd.address}
        with start_exporter(config, more, env=environ) as exporter, through(path) as client:
            status = systemd.wait_for("READY")["STATUS"]
            assert status == f"listening on {exporter.url.removeprefix('http://')}, unix:{path}"
            assert (
                client.get("/-/healthy").status_code
                == httpx.get(f"{exporter.url}/-/healthy", timeout=30).status_code
                == 200
            )
            assert [line["address"] for line in exporter.events("listening")][1] == f"unix:{path}"
            # whoever may write to the file is of this machine, as loopback is
            assert client.get("/api/v1/tasks").status_code == 200
            assert client.get("/api/v1/tasks", headers={"Host": "evil.test"}).status_code == 403
            assert exporter.stop() == 0
    assert not path.exists()


@pytest.mark.slow
def test_what_a_killed_one_left_in_the_file_system_is_no_hindrance(config: Path) -> None:
    path = config.parent / "exporter.sock"
    for _ in range(2):
        with start_exporter(config, env=ENVIRON, address=f"unix:{path}") as exporter, through(path) as client:
            assert client.get("/-/healthy").status_code == 200
            exporter.kill()
        assert path.exists()


@pytest.mark.slow
def test_two_on_one_file(config: Path) -> None:
    path = config.parent / "exporter.sock"
    with start_exporter(config, env=ENVIRON, address=f"unix:{path}"):
        with launch_exporter(config, env=ENVIRON, address=f"unix:{path}", log="second.log") as second:
            assert second.wait(seconds=START_SECONDS) == 3
            assert f"cannot listen on unix:{path}: Address already in use" in second.output
        with through(path) as client:
            assert client.get("/-/healthy").status_code == 200


@pytest.mark.slow
def test_below_a_prefix(config: Path) -> None:
    with start_exporter(config, "--web.external-url=https://outside.test/x", env=ENVIRON) as exporter:
        assert httpx.get(exporter.url, follow_redirects=True, timeout=30).url.path == "/x/"
        assert httpx.get(f"{exporter.url}/x/-/healthy", timeout=30).status_code == 200
        assert httpx.get(f"{exporter.url}/metrics", timeout=30).status_code == 404


# ---- systemd ---------------------------------------------------------------------------------------------------------

HANDS_OVER = """
import os, socket, sys
sockets = [socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)]
sockets[1].bind(sys.argv[1])
sockets[1].listen()
# out of the way first: 3 and 4 are what they shall become
kept = [os.dup(s.fileno()) for s in sockets]
high = [os.dup2(fd, 100 + number) for number, fd in enumerate(kept)]
for number, fd in enumerate(high):
    os.dup2(fd, 3 + number, inheritable=True)
print("port", sockets[0].getsockname()[1], flush=True)
os.environ |= {"LISTEN_FDS": "2", "LISTEN_FDNAMES": "web:local", "LISTEN_PID": str(os.getpid())}
os.execv(sys.executable, [sys.executable, "-m", "exporter", *sys.argv[2:]])
"""
"""As systemd does it: the sockets are open from descriptor 3 on, and the process is the one that is meant."""


@pytest.mark.slow
def test_on_the_sockets_that_systemd_hands_over_and_no_others(config: Path) -> None:
    path = config.parent / "given.sock"
    script = config.parent / "hands_over.py"
    script.write_text(HANDS_OVER)
    flags = ("--config.file", str(config), "--web.systemd-socket", "--log.format=json")
    log = config.parent / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, str(script), str(path), *flags],
            env={**os.environ, **ENVIRON, "PYTHONPATH": str(PROJECT)},
            cwd=config.parent,
            stdout=file,
            stderr=file,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while log.read_text().count('"listening"') < 2:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        port = int(log.read_text().split()[1])
        assert httpx.get(f"http://127.0.0.1:{port}/-/healthy", timeout=30).status_code == 200
        with through(path) as client:
            assert client.get("/-/healthy").status_code == 200
        assert ":9877" not in log.read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_SECONDS) == 0
    finally:
        process.kill()
        process.wait()
    assert path.exists(), "it is systemd's, and systemd removes it"


@pytest.mark.slow
@pytest.mark.parametrize(
    "environ",
    [{}, {"LISTEN_FDS": "1", "LISTEN_PID": "1"}, {"LISTEN_FDS": "0"}, {"LISTEN_FDS": "many"}],
    ids=["none", "for another process", "no sockets", "no number"],
)
def test_where_systemd_hands_nothing_over(config: Path, environ: dict[str, str]) -> None:
    with launch_exporter(config, "--web.systemd-socket", env={**ENVIRON, **environ}) as exporter:
        assert exporter.wait(seconds=START_SECONDS) == 3
    assert "systemd has handed over no socket" in exporter.output


@pytest.mark.slow
def test_the_real_systemd_socket_activate(config: Path) -> None:
    """It starts the program at the first connection, which waits until it is answered."""
    program = shutil.which("systemd-socket-activate")
    if program is None:
        pytest.skip("systemd-socket-activate is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = config.parent / "log"
    environ = {**os.environ, **ENVIRON, "PYTHONPATH": str(PROJECT)}
    passed = [f"--setenv={name}={environ[name]}" for name in ("KEY", "PYTHONPATH", "PATH")]
    flags = ("--config.file", str(config), "--web.systemd-socket", "--log.format=json")
    with log.open("wb") as file:
        process = subprocess.Popen(
            [program, f"--listen=127.0.0.1:{port}", "--fdname=web", *passed, sys.executable, "-m", "exporter", *flags],
            cwd=config.parent,
            stdout=file,
            stderr=file,
            env=environ,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while "Listening on" not in log.read_text():
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        assert httpx.get(f"http://127.0.0.1:{port}/-/healthy", timeout=START_SECONDS).status_code == 200
        process.send_signal(signal.SIGTERM)  # it has become the exporter
        assert process.wait(STOP_SECONDS) == 0
        assert f'"address": "127.0.0.1:{port}"' in log.read_text()
    finally:
        process.kill()
        process.wait()
