import socket
import sys
import time
from pathlib import Path

import pytest

from exporter.demo import processes as module
from exporter.demo.processes import UNASKED, Child, ChildError, free, free_or_any, ourselves


async def python(tmp_path: Path, program: str) -> Child:
    return await Child.start("program", sys.executable, "-u", "-c", program, log=tmp_path / "log")


async def test_it_waits_for_what_a_child_says_and_stops_it(tmp_path: Path) -> None:
    child = await python(tmp_path, "import time; print('listening on', 42); time.sleep(60)")
    assert await child.says(r"listening on (\d+)\n") == "42"
    started = time.monotonic()
    await child.stop()
    assert time.monotonic() - started < 5
    await child.stop()  # once more does no harm


async def test_a_child_that_ends_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    child = await python(tmp_path, "for line in range(50): print('line', line)\nraise SystemExit(7)")
    with pytest.raises(ChildError) as caught:
        await child.ends()
    first, *rest = str(caught.value).splitlines()
    assert first == "the program ended (exit code 7). The end of its log:"
    assert rest == [f"line {number}" for number in range(30, 50)]


async def test_a_child_that_ends_before_it_speaks(tmp_path: Path) -> None:
    child = await python(tmp_path, "raise SystemExit(3)")
    with pytest.raises(ChildError, match=r"^the program ended \(exit code 3\)\.$"):
        await child.says("(hello)")


async def test_a_child_that_does_not_speak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STARTED_SECONDS", 0.1)
    child = await python(tmp_path, "import time; time.sleep(60)")
    with pytest.raises(ChildError, match="the program does not start"):
        await child.says("(hello)")
    await child.stop()


async def test_a_child_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STOPPED_SECONDS", 0.1)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf.'); time.sleep(60)"
    child = await python(tmp_path, deaf)
    await child.says("(deaf)")
    await child.stop()
    with pytest.raises(ChildError, match="exit code -9"):
        await child.ends()


def test_a_command_of_this_program() -> None:
    assert ourselves("serve", "-h") == (sys.executable, "-m", "exporter", "serve", "-h")


def test_a_free_port_is_taken_and_a_taken_one_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert free_or_any(port) == 0
    assert free_or_any(port) == port
    assert free_or_any(0) == 0


def test_a_port_that_is_named_is_one_that_can_be_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert free([port])[0] not in (0, port)
    assert free([port]) == [port]


def test_programs_get_ports_of_their_own_that_no_connection_takes_meanwhile() -> None:
    ports = free([0] * 20)
    assert len(set(ports)) == len(ports)
    assert set(ports) <= set(UNASKED)
