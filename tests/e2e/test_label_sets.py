"""Labels are bounded one by one and together, whoever names the tasks; what the configuration names has its place."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.scripted import FINISHED, family, shown, until, write_config
from tests.support.processes import start_exporter
from tests.support.scripted_api import ScriptedApi, has_ended, record

pytestmark = pytest.mark.e2e

MODELS, TEAMS = 50, 40
FLOOD = [
    {"task_ids": [f"task-{model}-{team}"], "model": f"model-{model}", "labels": {"team": f"team-{team}"}}
    for model in range(MODELS)
    for team in range(TEAMS)
]

DEFAULT_LIMIT = 1000
LIMIT = 100
LINES_OF_A_SET = 150
LINES_BESIDES = 3000

HOUSE = ("house-model", "house")
LABELS = {"labels": ["team"], "task_series": {"limit": 0}}
OVERFLOWED = "bytespike_exporter_label_values_overflowed_total"

TASKS = "bytespike_tasks"


def write(directory: Path, api: ScriptedApi, *, more: Mapping[str, Any] = LABELS, **group: Any) -> Path:
    model, team = HOUSE
    groups = {"renders": {"model": model, "labels": {"team": team}, "api_config": {}, **group}}
    return write_config(directory, api.url, groups=groups, settings=more)


def register(url: str, items: Sequence[Mapping[str, Any]]) -> None:
    httpx.post(f"{url}/api/v1/tasks", json=items, timeout=60).raise_for_status()


def label_sets(url: str) -> dict[tuple[str, str], float]:
    """How many tasks there are with each model and team; 0 where there is but a series."""
    counts: dict[tuple[str, str], float] = {}
    for sample in family(url, TASKS).samples(TASKS):
        labels = (sample.labels["model"], sample.labels["team"])
        counts[labels] = counts.get(labels, 0.0) + sample.value
    return counts


def assert_bounded(url: str, limit: int, *, tasks: int) -> None:
    """So many sets, and the one for the rest; the house's own is among them, and nothing has left the sums."""
    sets = label_sets(url)
    assert len(sets) <= limit + 1
    assert sum(sets.values()) == tasks
    assert sets.get(("other", "other"), 0.0) >= tasks - limit
    until(lambda: shown(url, OVERFLOWED, limit="label_sets") > 0, "the limit says that it has been reached")

    register(url, [{"task_ids": ["task-of-the-house"]}])
    assert label_sets(url)[HOUSE] == 1.0


@pytest.mark.slow
def test_the_combinations_of_labels_are_bounded(tmp_path: Path) -> None:
    with ScriptedApi() as api, start_exporter(write(tmp_path, api)) as exporter:
        register(exporter.url, FLOOD[:1200])
        assert_bounded(exporter.url, DEFAULT_LIMIT, tasks=1200)


FEW = FLOOD[:500]


@pytest.mark.slow
def test_a_limit_of_label_sets_bounds_the_page_and_outlasts_a_restart(tmp_path: Path) -> None:
    with ScriptedApi() as api:
        api.default = has_ended()
        config = write(tmp_path, api, more={**LABELS, "label_sets": {"limit": LIMIT}})
        with start_exporter(config) as exporter:
            register(exporter.url, FEW)
            assert_bounded(exporter.url, LIMIT, tasks=len(FEW))
            until(lambda: shown(exporter.url, FINISHED) == len(FEW) + 1, "all tasks counted", seconds=30.0)
            page = httpx.get(f"{exporter.url}/metrics", timeout=30).text
            assert page.count("\n") <= (LIMIT + 1) * LINES_OF_A_SET + LINES_BESIDES
            assert exporter.stop() == 0
        with start_exporter(config, log="again.log") as exporter:
            assert len(label_sets(exporter.url)) <= LIMIT + 1
            assert shown(exporter.url, FINISHED) == len(FEW) + 1


JUNK = [{"task_ids": [f"junk-{number}"], "model": f"junk-{number}"} for number in range(300)]


@pytest.mark.slow
def test_values_that_are_gone_give_their_places_back(tmp_path: Path) -> None:
    with ScriptedApi() as api:
        api.default = lambda name: record(name, status="pending", estimated_seconds=600)
        file = tmp_path / "tasks.yml"
        file.write_text(json.dumps(JUNK))
        config = write(tmp_path, api, file_sd_configs=[{"files": [str(file)], "refresh_interval": "1s"}])
        with start_exporter(config) as exporter:
            until(lambda: shown(exporter.url, TASKS) == len(JUNK), "all of them followed")
            assert shown(exporter.url, TASKS, model="other") > 0
            until(lambda: shown(exporter.url, TASKS, status="pending") > LIMIT, "many of them answered", seconds=30.0)
            file.unlink()
            until(lambda: shown(exporter.url, TASKS) == 0, "all of them gone")
            register(exporter.url, [{"task_ids": ["honest"], "model": "honest"}])
            assert family(exporter.url, TASKS).by("model", TASKS) == {"honest": 1.0}
            until(lambda: shown(exporter.url, OVERFLOWED, limit="label_values") > 0, "it is told, once that is durable")


@pytest.mark.slow
def test_what_the_configuration_names_is_never_other(tmp_path: Path) -> None:
    """Not even where it comes to name it when all places have been taken."""
    with ScriptedApi() as api, start_exporter(write(tmp_path, api)) as exporter:
        register(exporter.url, JUNK)
        static = {"task_ids": ["late"], "model": "late-model", "labels": {"team": "late"}}
        write(tmp_path, api, static_configs=[static])
        httpx.post(f"{exporter.url}/-/reload", timeout=10).raise_for_status()
        assert label_sets(exporter.url)["late-model", "late"] == 1.0
