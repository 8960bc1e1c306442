"""Tasks come and go all the time: every answer about them is whole, and nothing grows by it."""

import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from tests.e2e.scripted import FINISHED, edit, shown, until, write_config
from tests.support.processes import start_exporter
from tests.support.scripted_api import ScriptedApi, has_ended

pytestmark = pytest.mark.e2e

QUIET = {"min_interval": "1h", "max_interval": "1h"}
"""Tasks that are not asked about for now: what is tried here is what the lists do."""


def write(path: Path, text: str) -> None:
    """As it should be done: at once."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


STAYING = 8000
LEAVING = 900
"""The oldest, in the order in which the exporter took them up: a list of them begins with some that are going."""


class Reader(threading.Thread):
    """Asks for the same again and again."""

    def __init__(self, url: str, path: str) -> None:
        super().__init__(daemon=True)
        self.answers: Counter[tuple[str, int]] = Counter()
        self._url, self._path = url, path
        self._is_done = threading.Event()

    def run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=30) as client:
            while not self._is_done.is_set():
                self.answers[self._path, self._ask(client)] += 1

    def stop(self) -> None:
        self._is_done.set()
        self.join()

    def _ask(self, client: httpx.Client) -> int:
        """The status of an answer, 0 where none came."""
        try:
            return client.get(self._path).status_code
        except httpx.HTTPError:
            return 0


@pytest.mark.slow
@pytest.mark.parametrize("times", [25, pytest.param(300, marks=pytest.mark.long)])
def test_lists_are_whole_while_tasks_leave(tmp_path: Path, times: int) -> None:
    leaving = [f"leaving-{number}" for number in range(LEAVING)]
    files = {name: tmp_path / f"{name}.txt" for name in ("leaving", "staying")}
    write(files["leaving"], "\n".join(leaving))
    groups = {
        name: {"file_sd_configs": [{"files": [str(file)], "refresh_interval": "1s"}]} for name, file in files.items()
    }
    with ScriptedApi() as api, start_exporter(write_config(tmp_path, api.url, groups=groups, poll=QUIET)) as exporter:
        until(lambda: shown(exporter.url, "bytespike_tasks", group="leaving") == LEAVING, "those that will leave")
        write(files["staying"], "\n".join(f"staying-{number}" for number in range(STAYING)))
        until(lambda: shown(exporter.url, "bytespike_tasks", group="staying") == STAYING, "those that will stay")
        paths = ("/sd?group=leaving", "/api/v1/tasks?group=leaving&limit=1000")
        readers = [Reader(exporter.url, path) for path in paths for _ in range(2)]
        for reader in readers:
            reader.start()
        for left in range(times - 1, -1, -1):
            write(files["leaving"], "\n".join(leaving[len(leaving) - LEAVING * left // times :]))
            time.sleep(0.08)
        for reader in readers:
            reader.stop()
        answers = sum((reader.answers for reader in readers), Counter[tuple[str, int]]())
        assert {status for _, status in answers} == {200}, (answers, exporter.output[-2000:])
        assert min(answers.values()) > times / 5
        until(lambda: shown(exporter.url, "bytespike_tasks") == STAYING, "all that should have left")
        assert "Traceback" not in exporter.output


def refuse_new_tasks(directory: Path) -> None:
    """Let the ledger be read and not be written, as on a full disk."""
    refusal = "SELECT RAISE(ABORT, 'database or disk is full')"
    edit(directory, f"CREATE TRIGGER full BEFORE INSERT ON open_tasks BEGIN {refusal}; END")


@pytest.mark.slow
def test_what_waits_for_a_ledger_that_takes_nothing_does_not_grow_with_those_that_come_and_go(tmp_path: Path) -> None:
    """Lists name ever new tasks and drop those of before."""
    some, rounds = 20, 12
    file = tmp_path / "tasks.txt"
    write(file, "begin")
    group = {"file_sd_configs": [{"files": [str(file)], "refresh_interval": "1h"}]}
    with ScriptedApi() as api:
        config = write_config(tmp_path, api.url, groups={"renders": group}, poll=QUIET)
        with start_exporter(config) as exporter:
            until(lambda: shown(exporter.url, "bytespike_tasks") == 1, "the first is followed")
            assert exporter.stop() == 0
        refuse_new_tasks(tmp_path)
        with start_exporter(config, log="full.log") as exporter:
            for number in range(rounds):
                names = {f"task-{number}-{each}" for each in range(some)}
                write(file, "\n".join(sorted(names)))
                until(lambda: shown(exporter.url, "bytespike_tasks") == some, "those of this round followed")
                time.sleep(0.1)
            until(lambda: shown(exporter.url, "bytespike_exporter_ledger_failures_total") > 0, "it says that it fails")
            assert shown(exporter.url, "bytespike_exporter_ledger_pending") <= 2 * some
            assert exporter.events("loop_died") == []


@pytest.mark.slow
def test_a_task_that_proves_to_be_another_and_has_ended_is_not_asked_about_again(tmp_path: Path) -> None:
    """Each is named by both its ids, and whichever is asked by first tells both, and that it has ended."""
    tasks = range(12)
    with ScriptedApi() as api:
        for number in tasks:
            ids = {"task_id": f"task-{number}", "out_task_id": f"render-{number}"}
            api.script |= dict.fromkeys(ids.values(), has_ended(ids))
        names = {
            "task_ids": [f"task-{number}" for number in tasks],
            "out_task_ids": [f"render-{number}" for number in tasks],
        }
        one_at_a_time = {"max_in_flight": 1, "max_requests_per_second": 1000}
        groups = {"renders": {"static_configs": [names]}}
        with start_exporter(write_config(tmp_path, api.url, groups=groups, limits=one_at_a_time)) as exporter:
            until(lambda: shown(exporter.url, FINISHED) == len(tasks), "all counted")
            time.sleep(0.5)
            assert shown(exporter.url, "bytespike_tasks") == len(tasks)
            assert len(api.asked()) == len(tasks)
