"""What the ledger forgets as the hours pass, and what it must not forget: whoever may still be named counts once."""

import json
from pathlib import Path

import pytest

from tests.service.rig import Rig

FINISHED = "bytespike_tasks_finished_total"
HOUR = 3600.0


class Lists:
    """Two files of one source."""

    def __init__(self, rig: Rig, ids: list[str]) -> None:
        self._ids = ids
        self._good, self._bad = rig.directory / "tasks-1.yml", rig.directory / "tasks-2.yml"
        files = {"files": [str(rig.directory / "tasks-*.yml")], "refresh_interval": "1m"}
        ledger = {"url": f"sqlite:///{rig.directory}/ledger.db", "retention": "3h"}
        rig.configure(
            groups={"renders": {"file_sd_configs": [files]}}, ledger=ledger, **{"global": {"retention": "1h"}}
        )
        self.mend()

    def spoil(self) -> None:
        """The second cannot be parsed."""
        _write(self._bad, "- task_ids: [")

    def mend(self) -> None:
        for file, ids in ((self._good, self._ids[::2]), (self._bad, self._ids[1::2])):
            _write(file, json.dumps([{"task_ids": ids}]))

    def empty(self) -> None:
        for file in (self._good, self._bad):
            _write(file, "[]")


def _write(file: Path, text: str) -> None:
    new = file.with_suffix(".new")
    new.write_text(text)
    new.rename(file)


async def hours_pass(rig: Rig, hours: float) -> None:
    """In leaps, each with a few seconds in which the exporter does what has become due."""
    for _ in range(round(hours * 5)):
        await rig.clock.leap(HOUR / 5)
        await rig.advance(3)


async def counted(rig: Rig, count: int) -> Lists:
    """Tasks that a running exporter has seen to end."""
    ids, _ = rig.submit(count, latency_seconds=5)
    lists = Lists(rig, ids)
    await rig.start()
    await rig.advance(20)
    assert rig.page().sum(FINISHED) == count
    return lists


@pytest.mark.slow
async def test_a_source_that_is_down_since_the_start_is_waited_for_hour_by_hour(rig: Rig) -> None:
    lists = await counted(rig, 10)
    await rig.kill()
    lists.spoil()
    await rig.clock.leap(4 * HOUR)
    await rig.start()
    await hours_pass(rig, 5)
    assert rig.page().sum("bytespike_exporter_sd_refresh_failures_total") > 0

    lists.mend()
    before = rig.requests
    await rig.advance(90)

    assert rig.page().sum("bytespike_exporter_sd_last_refresh_timestamp_seconds") > rig.clock.wall() - 120
    assert rig.page().sum(FINISHED) == 10
    assert rig.requests == before, "who has ended is not asked about"


@pytest.mark.slow
async def test_what_was_named_until_lately_is_remembered_however_long_ago_it_ended(rig: Rig) -> None:
    lists = await counted(rig, 10)
    await hours_pass(rig, 4)
    lists.empty()
    await hours_pass(rig, 1.6)
    lists.mend()
    await rig.advance(90)
    assert rig.page().sum(FINISHED) == 10


@pytest.mark.slow
async def test_what_nobody_has_named_for_the_retention_is_forgotten(rig: Rig) -> None:
    lists = await counted(rig, 10)
    lists.empty()
    await hours_pass(rig, 6)
    lists.mend()
    before = rig.requests
    await rig.advance(90)
    assert rig.requests > before, "or else the ledger would grow for ever"
