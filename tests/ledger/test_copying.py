"""A ledger copied from one kind of database to the other and back: whole, and never taken for whole before it is."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from exporter.accounting.series import Increments, Series, labels_of
from exporter.ledger import copying
from exporter.ledger.copying import copy
from exporter.ledger.ledger import Batch, Learnt, LedgerError
from exporter.ledger.store import StoredLedger
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Registration
from tests.ledger.places import File, OnServer, Place, opened
from tests.ledger.test_store import FINISHED, REQUESTS, T0, begun, commit, ended, recall, seen, started, totals
from tests.support.postgres import Postgres

REGISTERED = [Registration("g", TaskRef("a", f"r{at}"), T0, "veo", (("team", "é"),)) for at in (3, 1, 2)]


@pytest.fixture
def places(tmp_path: Path, postgres: Postgres) -> Sequence[Place]:
    """A file, a server, and another file."""
    server = OnServer(postgres, postgres.create_database())
    return File(tmp_path / "one" / "ledger.db"), server, File(tmp_path / "two" / "ledger.db")


def filled(place: Place, *, tasks: int = 12) -> None:
    ledger = opened(place)
    commit(ledger, *(seen(begun(f"t{at}", f"x{at}")) for at in range(tasks)), meters={REQUESTS: 2.5})
    commit(ledger, *(ended(begun(f"t{at}", f"x{at}")) for at in range(0, tasks, 2)), started(begun("t1")))
    ledger.commit(Batch(3, marks=Increments({Series("f", labels_of(account="b", x='"\\'), "sum"): 1.0})), now=T0)
    ledger.register(REGISTERED, [], now=T0)
    ledger.keep_learnt([Learnt("a", "g", "veo", "{}")], now=T0, limit=9)
    ledger.close()


def everything(place: Place) -> object:
    ledger = opened(place)
    try:
        known = recall(ledger, *(TaskRef("a", f"t{at}") for at in range(12)))
        return known, ledger.books(), ledger.registrations(), ledger.learnt()
    finally:
        ledger.close()


@pytest.mark.slow
def test_what_went_to_a_server_and_back_is_what_it_was(places: Sequence[Place]) -> None:
    filled(places[0])
    for one, other in pairwise(places):
        steps = list(copy(one.url, other.url))
        assert {step.table: step.rows for step in steps}["outcomes"] == 6

    was = everything(places[0])
    assert everything(places[1]) == was
    assert everything(places[2]) == was


def test_the_copy_goes_on_as_the_ledger_would(places: Sequence[Place]) -> None:
    filled(places[0])
    list(copy(places[0].url, places[1].url))
    ledger = opened(places[1])

    assert commit(ledger, ended(begun("t0")), ended(begun("t1")), seen(begun("new"))) == {
        FINISHED: 1.0,
        Series("bytespike_tasks_followed_total", FINISHED.labels): 1.0,
    }
    ledger.register([Registration("g", TaskRef("a", "r9"), T0)], [], now=T0)
    assert [each.ref.task_id for each in ledger.registrations()] == ["r3", "r1", "r2", "r9"]
    ledger.close()


def test_a_copy_that_is_broken_off_goes_on_where_it_stopped(
    places: Sequence[Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "PAGE", 2)
    filled(places[0])
    steps = copy(places[0].url, places[1].url)
    assert next(steps).rows == 2
    steps.close()

    with pytest.raises(LedgerError, match=r"is an unfinished copy of .*finish it with bytespike-exporter ledger copy"):
        opened(places[1])
    with pytest.raises(LedgerError, match=r"is an unfinished copy of .*one/ledger\.db, not of"):
        list(copy(places[2].url, places[1].url))
    assert next(iter(copy(places[0].url, places[1].url))).rows == 4
    list(copy(places[0].url, places[1].url))
    assert everything(places[1]) == everything(places[0])


def test_a_ledger_that_went_on_since_is_noticed(places: Sequence[Place], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "PAGE", 2)
    filled(places[0])
    steps = copy(places[0].url, places[1].url)
    next(steps)
    steps.close()
    places[0].run("UPDATE outcomes SET credits_used = 99 WHERE id = 1")

    with pytest.raises(LedgerError, match=r"its outcomes are not those of .* begin again with --anew"):
        list(copy(places[0].url, places[1].url))
    list(copy(places[0].url, places[1].url, anew=True))
    assert everything(places[1]) == everything(places[0])


@pytest.mark.parametrize("has_finished", [True, False])
def test_what_is_used_is_not_written_over(places: Sequence[Place], *, has_finished: bool) -> None:
    filled(places[0])
    other = opened(places[1])
    if has_finished:
        commit(other, ended(begun()))
        other.close()

    with pytest.raises(LedgerError, match=r"outcomes are not empty|an exporter holds it"):
        list(copy(places[0].url, places[1].url, anew=True))
    other.close()
    assert totals(opened(places[1])) == ({FINISHED: 1.0} if has_finished else {})


def test_a_running_exporter_keeps_its_ledger(places: Sequence[Place]) -> None:
    ledger: StoredLedger = opened(places[0])
    with pytest.raises(LedgerError, match="another exporter holds it"):
        list(copy(places[0].url, places[1].url))
    with pytest.raises(LedgerError, match="into itself"):
        list(copy(places[2].url, places[2].url))
    ledger.close()


def test_a_damaged_row_is_named_and_not_copied(places: Sequence[Place]) -> None:
    filled(places[0])
    places[0].run("UPDATE outcomes SET finished_at = 'soon' WHERE id = 2")
    with pytest.raises(LedgerError, match="row 2 of table outcomes is damaged: finished_at is 'soon'"):
        list(copy(places[0].url, places[1].url))
