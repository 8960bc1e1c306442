"""What the cadence has learnt: kept as text, the latest so many."""

from pathlib import Path

import pytest

from exporter.ledger.ledger import Learnt, LedgerError
from exporter.ledger.store import SqliteLedger
from tests.ledger.test_store import opened


def learnt(model: str, text: str = "{}") -> Learnt:
    return Learnt("a", "g", model, text)


def test_nothing_at_first(ledger: SqliteLedger) -> None:
    assert ledger.learnt() == []


def test_the_latest_of_each_kind_is_kept(ledger: SqliteLedger, path: Path) -> None:
    ledger.keep_learnt([learnt("x", "old"), learnt("y")], now=1.0, limit=9)
    ledger.keep_learnt([learnt("x", "new")], now=2.0, limit=9)
    ledger.close()

    again = opened(path)
    assert again.learnt() == [learnt("y"), learnt("x", "new")], "the latest last"
    again.close()


def test_of_all_the_latest_so_many_are_kept(ledger: SqliteLedger) -> None:
    for at, model in enumerate("abcde"):
        ledger.keep_learnt([learnt(model)], now=float(at), limit=3)
    assert [each.model for each in ledger.learnt()] == ["c", "d", "e"]

    ledger.keep_learnt([], now=9.0, limit=1)
    assert [each.model for each in ledger.learnt()] == ["e"]


def test_only_the_writer_of_the_ledger_keeps_it(ledger: SqliteLedger, path: Path) -> None:
    ledger.close()
    other = SqliteLedger(f"sqlite:///{path}", owner="another")
    other.open()
    other.close()
    ledger._file.open()

    with pytest.raises(LedgerError, match="another process"):
        ledger.keep_learnt([learnt("x")], now=1.0, limit=9)
