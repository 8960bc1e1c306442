"""Registrations in a real SQLite file: kept with the first sight of their tasks, in one transaction."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.ledger.ledger import Batch, Entry, LedgerError
from exporter.ledger.store import SqliteLedger
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, Registration, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.state import begin, observe

T0 = 1_780_000_000.0
BY_ID = Registration("g", TaskRef("a", "t"), T0, "veo", (("team", "é"), ("tier", '"')), T0 - 5)
BY_OUT_ID = Registration("g", TaskRef("a", None, "t"), T0)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqliteLedger]:
    ledger = SqliteLedger(f"sqlite:///{tmp_path}/ledger.db")
    ledger.open()
    yield ledger
    ledger.close()


def item(registration: Registration) -> Item:
    return Item(registration.ref, TaskLabels("a", registration.group), registration.submitted_at)


def register(ledger: SqliteLedger, *registrations: Registration, now: float = T0) -> dict[str, Status]:
    known = ledger.register(registrations, [item(each) for each in registrations], now=now)
    return {str(ref): state.status for ref, state in known.items()}


def test_what_is_registered_is_there_for_whoever_opens_it_next(tmp_path: Path, ledger: SqliteLedger) -> None:
    register(ledger, BY_ID, BY_OUT_ID)
    ledger.close()
    ledger.open()
    assert ledger.registrations() == [BY_ID, BY_OUT_ID]
    assert ledger.recall([BY_ID.ref], now=T0)[BY_ID.ref] == begin(item(BY_ID), now=T0)


def test_again_is_the_same(ledger: SqliteLedger) -> None:
    register(ledger, BY_ID)
    register(ledger, Registration("g", BY_ID.ref, T0 + 9, "another"), now=T0 + 9)
    assert ledger.registrations() == [BY_ID]
    assert ledger.recall([BY_ID.ref], now=T0)[BY_ID.ref].first_seen_at == T0


def test_one_task_in_two_groups(ledger: SqliteLedger) -> None:
    other = Registration("h", BY_ID.ref, T0)
    register(ledger, BY_ID, other)
    ledger.unregister([BY_ID, BY_ID])
    assert ledger.registrations() == [other]


def test_what_has_ended_is_told_and_not_begun_again(ledger: SqliteLedger) -> None:
    ended = observe(begin(item(BY_ID), now=T0), Observation(Status.COMPLETED, task_id="t"), now=T0 + 1).state
    ledger.commit(Batch(1, [Entry(ended)]), now=T0 + 1)
    assert register(ledger, BY_ID, now=T0 + 2) == {"t": Status.COMPLETED}


def test_a_failure_keeps_neither_the_registration_nor_the_sight(tmp_path: Path, ledger: SqliteLedger) -> None:
    with sqlite3.connect(tmp_path / "ledger.db") as other:
        other.execute("CREATE TRIGGER no BEFORE INSERT ON open_tasks BEGIN SELECT RAISE(ABORT, 'full'); END")
    with pytest.raises(LedgerError, match="full"):
        register(ledger, BY_ID)
    assert ledger.registrations() == []
    assert ledger.recall([BY_ID.ref], now=T0) == {}


def test_ten_thousand_at_once(ledger: SqliteLedger) -> None:
    many = [Registration("g", TaskRef("a", f"t{n}"), T0) for n in range(10_000)]
    assert len(register(ledger, *many)) == 10_000
    assert ledger.registrations() == many
    ledger.unregister(many[5:])
    assert ledger.registrations() == many[:5]
