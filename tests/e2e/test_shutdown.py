"""Stopped by SIGTERM while its ledger is busy, the exporter loses no outcome that the API has told it.

The API forgets each task once it has told of its end, so what is lost then is lost for good.
"""

import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.scripted import FINISHED, LEDGER, family, outcomes, until, write_config
from tests.support.processes import RunningExporter, start_exporter
from tests.support.scripted_api import ScriptedApi, has_ended, unknown

pytestmark = pytest.mark.e2e

TASKS = 80
IDS = [f"task-{number}" for number in range(TASKS)]
LIMITS = {"max_in_flight": TASKS, "max_requests_per_second": 1000}


class Lock:
    """Another process's transaction on the ledger's file."""

    def __init__(self, directory: Path) -> None:
        self._db = sqlite3.connect(directory / LEDGER, isolation_level=None, timeout=10)
        self._db.execute("BEGIN IMMEDIATE")

    def release(self) -> None:
        self._db.close()


@contextmanager
def polled(directory: Path, api: ScriptedApi) -> Iterator[RunningExporter]:
    """An exporter that has asked about all of the tasks, none of which has ended."""
    (directory / "tasks").mkdir()
    files = {"file_sd_configs": [{"files": [str(directory / "tasks" / "*.txt")], "refresh_interval": "1h"}]}
    group = {"static_configs": [{"task_ids": IDS}], **files}
    with start_exporter(write_config(directory, api.url, groups={"renders": group}, limits=LIMITS)) as exporter:
        until(lambda: {each.name for each in api.asked()} == set(IDS), "all tasks asked about")
        yield exporter


def let_all_end_in(api: ScriptedApi, seconds: float) -> None:
    """All are asked about at once, and until the answers come there is nothing else to be written down.

    So the first commit after that is of outcomes.
    """
    api.script = dict.fromkeys(IDS, has_ended(after=seconds))


def assert_books_are_kept(directory: Path, exporter: RunningExporter, api: ScriptedApi, *, more: int = 0) -> None:
    """Everything that the API told is in the ledger, and the next exporter shows it, and what so many others do."""
    assert exporter.wait() == 0, exporter.output
    told = api.told_of_end()
    assert told
    assert outcomes(directory) == sorted(told)
    assert "Traceback" not in exporter.output
    api.script, api.default, api.forgets = dict.fromkeys(told, unknown), has_ended(), False
    with start_exporter(directory / "exporter.yml", log="again.log") as again:
        until(lambda: family(again.url, FINISHED).sum(FINISHED) >= TASKS + more, "all tasks counted")
        assert family(again.url, FINISHED).by("status", FINISHED) == {"completed": TASKS + more}


@pytest.mark.slow
def test_outcomes_that_wait_behind_a_lookup_are_kept(tmp_path: Path) -> None:
    """A new file makes the ledger's thread look tasks up; the commit of what ends meanwhile has to wait for it."""
    with ScriptedApi(forgets=True) as api, polled(tmp_path, api) as exporter:
        let_all_end_in(api, 1.4)
        time.sleep(1.0)
        lock = Lock(tmp_path)
        (tmp_path / "tasks" / "more.txt").write_text("\n".join(f"more-{number}" for number in range(10)))
        until(lambda: len(api.told_of_end()) == TASKS, "all ends told", seconds=20.0)
        time.sleep(0.2)
        exporter.send(signal.SIGTERM)
        time.sleep(0.4)
        lock.release()
        assert_books_are_kept(tmp_path, exporter, api, more=10)


@pytest.mark.slow
def test_outcomes_of_a_commit_that_fails_while_the_exporter_stops_are_kept(tmp_path: Path) -> None:
    """SQLite gives up waiting after two seconds: the commit under way fails after the stop has begun."""
    with ScriptedApi(forgets=True) as api, polled(tmp_path, api) as exporter:
        let_all_end_in(api, 1.2)
        time.sleep(1.0)
        lock = Lock(tmp_path)
        until(lambda: len(api.told_of_end()) == TASKS, "all ends told", seconds=20.0)
        time.sleep(0.2)
        exporter.send(signal.SIGTERM)
        time.sleep(2.2)
        lock.release()
        assert_books_are_kept(tmp_path, exporter, api)


@pytest.mark.slow
def test_outcomes_that_are_answered_while_the_exporter_stops_are_kept(tmp_path: Path) -> None:
    """Requests under way come back, and what they bring is written down, however busy the ledger is meanwhile."""
    with ScriptedApi(forgets=True) as api, polled(tmp_path, api) as exporter:
        lock = Lock(tmp_path)
        let_all_end_in(api, 1.0)
        until(lambda: api.in_flight == TASKS, "all are being asked about")
        exporter.send(signal.SIGTERM)
        time.sleep(1.4)
        lock.release()
        assert_books_are_kept(tmp_path, exporter, api)
