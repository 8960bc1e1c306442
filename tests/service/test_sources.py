"""Sources that run: what they name is followed, through reloads, and once however many name it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import httpx
import structlog
from structlog.testing import capture_logs

from exporter.clock import SystemClock
from exporter.metrics.snapshot import BuildView
from exporter.service.dependencies import Dependencies
from exporter.service.exporter import Exporter
from exporter.settings.load import load
from exporter.tasks.item import TaskLabels

CONFIG = """\
global: {labels: [team]}
accounts: [{name: one, base_url: "http://upstream.test", api_key_env: KEY}]
task_groups:
  - {name: first, model: sora-2, labels: {team: video}, file_sd_configs: [{files: [first.txt]}]}
  - {name: second, model: veo, file_sd_configs: [{files: [second.txt]}]}
"""


def write_config(directory: Path, text: str) -> Path:
    path = directory / "exporter.yml"
    path.write_text(f"{text}ledger: {{url: 'sqlite:///{directory}/ledger.db'}}\n")
    return path


def upstream(request: httpx.Request) -> httpx.Response:
    return httpx.Response(503)


@asynccontextmanager
async def running(directory: Path, config: str = CONFIG) -> AsyncIterator[Exporter]:
    path = write_config(directory, config)
    exporter = Exporter(
        load(path),
        config_file=path,
        build=BuildView("1", "abc", "3"),
        dependencies=Dependencies(SystemClock(), Random(1), {"KEY": "sk-byts-key"}, httpx.MockTransport(upstream)),
        log=structlog.get_logger(),
    )
    await exporter.start()
    try:
        yield exporter
    finally:
        await exporter.stop(deadline=5.0)
    assert exporter.faults == ()


def counts(exporter: Exporter) -> dict[str, int]:
    """How many tasks each label set has, the label set by group, model and team."""
    found: dict[str, int] = {}
    for (labels, _), count in exporter.snapshot().census.counts.items():
        found[shown(labels)] = found.get(shown(labels), 0) + count
    return {name: count for name, count in found.items() if count}


def shown(labels: TaskLabels) -> str:
    return "/".join([labels.group, labels.model, *dict(labels.user).values()])


async def until(look: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20.0
    while not look():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_a_task_that_two_sources_name_is_followed_once_and_as_the_first_says(tmp_path: Path) -> None:
    (tmp_path / "first.txt").write_text("task_1")
    async with running(tmp_path) as exporter:
        await until(lambda: counts(exporter) == {"first/sora-2/video": 1})
        (tmp_path / "second.txt").write_text("task_1\ntask_2")
        await until(lambda: counts(exporter) == {"first/sora-2/video": 1, "second/veo": 1})
        assert exporter.snapshot().census.duplicates == 1

        (tmp_path / "first.txt").unlink()
        await until(lambda: counts(exporter) == {"second/veo": 2})
        assert exporter.snapshot().census.duplicates == 0

        (tmp_path / "second.txt").unlink()
        await until(lambda: counts(exporter) == {})


async def test_a_reload_changes_what_a_source_says(tmp_path: Path) -> None:
    (tmp_path / "first.txt").write_text("task_1")
    async with running(tmp_path) as exporter:
        await until(lambda: counts(exporter) == {"first/sora-2/video": 1})
        write_config(tmp_path, CONFIG.replace("team: video", "team: trailers"))
        await exporter.reload()
        await until(lambda: counts(exporter) == {"first/sora-2/trailers": 1})

        write_config(tmp_path, CONFIG.replace("file_sd_configs: [{files: [first.txt]}]", "static_configs: []"))
        await exporter.reload()
        assert counts(exporter) == {}
        (tmp_path / "second.txt").write_text("task_2")
        await until(lambda: counts(exporter) == {"second/veo": 1})


async def test_removing_one_of_two_sources_leaves_the_other_alone(tmp_path: Path) -> None:
    (tmp_path / "first.yml").write_text("- {task_ids: [task_1], model: one}")
    (tmp_path / "second.yml").write_text("- {task_ids: [task_2], model: two}")
    both = "file_sd_configs: [{files: [first.yml]}, {files: [second.yml]}]"
    config = CONFIG.replace("file_sd_configs: [{files: [first.txt]}]", both)
    async with running(tmp_path, config) as exporter:
        await until(lambda: counts(exporter) == {"first/one/video": 1, "first/two/video": 1})
        (tmp_path / "second.yml").write_text("- [")  # so that nothing but the name can tell whose tasks are whose
        write_config(tmp_path, config.replace("{files: [first.yml]}, ", ""))
        await exporter.reload()
        assert counts(exporter) == {"first/two/video": 1}
        await asyncio.sleep(0.5)
        assert counts(exporter) == {"first/two/video": 1}


async def test_a_source_that_starts_anew_drops_nothing_before_it_was_read_in_full(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("- task_ids: [task_1]")
    (tmp_path / "b.yml").write_text("- task_ids: [task_2, task_3]")
    config = CONFIG.replace("first.txt", "'?.yml'")
    async with running(tmp_path, config) as exporter:
        await until(lambda: counts(exporter) == {"first/sora-2/video": 3})
        (tmp_path / "a.yml").write_text("- [")
        (tmp_path / "b.yml").write_text("- task_ids: [task_2]")
        await until(lambda: counts(exporter) == {"first/sora-2/video": 2})

        write_config(tmp_path, config.replace("team: video", "team: trailers"))
        await exporter.reload()
        await until(lambda: counts(exporter) == {"first/sora-2/video": 1, "first/sora-2/trailers": 1})
        (tmp_path / "a.yml").write_text("[]")
        await until(lambda: counts(exporter) == {"first/sora-2/trailers": 1})


async def test_each_source_tells_when_it_was_last_good(tmp_path: Path) -> None:
    (tmp_path / "first.txt").write_text("no id")
    with capture_logs() as logs:
        async with running(tmp_path) as exporter:
            await until(lambda: len([view for view in exporter.snapshot().sources if view.last_refresh_at]) == 1)
            await until(lambda: [log for log in logs if log["event"] == "discovery_failing"])
            [good] = [view for view in exporter.snapshot().sources if view.last_refresh_at]
            assert (good.group, good.mechanism) == ("second", "file_sd")

            (tmp_path / "first.txt").write_text("no id\nnor this")
            await until(lambda: len([log for log in logs if log["event"] == "discovery_failing"]) == 2)
            (tmp_path / "first.txt").write_text("id")
            await until(lambda: [log for log in logs if log["event"] == "discovery_recovered"])
            assert all(view.last_refresh_at for view in exporter.snapshot().sources)
    fault = f"{tmp_path}/first.txt:1: expected an id: printable, without spaces, 200 characters at most"
    name = f"first/file_sd/{tmp_path}/first.txt"
    failing = [log for log in logs if log["event"] == "discovery_failing"]
    assert [(log["source"], log["reason"]) for log in failing] == [
        (name, fault),
        (name, f"{fault} (and 1 more)"),
    ]
