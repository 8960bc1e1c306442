"""A ledger with damaged rows: the exporter does not start, and says which row it is and what to do."""

from collections.abc import Iterable
from pathlib import Path

import httpx
import pytest
from _pytest.mark.structures import ParameterSet

from tests.e2e.scripted import FINISHED, LEDGER, edit, shown, until, write_config
from tests.support.processes import launch_exporter, start_exporter
from tests.support.scripted_api import ScriptedApi, has_ended

pytestmark = pytest.mark.e2e

IDS = [f"task-{number}" for number in range(10)]

NAMED = "WHERE family = 'bytespike_tasks_finished_total' AND labels LIKE '%completed%'"

TOTALS = {
    "labels that are no JSON": f"UPDATE totals SET labels = '{{' {NAMED}",
    "a text": f"UPDATE totals SET value = 'abc' {NAMED}",
    "an infinite value": f"UPDATE totals SET value = 9e999 {NAMED}",
    "a negative value": f"UPDATE totals SET value = -1 {NAMED}",
    "labels that are a list": f"UPDATE totals SET labels = '[1]' {NAMED}",
    "a label that is a number": f"""UPDATE totals SET labels = '{{"status": 1}}' {NAMED}""",
    "a bucket without a number": (
        "UPDATE totals SET part = 'le:abc' WHERE rowid = ("
        "SELECT rowid FROM totals WHERE family = 'bytespike_tasks_duration_seconds' AND part LIKE 'le:%' LIMIT 1)"
    ),
}

REGISTRATIONS = {
    "labels that are no JSON": "UPDATE registrations SET labels = '{'",
    "labels that are a list": "UPDATE registrations SET labels = '[]'",
    "a time that is none": "UPDATE registrations SET registered_at = 'abc'",
    "no id": "UPDATE registrations SET task_id = NULL, out_task_id = NULL",
}

STATES = {
    "an outcome with an unknown status": "UPDATE outcomes SET status = 'done'",
    "an outcome with a time that is none": "UPDATE outcomes SET finished_at = 'abc'",
    "an open task with an unknown status": "UPDATE open_tasks SET status = 'done'",
    "an open task with an unknown origin of its submission": "UPDATE open_tasks SET submission = 99",
}


def few_of(damages: Iterable[str], count: int) -> list[ParameterSet]:
    """The first in every run, the rest in the long one: each costs the start of a process."""
    return [pytest.param(damage, marks=[pytest.mark.long] if at >= count else []) for at, damage in enumerate(damages)]


@pytest.fixture(scope="module")
def good_ledger(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of an exporter that has counted, and has open tasks and a registration."""
    directory = tmp_path_factory.mktemp("good")
    with ScriptedApi() as api:
        api.script = dict.fromkeys(IDS[:5], has_ended())
        groups = {
            "renders": {"static_configs": [{"task_ids": IDS, "submitted_at": "2026-01-01T00:00:00Z"}], "api_config": {}}
        }
        with start_exporter(write_config(directory, api.url, groups=groups)) as exporter:
            until(lambda: shown(exporter.url, FINISHED) == 5, "some counted")
            answer = httpx.post(f"{exporter.url}/api/v1/tasks", json={"task_ids": ["registered"]}, timeout=10)
            answer.raise_for_status()
            assert exporter.stop() == 0
    edit(directory, "PRAGMA wal_checkpoint(TRUNCATE)")
    return (directory / LEDGER).read_bytes()


def refused_start(directory: Path, good_ledger: bytes, damage: str) -> str:
    """What an exporter says that does not start with a damaged ledger."""
    (directory / LEDGER).write_bytes(good_ledger)
    edit(directory, damage)
    groups = {"renders": {"static_configs": [{"task_ids": IDS}], "api_config": {}}}
    with launch_exporter(write_config(directory, "http://127.0.0.1:9", groups=groups)) as exporter:
        until(lambda: exporter.process.poll() is not None or exporter.events("listening"), "ended, or serving")
        assert exporter.process.poll() == 3, exporter.output[-500:]
        assert "Traceback" not in exporter.output
        assert str(directory / LEDGER) in exporter.output
        return exporter.output


@pytest.mark.slow
@pytest.mark.parametrize("damage", few_of(TOTALS, 4))
def test_damaged_totals_are_named_and_not_shown(tmp_path: Path, good_ledger: bytes, damage: str) -> None:
    said = refused_start(tmp_path, good_ledger, TOTALS[damage])
    assert "totals" in said
    assert "bytespike_tasks_" in said, "it names the row"
    assert "restore" in said, "and what to do"


@pytest.mark.slow
@pytest.mark.parametrize("damage", few_of(REGISTRATIONS, 1))
def test_damaged_registrations_are_named(tmp_path: Path, good_ledger: bytes, damage: str) -> None:
    said = refused_start(tmp_path, good_ledger, REGISTRATIONS[damage])
    assert "registration" in said


@pytest.mark.slow
@pytest.mark.parametrize("damage", few_of(STATES, 1))
def test_damaged_states_of_tasks_are_named(tmp_path: Path, good_ledger: bytes, damage: str) -> None:
    said = refused_start(tmp_path, good_ledger, STATES[damage])
    assert STATES[damage].split()[1] in said, "it names the table"
