"""What systemd hears: of a fake exporter in this process, and of a real one."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import structlog
from structlog.testing import capture_logs

from exporter.cli.supervision import FEEDS, Supervisor
from exporter.clock import SystemClock
from tests.support.fake_exporter import FakeExporter
from tests.support.processes import PROJECT, start_exporter
from tests.support.supervisor import Supervising, supervising

LOG = structlog.get_logger()
ALIVE = {"WATCHDOG": "1"}


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Supervising]:
    address = str(tmp_path / "notify") if request.param == "path" else f"@bytespike-{uuid4()}"
    with supervising(address) as listening:
        yield listening


# ---- who listens, and how long it waits ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "patience"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, None),  # nobody listens
        ({"NOTIFY_SOCKET": "/run/n"}, None),
        ({"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "30000000"}, 30.0),
        ({"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),  # it is another's
        ({"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "0"}, None),
        ({"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_what_the_environment_asks_for(environ: dict[str, str], patience: float | None) -> None:
    supervisor = Supervisor.of(environ, LOG)
    assert (supervisor.address, supervisor.patience) == (environ.get("NOTIFY_SOCKET", ""), patience)


def test_where_nobody_listens_nothing_is_said() -> None:
    with capture_logs() as logs:
        Supervisor(LOG).serving("ok")
    assert logs == []


@pytest.mark.parametrize("address", ["/nowhere/notify", "@nobody-listens-here", "vsock:2:1"])
def test_whoever_is_gone_is_no_reason_to_end(address: str) -> None:
    with capture_logs() as logs:
        Supervisor(LOG, address).serving("ok")
    assert [(line["event"], line["address"]) for line in logs] == [("supervisor_not_told", address)]


def test_a_full_socket_does_not_hold_the_exporter_up(tmp_path: Path) -> None:
    with supervising(str(tmp_path / "notify")) as systemd, capture_logs() as logs:
        supervisor = Supervisor(LOG, systemd.address)
        began = time.monotonic()
        for _ in range(5000):
            supervisor.stopping()
            if logs:
                break
        assert logs, "it was never full"
        assert time.monotonic() - began < 10


# ---- signs of life ---------------------------------------------------------------------------------------------------


async def test_signs_of_life_end_with_life(tmp_path: Path) -> None:
    exporter = FakeExporter(clock=SystemClock())
    with supervising(str(tmp_path / "notify")) as systemd:
        watch = asyncio.create_task(Supervisor(LOG, systemd.address, FEEDS * 0.01).watch(exporter))
        await asyncio.sleep(0.2)
        assert len(systemd.hear()) > 3
        assert systemd.told[0] == ALIVE

        exporter.faults = ("the poller loop has died",)
        await asyncio.sleep(0.1)
        systemd.hear()
        await asyncio.sleep(0.2)
        assert systemd.hear() == []

        exporter.faults = ()  # it was late, and has caught up
        await asyncio.sleep(0.2)
        assert ALIVE in systemd.hear()
        watch.cancel()


async def test_an_event_loop_that_stands_still_gives_none(tmp_path: Path) -> None:
    with supervising(str(tmp_path / "notify")) as systemd:
        supervisor = Supervisor(LOG, systemd.address, FEEDS * 0.01)
        watch = asyncio.create_task(supervisor.watch(FakeExporter(clock=SystemClock())))
        await asyncio.sleep(0.1)
        assert ALIVE in systemd.hear()
        time.sleep(0.3)  # noqa: ASYNC251 - that is the fault
        assert systemd.hear() == []
        watch.cancel()


async def test_where_nobody_waits_for_them_there_are_none(tmp_path: Path) -> None:
    with supervising(str(tmp_path / "notify")) as systemd:
        await Supervisor(LOG, systemd.address).watch(FakeExporter(clock=SystemClock()))
        assert systemd.hear() == []


# ---- a life ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.e2e
def test_a_real_exporter_tells_of_its_life(tmp_path: Path, systemd: Supervising) -> None:
    config = tmp_path / "exporter.yml"
    good = "accounts: [{name: a, base_url: 'http://127.0.0.1:1', api_key_env: KEY}]\ntask_groups: []\n"
    config.write_text(good)
    environ = {"KEY": "sk-byts-x", "NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "600000"}
    with start_exporter(config, env=environ) as exporter:
        ready = systemd.wait_for("READY")
        assert ready == {"READY": "1", "STATUS": f"listening on {exporter.url.removeprefix('http://')}"}
        systemd.wait_for("WATCHDOG", count=3)

        began = time.monotonic()
        exporter.send(signal.SIGHUP)
        reloading = systemd.wait_for("RELOADING")
        assert began - 1 < int(reloading["MONOTONIC_USEC"]) / 1e6 < time.monotonic()
        assert systemd.wait_for("READY")["STATUS"] == "reloaded"

        config.write_text("accounts: nonsense\n")
        exporter.send(signal.SIGHUP)
        systemd.wait_for("RELOADING")
        assert "refused" in systemd.wait_for("READY")["STATUS"]

        # what the kernel holds still gives no signs of life
        exporter.send(signal.SIGSTOP)
        time.sleep(0.3)
        systemd.hear()
        time.sleep(0.9)
        assert systemd.hear() == []
        exporter.send(signal.SIGCONT)
        systemd.wait_for("WATCHDOG")

        exporter.send(signal.SIGTERM)
        systemd.wait_for("STOPPING")
        assert exporter.wait() == 0


WITH_A_LOOP_THAT_DIES = """
import asyncio
from exporter.cli.main import main
from exporter.service.pruning import Pruning

async def run(self):
    await asyncio.sleep(1.5)
    raise RuntimeError("nobody foresaw it")

Pruning.run = run
main()
"""


@pytest.mark.slow
@pytest.mark.e2e
def test_a_real_exporter_whose_loop_has_died_gives_no_more_signs_of_life(tmp_path: Path) -> None:
    config = tmp_path / "exporter.yml"
    config.write_text("accounts: [{name: a, base_url: 'http://127.0.0.1:1', api_key_env: KEY}]\ntask_groups: []\n")
    with supervising(str(tmp_path / "notify")) as systemd, (tmp_path / "log").open("w+") as log:
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                WITH_A_LOOP_THAT_DIES,
                f"--config.file={config}",
                "--web.listen-address=127.0.0.1:0",
            ],
            stderr=log,
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(PROJECT),
                "KEY": "sk-byts-x",
                "NOTIFY_SOCKET": systemd.address,
                "WATCHDOG_USEC": "300000",
            },
        )
        try:
            systemd.wait_for("READY")
            systemd.wait_for("WATCHDOG")
            deadline = time.monotonic() + 20
            while "loop_died" not in (tmp_path / "log").read_text():
                assert time.monotonic() < deadline
                time.sleep(0.05)
            time.sleep(0.3)
            systemd.hear()
            time.sleep(0.9)
            assert systemd.hear() == []
            assert process.poll() is None, "it lives, but not as it should"
        finally:
            process.terminate()
            process.wait()
