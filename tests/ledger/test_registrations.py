"""Registrations in real databases: kept with the first sight of their tasks, in one transaction."""

import pytest

from exporter.ledger.ledger import LedgerError
from exporter.ledger.store import StoredLedger
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, Registration, TaskLabels
from exporter.tasks.observation import Status
from tests.ledger.places import Place

T0 = 1_780_000_000.0
BY_ID = Registration("g", TaskRef("a", "t"), T0, "veo", (("team", "é"), ("tier", '"')), T0 - 5)
BY_OUT_ID = Registration("g", TaskRef("a", None, "t"), T0)


def item(registration: Registration) -> Item:
    return Item(registration.ref, TaskLabels("a", registration.group), registration.submitted_at)


def register(ledger: StoredLedger, *registrations: Registration, now: float = T0) -> dict[str, Status]:
    known = ledger.register(registrations, [item(each) for each in registrations], now=now)
    return {str(ref): state.status for ref, state in known.items()}


def test_what_is_registered_is_there_for_whoever_opens_it_next(ledger: StoredLedger, place: Place) -> None:
    place.run("ALTER TABLE open_tasks RENAME COLUMN is_followed TO elsewhere")
    with pytest.raises(LedgerError, match="is_followed"):
        register(ledger, BY_ID)
    place.run("ALTER TABLE open_tasks RENAME COLUMN elsewhere TO is_followed")
    assert ledger.registrations() == []
    assert ledger.recall([BY_ID.ref], now=T0) == {}


@pytest.mark.slow
def test_ten_thousand_at_once(ledger: StoredLedger) -> None:
    many = [Registration("g", TaskRef("a", f"t{n}"), T0) for n in range(10_000)]
    assert len(register(ledger, *many)) == 10_000
    assert ledger.registrations() == many
    ledger.unregister(many[5:], now=T0)
    assert ledger.registrations() == many[:5]
