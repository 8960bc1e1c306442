"""The reporter in a process: it is light, costs the application no time, and ends when that does."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from exporter.client import Counts, Reporter
from exporter.client.reporter import MOST_WAITING
from tests.support.ports import free_port
from tests.support.processes import PROJECT
from tests.support.registering import TAKEN, Items, Said, registering

SLACK = 20.0
"""Seconds that a machine which is busy may take for nothing."""


@contextmanager
def reporting(url: str, **options: str) -> Iterator[Reporter]:
    reporter = Reporter(url, **options)  # type: ignore[arg-type] # each test gives what there is
    try:
        yield reporter
    finally:
        reporter.close(0)


def run(script: str, *arguments: str, seconds: float = 60) -> "subprocess.CompletedProcess[str]":
    """A program of an application's."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *arguments],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )


# ---- what it brings along --------------------------------------------------------------------------------------------


def test_importing_it_brings_nothing_heavy_along() -> None:
    script = "import sys, exporter.client; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = run(script)
    brought = set(done.stdout.split())
    assert not brought & {"asyncio", "httpx", "requests", "pydantic", "sqlalchemy", "starlette", "structlog", "uvicorn"}
    others = {name for name in brought if not name.startswith("_")} - sys.stdlib_module_names
    assert others <= {"exporter", "msgspec", "typing_extensions", "sitecustomize", "distutils-precedence"}, done.stderr


def test_it_starts_no_thread_before_there_is_something_to_tell() -> None:
    before = threading.active_count()
    with reporting("http://127.0.0.1:1"):
        assert threading.active_count() == before


def test_it_shows_no_secret() -> None:
    assert repr(Reporter("http://exporter:9877", token="verysecrettoken")) == "Reporter('http://exporter:9877')"


# ---- whatever the exporter does --------------------------------------------------------------------------------------


def test_each_task_is_told_of() -> None:
    with registering() as exporter, reporting(exporter.url) as reporter:
        for number in range(250):
            reporter.report(f"task_{number}", model="sora-2")
        assert reporter.flush(30)
        assert reporter.counts == Counts(registered=250)
    assert exporter.taken == [f"task_{number}" for number in range(250)]


def test_many_threads_report_at_once() -> None:
    with registering() as exporter, reporting(exporter.url) as reporter:
        names = [[f"task_{thread}_{number}" for number in range(100)] for thread in range(16)]

        def report_all(own: list[str]) -> None:
            for name in own:
                reporter.report(name)

        threads = [threading.Thread(target=report_all, args=(own,)) for own in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert reporter.flush(60)
    assert sorted(exporter.taken) == sorted(name for own in names for name in own)


def test_an_absent_exporter_costs_the_application_no_time_and_bounded_memory() -> None:
    with reporting(f"http://127.0.0.1:{free_port()}") as reporter:
        started = time.monotonic()
        for number in range(MOST_WAITING + 1000):
            reporter.report(f"task_{number}")
        assert time.monotonic() - started < SLACK, "it is some 20 ms where nothing else runs"
        assert reporter.counts == Counts(waiting=MOST_WAITING, overflowed=1000)
        started = time.monotonic()
        reporter.close(5)
        assert time.monotonic() - started < SLACK
        assert reporter.counts == Counts(overflowed=1000, expired=MOST_WAITING)


def test_a_slow_exporter_holds_nobody() -> None:
    goes_on = threading.Event()

    def slowly(_: Items) -> Said:
        goes_on.wait(60)
        return TAKEN

    with registering(slowly) as exporter, reporting(exporter.url) as reporter:
        try:
            reporter.report("task_1")
            assert not reporter.flush(0.1)
            started = time.monotonic()
            reporter.close(0.1)
            assert time.monotonic() - started < SLACK
            assert reporter.counts == Counts(expired=1), "nobody can know that it is still taken"
        finally:
            goes_on.set()


@pytest.mark.slow
def test_an_exporter_that_comes_back_is_told_of_all() -> None:
    answers: list[Said] = [(503, {"Retry-After": "0"}, {}), (401, {}, {}), (429, {"Retry-After": "1"}, {})]
    with (
        registering(lambda _: answers.pop(0) if answers else TAKEN) as exporter,
        reporting(exporter.url) as reporter,
    ):
        reporter.report("task_1")
        assert reporter.flush(60)
        assert reporter.counts == Counts(registered=1)
    assert len(exporter.requests) == 4


def test_after_its_end_it_takes_no_more() -> None:
    with registering() as exporter, reporting(exporter.url) as reporter:
        reporter.report("task_1")
        reporter.close(30)
        reporter.close()
        reporter.report("task_2")
        assert reporter.counts == Counts(registered=1, expired=1)
    assert exporter.taken == ["task_1"]


@pytest.mark.parametrize("task_id", ["", None, 7, "x" * 1000])
def test_what_is_no_id_is_counted_and_nothing_else(task_id: str) -> None:
    with reporting("http://127.0.0.1:1") as reporter:
        reporter.report(task_id)
        assert reporter.counts == Counts(unread=1)


# ---- processes -------------------------------------------------------------------------------------------------------

REPORT = """
import logging, sys
from exporter.client import Reporter
logging.basicConfig(format="%(name)s: %(message)s")
reporter = Reporter(sys.argv[1])
reporter.report("task_1")
"""


def test_what_waits_when_the_program_ends_is_told_before() -> None:
    with registering() as exporter:
        done = run(REPORT, exporter.url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert exporter.taken == ["task_1"]


def test_a_program_that_fails_tells_of_its_tasks_as_well() -> None:
    with registering() as exporter:
        done = run(REPORT + "raise SystemExit(7)", exporter.url)
    assert done.returncode == 7
    assert exporter.taken == ["task_1"]


def test_an_absent_exporter_does_not_keep_a_program_from_ending() -> None:
    done = run(REPORT, f"http://127.0.0.1:{free_port()}", seconds=60)
    assert done.returncode == 0
    assert "expired" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_an_exporter_that_says_nothing_does_not_either() -> None:
    goes_on = threading.Event()

    def never(_: Items) -> Said:
        goes_on.wait(60)
        return TAKEN

    with registering(never) as exporter:
        try:
            started = time.monotonic()
            done = run(REPORT, exporter.url)
            assert time.monotonic() - started < SLACK + 10
        finally:
            goes_on.set()
    assert done.returncode == 0
    assert "1 expired" in done.stderr


def test_a_task_that_is_submitted_while_the_interpreter_shuts_down_raises_nothing() -> None:
    script = REPORT + "import atexit; atexit.register(reporter.report, 'task_2')\n"
    script += "class Late:\n    def __del__(self): reporter.report('task_3')\nlate = Late(); late.itself = late\n"
    with registering() as exporter:
        done = run(script, exporter.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert exporter.taken[0] == "task_1"


def test_what_waits_at_a_fork_is_told_once_and_no_lock_is_held_for_ever() -> None:
    script = f"""
import os, sys, threading, warnings
warnings.simplefilter("ignore")  # newer Pythons warn of any fork beside threads
from exporter.client import Reporter
reporter = Reporter(sys.argv[1])
ends = threading.Event()
def report(name):
    number = 0
    while not ends.is_set() and number < 300:
        reporter.report(f"task_{{name}}_{{number}}")
        number += 1
threads = [threading.Thread(target=report, args=(name,)) for name in "abcd"]
for thread in threads: thread.start()
children = []
for number in range(10):
    child = os.fork()
    if child == 0:
        reporter.report(f"task_of_child_{{number}}")
        reporter.close({SLACK})
        os._exit(reporter.counts.registered)
    children.append(child)
for thread in threads: thread.join()
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
reporter.close({SLACK})
print(reporter.counts.registered)
"""
    with registering() as exporter:
        done = run(script, exporter.url, seconds=120)
    assert done.stdout == f"{[1] * 10}\n1200\n", done.stderr
    assert len(exporter.taken) == len(set(exporter.taken)) == 1210
