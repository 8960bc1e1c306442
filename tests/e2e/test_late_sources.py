"""Sources that report late after a start: what they may still name keeps its outcome, however old that is."""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.scripted import FINISHED, age_outcomes, family, outcomes, shown, until, write_config
from tests.support.processes import RunningExporter, start_exporter
from tests.support.scripted_api import Reply, ScriptedApi, has_ended

pytestmark = pytest.mark.e2e

EACH = 4
RESTARTS = 2
LATE_SECONDS = 0.8
LONG_AGO = 2 * 3600.0


@dataclass(frozen=True, slots=True)
class Late:
    """A source with some tasks that can be kept from naming them, and be let."""

    group: Mapping[str, Any]
    ids: Sequence[str]
    hold_back: Callable[[], object]
    arrive: Callable[[], object]


def file_source(pattern: Path) -> dict[str, Any]:
    return {"file_sd_configs": [{"files": [str(pattern)], "refresh_interval": "1s"}]}


def url_source(url: str) -> dict[str, Any]:
    return {"http_sd_configs": [{"url": url, "refresh_interval": "1s"}]}


def plain_file(directory: Path, name: str, ids: Sequence[str]) -> Late:
    """It is there from the beginning; only it takes time to be read."""
    file = directory / f"{name}.txt"
    file.write_text("\n".join(ids))
    return Late(file_source(file), ids, hold_back=lambda: None, arrive=lambda: None)


def bad_file_beside_a_good_one(directory: Path, name: str, ids: Sequence[str]) -> Late:
    """Of two files of one source one cannot be parsed for a while."""
    good, bad = directory / f"{name}-1.yml", directory / f"{name}-2.yml"
    good.write_text(json.dumps([{"task_ids": ids[::2]}]))

    def arrive() -> None:
        written = bad.with_suffix(".new")
        written.write_text(json.dumps([{"task_ids": ids[1::2]}]))
        written.rename(bad)

    arrive()
    return Late(file_source(directory / f"{name}-*.yml"), ids, lambda: bad.write_text("- task_ids: ["), arrive)


def unreadable_file(directory: Path, name: str, ids: Sequence[str]) -> Late:
    """What stands in its place is no file that can be read."""
    file = directory / f"{name}.txt"

    def hold_back() -> None:
        file.unlink()
        os.mkfifo(file)

    def arrive() -> None:
        written = file.with_suffix(".new")
        written.write_text("\n".join(ids))
        written.rename(file)

    arrive()
    return Late(file_source(file), ids, hold_back, arrive)


def url_that_fails(api: ScriptedApi, name: str, ids: Sequence[str]) -> Late:
    """The application that names the tasks is up only after a while."""

    def hold_back() -> None:
        api.pages[f"/{name}"] = lambda: Reply(status="503 Service Unavailable")

    def arrive() -> None:
        api.names(f"/{name}", [{"task_ids": list(ids)}])

    arrive()
    return Late(url_source(f"{api.url}/{name}"), ids, hold_back, arrive)


def url_that_hangs(api: ScriptedApi, name: str, ids: Sequence[str]) -> Late:
    """The application takes the request, and its time."""

    def hold_back() -> None:
        api.pages[f"/{name}"] = lambda: None

    def arrive() -> None:
        api.names(f"/{name}", [{"task_ids": list(ids)}])

    arrive()
    return Late(url_source(f"{api.url}/{name}"), ids, hold_back, arrive)


def sources(directory: Path, api: ScriptedApi) -> dict[str, Late]:
    def ids(name: str) -> list[str]:
        return [f"{name}-{number}" for number in range(EACH)]

    return {
        "plain": plain_file(directory, "plain", ids("plain")),
        "bad": bad_file_beside_a_good_one(directory, "bad", ids("bad")),
        "unreadable": unreadable_file(directory, "unreadable", ids("unreadable")),
        "fails": url_that_fails(api, "fails", ids("fails")),
        "hangs": url_that_hangs(api, "hangs", ids("hangs")),
    }


def finished_by_group(exporter: RunningExporter) -> dict[str, float]:
    return family(exporter.url, FINISHED).by("group", FINISHED)


@pytest.mark.slow
def test_restarts_count_nothing_twice_however_late_the_sources_report(tmp_path: Path) -> None:
    with ScriptedApi() as api:
        api.default = has_ended()
        late = sources(tmp_path, api)
        config = write_config(
            tmp_path,
            api.url,
            groups={name: {"account": "default", **source.group} for name, source in late.items()},
            ledger={"retention": "1h"},
        )
        counted = {name: float(EACH) for name in late}
        with start_exporter(config) as exporter:
            until(lambda: finished_by_group(exporter) == counted, "all tasks counted")
            assert exporter.stop() == 0

        for restart in range(RESTARTS):
            age_outcomes(tmp_path, LONG_AGO, since_named=True)
            for source in late.values():
                source.hold_back()
            with start_exporter(config, log=f"serve-{restart}.log") as exporter:
                time.sleep(LATE_SECONDS)  # whatever a start deletes it has deleted by now
                began = time.monotonic()
                for source in late.values():
                    source.arrive()
                until(lambda: shown(exporter.url, "bytespike_tasks") == EACH * len(late), "all tasks followed")
                time.sleep(0.5)  # should anything be counted again, it would be now
                assert finished_by_group(exporter) == counted
                assert [each.name for each in api.asked(since=began)] == [], "who has ended is not asked about"
                exporter.kill() if restart % 2 else exporter.stop()

    assert outcomes(tmp_path) == sorted(name for source in late.values() for name in source.ids)


@pytest.mark.slow
def test_a_task_that_leaves_its_list_for_a_while_is_not_counted_again(tmp_path: Path) -> None:
    """It ended long ago, yet was named until just now: the ledger's retention runs from then."""
    ids = [f"task-{number}" for number in range(EACH)]
    with ExitStack() as stack:
        api = stack.enter_context(ScriptedApi())
        api.default = has_ended()
        file = tmp_path / "tasks.txt"
        file.write_text("\n".join(ids))
        group = {"file_sd_configs": [{"files": [str(file)], "refresh_interval": "1s"}]}
        config = write_config(tmp_path, api.url, groups={"renders": group}, ledger={"retention": "1h"})
        with start_exporter(config) as exporter:
            until(lambda: shown(exporter.url, FINISHED) == EACH, "all tasks counted")
            assert exporter.stop() == 0

        age_outcomes(tmp_path, LONG_AGO, since_named=False)
        file.rename(tmp_path / "elsewhere")
        with start_exporter(config, log="again.log") as exporter:
            time.sleep(LATE_SECONDS)
            assert shown(exporter.url, "bytespike_tasks") == 0
            (tmp_path / "elsewhere").rename(file)
            until(lambda: shown(exporter.url, "bytespike_tasks") == EACH, "all tasks followed again")
            time.sleep(0.5)
            assert shown(exporter.url, FINISHED) == EACH
