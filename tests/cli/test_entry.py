"""Signals from the first instant on: the process sends them to itself at its n-th import, so that any moment is met."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from exporter.cli.entry import CRASHED, command_of
from exporter.cli.exits import ExitCode
from tests.support.processes import PROJECT, START_SECONDS, launch_exporter

pytestmark = pytest.mark.e2e

CONFIG = """\
accounts: [{name: a, base_url: 'http://127.0.0.1:1', api_key_env: KEY}]
task_groups: []
"""

AT_IMPORT = """
import os, sys
from exporter.cli.entry import main

number, at, *sys.argv[1:] = sys.argv[1:]
imports = 0

def look(event, _arguments):
    global imports
    imports += event == "import"
    if event == "import" and imports == int(at):
        os.kill(os.getpid(), int(number))

sys.addaudithook(look)
main()
"""

INSTANTS = (1, 40, 500)
"""Of about a thousand imports: within click, the settings, asyncio, SQLAlchemy, Starlette."""

# in a namespace of its own, so that it is the first process there
AS_FIRST = ("unshare", "--pid", "--fork", "--kill-child")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "exporter.yml"
    path.write_text(CONFIG)
    return path


def has_namespaces() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*AS_FIRST, "true"], capture_output=True, check=False).returncode == 0


def run(
    script: str, *arguments: str, cwd: Path, before: Sequence[str] = (), **environ: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(PROJECT), **environ},
        timeout=120,
    )


def serve_with(number: signal.Signals, instant: int, config: Path, before: Sequence[str] = ()) -> tuple[int, str]:
    flags = (f"--config.file={config}", "--web.listen-address=127.0.0.1:0")
    done = run(AT_IMPORT, str(int(number)), str(instant), *flags, cwd=config.parent, before=before, KEY="k")
    return done.returncode, done.stdout + done.stderr


def test_nothing_heavy_is_imported_before() -> None:
    light = "import sys; before = set(sys.modules); import exporter.cli.entry; print(*set(sys.modules) - before)"
    loaded = run(light, cwd=PROJECT).stdout.split()
    assert len(loaded) < 20, loaded
    assert not {"click", "asyncio", "logging", "typing", "re"} & set(loaded)


def test_a_program_that_cannot_be_imported_does_not_end_as_a_faulty_configuration_does(tmp_path: Path) -> None:
    """Nobody would start it again."""
    broken = "import sys; sys.modules['click'] = None; from exporter.cli.entry import main; main()"
    assert run(broken, cwd=tmp_path).returncode == CRASHED == ExitCode.CRASHED


@pytest.mark.parametrize("instant", INSTANTS)
def test_who_is_asked_to_stop_while_it_starts_stops_at_once_and_well(config: Path, instant: int) -> None:
    assert serve_with(signal.SIGTERM, instant, config) == (0, "")
    assert not (config.parent / "data").exists()


@pytest.mark.skipif(not has_namespaces(), reason="needs unshare and the right to use it")
@pytest.mark.parametrize(("number", "instant"), [(signal.SIGTERM, 1), (signal.SIGINT, 40), (signal.SIGTERM, 500)])
def test_the_first_process_of_a_container_too(config: Path, number: signal.Signals, instant: int) -> None:
    """To it such signals do nothing, unless it handles them."""
    assert serve_with(number, instant, config, AS_FIRST) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize("instant", [1, 300])
def test_a_reload_that_is_asked_for_too_early_comes_once_it_can(config: Path, instant: int) -> None:
    script = config.parent / "at_import.py"
    script.write_text(AT_IMPORT)
    flags = (f"--config.file={config}", "--web.listen-address=127.0.0.1:0", "--log.format=json")
    log = config.parent / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, str(script), str(int(signal.SIGHUP)), str(instant), *flags],
            stdout=file,
            stderr=file,
            cwd=config.parent,
            env={**os.environ, "PYTHONPATH": str(PROJECT), "KEY": "k"},
        )
    try:
        deadline = time.monotonic() + 2 * START_SECONDS
        while '"config_reloaded"' not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.terminate()
        assert process.wait(START_SECONDS) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(("number", "ends_by"), [(signal.SIGTERM, -15), (signal.SIGINT, -2), (signal.SIGHUP, -1)])
def test_a_command_that_was_not_done_does_not_end_well(config: Path, number: signal.Signals, ends_by: int) -> None:
    done = run(AT_IMPORT, str(int(number)), "100", "check-config", str(config), cwd=config.parent)
    assert (done.returncode, done.stdout, done.stderr) == (ends_by, "", "")


@pytest.mark.parametrize(
    ("arguments", "command"),
    [([], "serve"), (["--config.file=x"], "serve"), (["serve", "-h"], "serve"), (["query", "t"], "query")],
)
def test_which_command_is_meant(arguments: list[str], command: str) -> None:
    assert command_of(arguments) == command


def test_what_the_starter_has_wait_is_not_lost(config: Path) -> None:
    """As the image starts it: the kernel keeps the signal while Python itself starts."""
    env = shutil.which("env")
    if env is None or subprocess.run([env, "--block-signal=TERM", "true"], check=False).returncode:
        pytest.skip("env blocks no signals here")
    waits = [env, "--block-signal=TERM,INT,HUP"]
    process = subprocess.Popen(
        [*waits, sys.executable, "-m", "exporter", f"--config.file={config}"],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )
    while not is_blocked(signal.SIGTERM, process.pid):
        assert process.poll() is None
        time.sleep(0.0001)
    process.terminate()
    assert process.wait(START_SECONDS) == 0


def is_blocked(number: signal.Signals, pid: int) -> bool:
    mask = Path(f"/proc/{pid}/status").read_text().partition("SigBlk:")[2].split()[0]
    return bool(int(mask, 16) >> (number - 1) & 1)


@pytest.mark.slow
def test_a_start_that_takes_long_can_be_stopped(config: Path) -> None:
    (config.parent / "data").mkdir()
    os.mkfifo(config.parent / "data" / "ledger.db")  # opening it waits, as a long migration would
    path = config.parent / "exporter.sock"
    with launch_exporter(config, env={"KEY": "k"}, address=f"unix:{path}") as exporter:
        deadline = time.monotonic() + START_SECONDS
        while not path.exists():
            assert time.monotonic() < deadline, exporter.output
            time.sleep(0.05)
        time.sleep(0.5)
        began = time.monotonic()
        assert exporter.stop(seconds=START_SECONDS) == 0
        assert time.monotonic() - began < 9, "not by the deadline"
        assert exporter.events("stopped")[0]["phase"] == "starting"
    assert not path.exists()


# ---- as the first process of a container, later ----------------------------------------------------------------------

SECOND = """
import asyncio, os, signal
from exporter.cli.signals import Signals

async def main():
    signals = Signals(deadline=60)
    signals.install()
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.1)
    await asyncio.sleep(60)

asyncio.run(main())
"""

HANGS = """
import asyncio, os, signal, time
from exporter.cli.signals import Signals

async def main():
    signals = Signals(deadline=1)
    signals.install()
    os.kill(os.getpid(), signal.SIGTERM)
    await signals.stop.wait()
    time.sleep(60)

asyncio.run(main())
"""


@pytest.mark.skipif(not has_namespaces(), reason="needs unshare and the right to use it")
@pytest.mark.parametrize(
    ("script", "code"), [(SECOND, 128 + signal.SIGTERM), (HANGS, 128 + signal.SIGALRM)], ids=["second", "deadline"]
)
def test_neither_the_second_signal_nor_the_deadline_is_lost_on_the_first_process(
    tmp_path: Path, script: str, code: int
) -> None:
    began = time.monotonic()
    assert run(script, cwd=tmp_path, before=AS_FIRST).returncode == code
    assert time.monotonic() - began < 50


# ---- what is not there -----------------------------------------------------------------------------------------------

NO_DESCRIPTOR = """
import os
from exporter.cli.entry import open_standard_descriptors
os.close(0), os.close(2)
open_standard_descriptors()
print(os.open("/etc/hostname", os.O_RDONLY), os.readlink("/proc/self/fd/2"), os.get_inheritable(2))
"""


def test_no_file_takes_the_place_of_a_closed_standard_error(tmp_path: Path) -> None:
    """The interpreter writes its last words there, whatever is open by that number: the ledger."""
    assert run(NO_DESCRIPTOR, cwd=tmp_path).stdout == "3 /dev/null True\n"


@pytest.mark.slow
def test_it_serves_without_standard_streams_and_without_a_home(config: Path) -> None:
    closed = 'exec "$@" <&- >&- 2>&-'
    path = config.parent / "exporter.sock"
    flags = (f"--config.file={config}", f"--web.listen-address=unix:{path}")
    environ = {name: value for name, value in os.environ.items() if name not in ("HOME", "USER", "LOGNAME")}
    process = subprocess.Popen(
        ["/bin/sh", "-c", closed, "sh", sys.executable, "-m", "exporter", *flags],
        cwd=config.parent,
        env={**environ, "PYTHONPATH": str(PROJECT), "KEY": "k"},
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not path.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.terminate()
        assert process.wait(START_SECONDS) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_a_reader_of_its_log_that_is_gone_is_no_fault(config: Path) -> None:
    reading, writing = os.pipe()
    path = config.parent / "exporter.sock"
    process = subprocess.Popen(
        [sys.executable, "-m", "exporter", f"--config.file={config}", f"--web.listen-address=unix:{path}"],
        cwd=config.parent,
        stderr=writing,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "KEY": "k"},
    )
    os.close(writing)
    os.close(reading)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not path.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.terminate()
        assert process.wait(START_SECONDS) == 0
    finally:
        process.kill()
        process.wait()
