"""One ledger, one exporter: whatever the file is called, and whether or not it is still there."""

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.e2e.scripted import FINISHED, LEDGER, edit, outcomes, shown, until, write_config
from tests.support.processes import RunningExporter, launch_exporter, start_exporter
from tests.support.scraped import Scraped
from tests.support.scripted_api import ScriptedApi, has_ended

pytestmark = pytest.mark.e2e

IDS = [f"task-{number}" for number in range(10)]
GROUPS = {"renders": {"static_configs": [{"task_ids": IDS}]}}
FAILURES = "bytespike_exporter_ledger_failures_total"

NOTICED_SECONDS = 5.0


def files_of(directory: Path) -> list[Path]:
    return sorted(directory.glob(f"{LEDGER}*"))


def remove(directory: Path) -> None:
    """As an administrator does who wants to begin anew, and forgets the exporter."""
    for file in files_of(directory):
        file.unlink()


def move_away(directory: Path) -> None:
    for file in files_of(directory):
        file.rename(directory / f"old-{file.name}")


def replace_by_a_copy(directory: Path) -> None:
    """As a backup is restored."""
    edit(directory, f"VACUUM INTO '{directory / 'backup'}'")
    remove(directory)
    (directory / "backup").rename(directory / LEDGER)


def is_ready(exporter: RunningExporter) -> bool:
    return httpx.get(f"{exporter.url}/-/ready", timeout=10).status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("harm", [remove, replace_by_a_copy, pytest.param(move_away, marks=pytest.mark.long)])
def test_a_ledger_that_is_there_no_more_is_noticed(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    """What cannot be written down is not counted, and shown by the next exporter once it has been."""
    with ScriptedApi() as api:
        api.script = dict.fromkeys(IDS[:2], has_ended())
        config = write_config(tmp_path, api.url, groups=GROUPS)
        with start_exporter(config) as exporter:
            until(lambda: is_ready(exporter) and shown(exporter.url, FINISHED) == 2, "ready, and two counted")
            before = Scraped.of(exporter.url).sum(FAILURES)
            harm(tmp_path)
            api.default = has_ended()
            until(lambda: not is_ready(exporter), "not ready any more", seconds=NOTICED_SECONDS)
            until(lambda: shown(exporter.url, FAILURES) > before, "a failure counted", seconds=NOTICED_SECONDS)
            until(lambda: api.told_of_end() == set(IDS), "all ends told")
            time.sleep(0.7)
            assert shown(exporter.url, FINISHED) == 2, "the others are in no ledger"
            assert not is_ready(exporter)
            exporter.kill()

        with start_exporter(config, log="again.log") as exporter:
            until(lambda: shown(exporter.url, "bytespike_tasks", status="completed") == len(IDS), "all seen to end")
            until(lambda: shown(exporter.url, FINISHED) == len(IDS), "all counted")
            assert exporter.stop() == 0
        assert outcomes(tmp_path) == IDS


def symlinked(directory: Path) -> Path:
    (directory / "symlink.db").symlink_to(directory / LEDGER)
    return directory / "symlink.db"


def symlinked_directory(directory: Path) -> Path:
    (directory / "link").symlink_to(directory)
    return directory / "link" / LEDGER


def hard_linked(directory: Path) -> Path:
    os.link(directory / LEDGER, directory / "hardlink.db")
    return directory / "hardlink.db"


def unlocked(directory: Path) -> Path:
    """The lock file has been tidied away."""
    (directory / f"{LEDGER}.lock").unlink(missing_ok=True)
    return directory / LEDGER


def by_another_path(directory: Path) -> Path:
    return directory / ".." / directory.name / LEDGER


def code_of(exporter: RunningExporter) -> int | None:
    """Its exit code; None where it goes on serving."""
    until(lambda: exporter.process.poll() is not None or exporter.events("listening"), "ended, or serving")
    return exporter.process.poll()


DISGUISES = (symlinked, symlinked_directory, hard_linked, by_another_path, unlocked)


@pytest.mark.slow
def test_a_second_exporter_does_not_start_on_the_same_ledger(tmp_path: Path) -> None:
    with ScriptedApi() as api, ExitStack() as stack:
        exporter = stack.enter_context(start_exporter(write_config(tmp_path, api.url, groups=GROUPS)))
        until(lambda: is_ready(exporter), "ready")
        others = {}
        for disguise in DISGUISES:
            directory = tmp_path / disguise.__name__
            directory.mkdir()
            ledger = {"url": f"sqlite:///{disguise(tmp_path)}"}
            config = write_config(directory, api.url, groups=GROUPS, ledger=ledger)
            others[disguise.__name__] = stack.enter_context(launch_exporter(config))
        codes = {name: code_of(other) for name, other in others.items()}
        assert codes == dict.fromkeys(codes, 3)
        for name, other in others.items():
            assert "another exporter" in other.output, name
            assert "Traceback" not in other.output, name
        assert is_ready(exporter), "and the first goes on"
