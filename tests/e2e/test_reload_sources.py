"""A reload that changes the sources of a group, or for how long its ended tasks are shown."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.scripted import FINISHED, followed, shown, until, write_config
from tests.support.processes import RunningExporter, start_exporter
from tests.support.scripted_api import Reply, ScriptedApi, has_ended

pytestmark = pytest.mark.e2e

FIRST = {f"first-{number}" for number in range(3)}
SECOND = {f"second-{number}" for number in range(3)}


def reload(exporter: RunningExporter) -> None:
    httpx.post(f"{exporter.url}/-/reload", timeout=10).raise_for_status()


def file_sources(directory: Path, *names: str) -> dict[str, Any]:
    return {
        "file_sd_configs": [{"files": [str(directory / f"{name}.yml")], "refresh_interval": "1s"} for name in names]
    }


def url_sources(api: ScriptedApi, *names: str, refresh_interval: str = "1s") -> dict[str, Any]:
    return {"http_sd_configs": [{"url": f"{api.url}/{name}", "refresh_interval": refresh_interval} for name in names]}


def histories(exporter: RunningExporter, names: Sequence[str]) -> dict[str, Any]:
    """What the exporter has seen of each since it began to follow it."""
    return {name: httpx.get(f"{exporter.url}/api/v1/tasks/{name}", timeout=10).json()["history"] for name in names}


def assert_only_the_second_stay(exporter: RunningExporter, before: dict[str, Any]) -> None:
    """At once and from then on; none of them was dropped and taken up again."""
    for _ in range(8):
        assert followed(exporter.url) == SECOND
        time.sleep(0.1)
    assert histories(exporter, sorted(SECOND)) == before


@pytest.mark.slow
def test_the_first_of_two_file_sources_takes_its_own_tasks_with_it(tmp_path: Path) -> None:
    """The file of the other cannot be read at this moment: what it named last holds."""
    for name, ids in (("first", FIRST), ("second", SECOND)):
        (tmp_path / f"{name}.yml").write_text(json.dumps([{"task_ids": sorted(ids)}]))
    with ScriptedApi() as api:
        config = write_config(tmp_path, api.url, groups={"renders": file_sources(tmp_path, "first", "second")})
        with start_exporter(config) as exporter:
            until(lambda: {each.name for each in api.asked()} == FIRST | SECOND, "all tasks asked about")
            (tmp_path / "second.yml").write_text("- task_ids: [")
            time.sleep(0.3)
            before = histories(exporter, sorted(SECOND))
            write_config(tmp_path, api.url, groups={"renders": file_sources(tmp_path, "second")})
            reload(exporter)
            assert_only_the_second_stay(exporter, before)


@pytest.mark.slow
def test_the_first_of_two_url_sources_takes_its_own_tasks_with_it(tmp_path: Path) -> None:
    """The application behind the other is gone at this moment: what it named last holds."""
    with ScriptedApi() as api:
        for name, ids in (("first", FIRST), ("second", SECOND)):
            api.names(f"/{name}", [{"task_ids": sorted(ids)}])
        config = write_config(tmp_path, api.url, groups={"renders": url_sources(api, "first", "second")})
        with start_exporter(config) as exporter:
            until(lambda: {each.name for each in api.asked()} == FIRST | SECOND, "all tasks asked about")
            api.pages["/second"] = lambda: Reply(status="503 Service Unavailable")
            before = histories(exporter, sorted(SECOND))
            write_config(tmp_path, api.url, groups={"renders": url_sources(api, "second")})
            reload(exporter)
            assert_only_the_second_stay(exporter, before)


@pytest.mark.slow
def test_sources_that_change_places_keep_their_tasks(tmp_path: Path) -> None:
    with ScriptedApi() as api:
        for name, ids in (("first", FIRST), ("second", SECOND)):
            api.names(f"/{name}", [{"task_ids": sorted(ids)}])
        config = write_config(tmp_path, api.url, groups={"renders": url_sources(api, "first", "second")})
        with start_exporter(config) as exporter:
            until(lambda: {each.name for each in api.asked()} == FIRST | SECOND, "all tasks asked about")
            api.pages["/first"] = api.pages["/second"] = lambda: Reply(status="503 Service Unavailable")
            write_config(tmp_path, api.url, groups={"renders": url_sources(api, "second", "first")})
            reload(exporter)
            write_config(tmp_path, api.url, groups={"renders": url_sources(api, "second")})
            reload(exporter)
            assert followed(exporter.url) == SECOND
            write_config(tmp_path, api.url, groups={"renders": url_sources(api, "second", refresh_interval="2s")})
            reload(exporter)
            assert followed(exporter.url) == SECOND, "how often it is asked is not what it is"


@pytest.mark.slow
def test_a_shorter_retention_holds_for_what_has_ended_already(tmp_path: Path) -> None:
    groups = {"renders": {"static_configs": [{"task_ids": ["one", "two"]}]}}
    with ScriptedApi() as api:
        api.default = has_ended()
        with start_exporter(write_config(tmp_path, api.url, groups=groups)) as exporter:
            until(lambda: shown(exporter.url, FINISHED) == 2, "both counted")
            write_config(tmp_path, api.url, groups=groups, settings={"retention": "1s"})
            reload(exporter)
            until(lambda: shown(exporter.url, "bytespike_tasks") == 0, "both have left the gauges", seconds=3.0)
            assert shown(exporter.url, FINISHED) == 2

            write_config(tmp_path, api.url, groups=groups, settings={"retention": "1h"})
            reload(exporter)
            time.sleep(0.5)
            assert shown(exporter.url, FINISHED) == 2, "whatever is shown again, it is not counted again"
