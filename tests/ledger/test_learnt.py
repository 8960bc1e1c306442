"""What the cadence has learnt: kept as text, the latest so many."""

import pytest

from exporter.ledger.ledger import Learnt, LedgerError
from exporter.ledger.store import StoredLedger
from tests.ledger.places import Place, opened


def learnt(model: str, text: str = "{}") -> Learnt:
    return Learnt("a", "g", model, text)


def test_nothing_at_first(ledger: StoredLedger) -> None:
    assert ledger.learnt() == []


def test_the_latest_of_each_kind_is_kept(ledger: StoredLedger, place: Place) -> None:
    ledger.keep_learnt([learnt("x", "old"), learnt("y")], now=1.0, limit=9)
    ledger.keep_learnt([learnt("x", "new")], now=2.0, limit=9)
    ledger.close()

    again = opened(place)
    assert again.learnt() == [learnt("y"), learnt("x", "new")], "the latest last"
    again.close()


def test_of_all_the_latest_so_many_are_kept(ledger: StoredLedger) -> None:
    for at, model in enumerate("abcde"):
        ledger.keep_learnt([learnt(model)], now=float(at), limit=3)
    assert [each.model for each in ledger.learnt()] == ["c", "d", "e"]

    ledger.keep_learnt([], now=9.0, limit=1)
    assert [each.model for each in ledger.learnt()] == ["e"]


def test_only_the_writer_of_the_ledger_keeps_it(ledger: StoredLedger, place: Place) -> None:
    ledger.close()
    other = opened(place, owner="another")
    other.close()
    ledger.database.open()

    with pytest.raises(LedgerError, match="another process"):
        ledger.keep_learnt([learnt("x")], now=1.0, limit=9)
