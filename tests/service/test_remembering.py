"""What the cadence learns is kept in the ledger, and a restart knows it; whatever is wrong with it, polling goes on."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from exporter.polling.curve import STRAIGHT
from exporter.service.remembering import INTERVAL
from exporter.tasks.item import TaskLabels
from tests.service.rig import Rig
from tests.support.faulty_ledger import Fault

ADAPTIVE = {"global": {"poll": {"strategy": "adaptive"}}}
PUBLISHED = {"global": {"poll": {"strategy": "eta"}}}
LABELS = TaskLabels("default", "renders")


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    await rig.kill()


async def taught(rig: Rig, **settings: object) -> None:
    """An exporter that has seen some tasks end."""
    ids, _ = rig.submit(12, latency_seconds=20)
    rig.configure(groups={"renders": ids}, **settings)
    await rig.start()
    await rig.advance(60)


async def keep(rig: Rig) -> None:
    """Let the time come at which what was learnt is kept."""
    await rig.advance(INTERVAL, step=20.0)


def is_taught(rig: Rig) -> bool:
    assert rig.exporter
    return rig.exporter._learning.curve(LABELS) is not STRAIGHT


@pytest.mark.slow
async def test_a_restart_knows_what_was_learnt(rig: Rig) -> None:
    await taught(rig, **ADAPTIVE)
    assert is_taught(rig)
    await keep(rig)
    await rig.kill()

    await rig.start()
    assert is_taught(rig)


@pytest.mark.slow
async def test_the_last_minutes_are_lost_without_harm(rig: Rig) -> None:
    await taught(rig, **ADAPTIVE)
    finished = rig.page().sum("bytespike_tasks_finished_total")
    await rig.kill()

    await rig.start()
    assert not is_taught(rig)
    assert rig.page().sum("bytespike_tasks_finished_total") == finished == 12


@pytest.mark.slow
async def test_the_published_strategy_learns_and_keeps_nothing(rig: Rig) -> None:
    await taught(rig, **PUBLISHED)
    await keep(rig)

    assert not is_taught(rig)
    assert rows(rig, "SELECT count(*) FROM learnt") == [(0,)]


@pytest.mark.slow
async def test_a_reload_turns_it_on_and_off(rig: Rig) -> None:
    await taught(rig, **PUBLISHED)
    assert rig.exporter
    first, _ = rig.submit(3, latency_seconds=20)
    rig.configure(groups={"renders": first}, **ADAPTIVE)
    await rig.exporter.reload()
    await rig.advance(60)
    assert is_taught(rig)
    rig.exporter._learning.news()

    second, _ = rig.submit(3, latency_seconds=20)
    rig.configure(groups={"renders": second}, **PUBLISHED)
    await rig.exporter.reload()
    await rig.advance(60)
    assert rig.page().sum("bytespike_tasks_finished_total") == 18
    assert rig.exporter._learning.news() == []


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["text = 'x'", "text = x'00ff'", "text = 7", "account = x'00'"])
async def test_damaged_rows_are_left_out_with_one_line(rig: Rig, damage: str) -> None:
    await taught(rig, **ADAPTIVE)
    await keep(rig)
    await rig.kill()
    rows(rig, f"UPDATE learnt SET {damage}")

    await rig.start()
    assert not is_taught(rig)
    assert rig.events().count("learnt_ignored") == (not damage.startswith("account"))
    await rig.advance(5)
    assert rig.exporter
    assert not rig.exporter.faults


@pytest.mark.slow
async def test_what_cannot_be_kept_stops_nothing(rig: Rig) -> None:
    await taught(rig, **ADAPTIVE)
    rig.ledger.fault = Fault.BEFORE
    await keep(rig)
    assert rig.events().count("learnt_not_kept") == 1

    rig.ledger.fault = None
    assert rig.exporter
    assert not rig.exporter.faults


def rows(rig: Rig, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(rig.directory / "ledger.db")) as connection, connection:
        return connection.execute(statement).fetchall()
