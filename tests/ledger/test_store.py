"""What the ledger counts, knows, keeps and prunes: in a real SQLite file, and on a real PostgreSQL server."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec import structs

from exporter.accounting.series import SHOWN, Exemplar, Increments, Series, labels_of
from exporter.ledger.ledger import Batch, Committed, Count, Entry, LedgerError
from exporter.ledger.opening import totals_beside
from exporter.ledger.sqlite_statements import TOGETHER
from exporter.ledger.store import StoredLedger
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, Registration, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.state import TaskState, begin, observe
from tests.ledger.places import Place, heard, opened

T0 = 1_780_000_000.0
LABELS = labels_of(account="a", group="g")
FINISHED = Series("bytespike_tasks_finished_total", LABELS)
FOLLOWED = Series("bytespike_tasks_followed_total", LABELS)
QUEUED = Series("bytespike_tasks_queue_duration_seconds", LABELS, "le:5")
REQUESTS = Series("bytespike_api_requests_total", labels_of(account="a", endpoint="tasks/query"))


ITEM = Item(TaskRef("a", "t"), TaskLabels("a", "g"))


def begun(task_id: str | None = "t", out: str | None = None) -> TaskState:
    return begin(Item(TaskRef("a", task_id, out), TaskLabels("a", "g")), now=T0)


def running(state: TaskState) -> TaskState:
    answer = Observation(Status.RUNNING, estimated_seconds=35, estimated_credits=1.5)
    return observe(state, answer, now=T0 + 2).state


def completed(state: TaskState) -> TaskState:
    return observe(state, Observation(Status.COMPLETED, credits_used=1.47), now=T0 + 9).state


def one(series: Series, by: float = 1.0) -> Count:
    return Count(Increments({series: by}), {series: Exemplar(by, "t", T0)})


def ended(state: TaskState) -> Entry:
    return Entry(completed(state), ended=one(FINISHED))


def started(state: TaskState) -> Entry:
    return Entry(running(state), started=one(QUEUED))


def seen(state: TaskState) -> Entry:
    """A task of which the first answer has told."""
    observed = structs.replace(state, status=Status.PENDING, observed_at=T0 + 1, open_at=T0 + 1)
    return Entry(observed, followed=one(FOLLOWED))


def batch(ledger: StoredLedger, *entries: Entry, meters: dict[Series, float] | None = None) -> Batch:
    """The next batch of a ledger."""
    return Batch(ledger.books().batch + 1, entries, Increments(meters or {}))


def commit(ledger: StoredLedger, *entries: Entry, meters: dict[Series, float] | None = None) -> dict[Series, float]:
    return dict(ledger.commit(batch(ledger, *entries, meters=meters), now=T0 + 10).increments)


def totals(ledger: StoredLedger) -> dict[Series, float]:
    return dict(ledger.books().totals)


def recall(ledger: StoredLedger, *refs: TaskRef, now: float = T0 + 10) -> dict[TaskRef, TaskState]:
    return ledger.recall(refs, now=now)


def test_an_outcome_and_its_totals_are_one(ledger: StoredLedger) -> None:
    assert commit(ledger, ended(begun())) == {FINISHED: 1.0}
    assert totals(ledger) == {FINISHED: 1.0}


def test_an_outcome_counts_once_however_often_it_is_committed(ledger: StoredLedger, place: Place) -> None:
    commit(ledger, ended(begun()))
    assert commit(ledger, ended(begun()), ended(begun())) == {}

    ledger.close()
    again = opened(place)
    assert commit(again, ended(begun())) == {}
    assert totals(again) == {FINISHED: 1.0}
    again.close()


def test_exemplars_are_shown_only_for_what_was_counted(ledger: StoredLedger) -> None:
    first = ledger.commit(batch(ledger, ended(begun())), now=T0)
    second = ledger.commit(batch(ledger, ended(begun())), now=T0)

    assert (list(first.exemplars), list(second.exemplars)) == ([FINISHED], [])


@pytest.mark.parametrize("names", [("t", "x"), (None, "x")])
def test_a_task_ended_under_both_names_counts_under_neither_again(
    ledger: StoredLedger, names: tuple[str | None, str]
) -> None:
    commit(ledger, ended(begun("t", "x")))

    assert commit(ledger, ended(begun(*names))) == {}


@pytest.mark.parametrize("is_one_batch", [True, False])
@pytest.mark.parametrize("names", [[("t", None), (None, "x")], [(None, "x"), ("t", None)]])
def test_a_task_known_by_both_names_that_ends_under_each_alone_counts_once(
    ledger: StoredLedger, names: list[tuple[str | None, str | None]], *, is_one_batch: bool
) -> None:
    """As where it was followed anew, under each, before it was durable that they are one."""
    commit(ledger, seen(begun("t", "x")))
    entries = [ended(begun(*each)) for each in names]
    for some in [entries] if is_one_batch else [[each] for each in entries]:
        commit(ledger, *some)

    assert totals(ledger) == {FOLLOWED: 1.0, FINISHED: 1.0}
    assert {each.ref for each in recall(ledger, *(begun(*each).ref for each in names)).values()} == {
        TaskRef("a", "t", "x")
    }


def test_an_outcome_under_a_name_that_a_row_lends_is_looked_for_too(ledger: StoredLedger, place: Place) -> None:
    """An open row beside it, as a restored copy may have one, must not let it count again, nor stop the writer."""
    commit(ledger, ended(begun("t")), seen(begun("t2", "x")))
    place.run("UPDATE open_tasks SET task_id = 't'")

    assert commit(ledger, ended(begun(None, "x")), ended(begun("t3"))) == {FINISHED: 1.0}


def test_two_task_ids_under_one_out_task_id_both_count(ledger: StoredLedger) -> None:
    commit(ledger, ended(begun("t1", "x")), ended(begun("t2", "x")))
    commit(ledger, ended(begun("t3", "x")))

    assert totals(ledger) == {FINISHED: 3.0}


def test_the_same_task_of_two_accounts_is_two(ledger: StoredLedger) -> None:
    other = begin(Item(TaskRef("b", "t"), TaskLabels("b", "g")), now=T0)
    commit(ledger, ended(begun()), ended(other))

    assert totals(ledger) == {FINISHED: 2.0}


def test_a_queue_time_counts_once_across_names_and_commits(ledger: StoredLedger) -> None:
    commit(ledger, started(begun("t", "x")), started(begun("t")))
    assert commit(ledger, started(begun(None, "x"))) == {}
    assert commit(ledger, Entry(completed(running(begun("t"))), started=one(QUEUED), ended=one(FINISHED))) == {
        FINISHED: 1.0
    }
    assert commit(ledger, started(begun("t"))) == {}
    assert totals(ledger) == {QUEUED: 1.0, FINISHED: 1.0}


@pytest.mark.parametrize("is_one_batch", [True, False])
def test_a_queue_time_counts_once_where_a_task_is_followed_anew_before_its_start_is_durable(
    ledger: StoredLedger, *, is_one_batch: bool
) -> None:
    anew = Entry(begun("t"))  # whoever followed it anew could not read that it has been seen running
    if is_one_batch:
        commit(ledger, started(begun("t")), anew)
    else:
        commit(ledger, started(begun("t")))
        commit(ledger, anew)

    assert recall(ledger, TaskRef("a", "t"))[TaskRef("a", "t")].running_at == T0 + 2
    assert commit(ledger, started(begun("t"))) == {}
    assert totals(ledger) == {QUEUED: 1.0}


def test_a_task_counts_as_followed_once_across_names_and_commits(ledger: StoredLedger, place: Place) -> None:
    assert commit(ledger, seen(begun("t")), seen(begun("t", "x"))) == {FOLLOWED: 1.0}
    assert commit(ledger, seen(begun(None, "x"))) == {}
    ledger.close()
    again = opened(place)
    assert commit(again, seen(begun("t"))) == {}
    assert commit(again, ended(begun("t")), seen(begun("t"))) == {FINISHED: 1.0}
    again.close()


def test_a_registered_task_counts_as_followed_with_its_first_answer(ledger: StoredLedger) -> None:
    known = ledger.register([Registration("g", TaskRef("a", "t"), T0)], [ITEM], now=T0)
    assert totals(ledger) == {}
    assert commit(ledger, seen(known[ITEM.ref])) == {FOLLOWED: 1.0}


def test_that_a_task_was_counted_as_followed_stays_known_where_it_is_followed_anew(ledger: StoredLedger) -> None:
    commit(ledger, seen(begun("t")))
    commit(ledger, Entry(begun("t")))
    assert commit(ledger, seen(begun("t"))) == {}


def test_a_task_that_was_answered_and_not_counted_counts_as_followed_later(ledger: StoredLedger, place: Place) -> None:
    pending = structs.replace(seen(begun("t")), followed=None)
    assert commit(ledger, pending) == {}
    ledger.close()
    again = opened(place)
    assert commit(again, seen(begun("t"))) == {FOLLOWED: 1.0}
    again.close()


def test_marks_are_added_to_the_totals_as_they_are(ledger: StoredLedger) -> None:
    mark = Series(FINISHED.family, FINISHED.labels, SHOWN)
    marked = Batch(ledger.books().batch + 1, marks=Increments({mark: 1.0}))
    assert ledger.commit(marked, now=T0).increments == {mark: 1.0}
    assert ledger.commit(marked, now=T0).is_repeat
    assert totals(ledger) == {mark: 1.0}


def test_meters_are_added_in_the_same_transaction(ledger: StoredLedger) -> None:
    assert commit(ledger, ended(begun()), meters={REQUESTS: 3.0}) == {FINISHED: 1.0}
    commit(ledger, meters={REQUESTS: 2.0})

    books = ledger.books()
    assert (books.totals, books.meters) == ({FINISHED: 1.0}, {REQUESTS: 5.0})


def test_an_open_task_is_recalled_as_it_was(ledger: StoredLedger, place: Place) -> None:
    state = running(begun("t", "x"))
    commit(ledger, Entry(begun("t")), Entry(state))
    ledger.close()
    again = opened(place)

    recalled = recall(again, TaskRef("a", "t"), TaskRef("a", None, "x"), TaskRef("a", "other"), TaskRef("b", "t"))

    assert recalled == {TaskRef("a", "t"): state, TaskRef("a", None, "x"): state}
    again.close()


def test_an_ended_task_is_recalled_as_ended(ledger: StoredLedger) -> None:
    state = completed(running(begun("t", "x")))
    commit(ledger, Entry(running(begun("t"))), Entry(state, ended=one(FINISHED)))

    recalled = recall(ledger, TaskRef("a", None, "x"))[TaskRef("a", None, "x")]

    assert (recalled.status, recalled.duration, recalled.credits_used) == (Status.COMPLETED, 9.0, 1.47)
    assert (recalled.ref, recalled.eta_seconds, recalled.finished_at) == (state.ref, 35, T0 + 9)


def test_an_open_task_keeps_one_row_however_often_it_is_written(ledger: StoredLedger, place: Place) -> None:
    commit(ledger, seen(begun("t", "x")))
    commit(ledger, started(begun("t", "x")))
    state = structs.replace(running(begun("t", "x")), eta_seconds=50.0, observed_at=T0 + 5, open_at=T0 + 5)
    commit(ledger, Entry(state))

    assert recall(ledger, TaskRef("a", "t")) == {TaskRef("a", "t"): state}
    assert place.rows("SELECT id, is_followed, looked_at FROM open_tasks") == [(1, True, T0 + 10)]
    commit(ledger, ended(state))
    assert commit(ledger, seen(begun("t")), started(begun("t"))) == {}
    assert totals(ledger) == {FOLLOWED: 1.0, QUEUED: 1.0, FINISHED: 1.0}


@pytest.mark.parametrize("number", [1, 9, 10, 11, 25])
def test_rows_are_written_all_whatever_their_number(ledger: StoredLedger, number: int) -> None:
    states = [begun(f"t{i}", f"x{i}") for i in range(number)]
    commit(ledger, *map(seen, states))
    commit(ledger, *map(started, states))
    assert {state.running_at for state in recall(ledger, *(state.ref for state in states)).values()} == {T0 + 2}
    commit(ledger, *map(ended, states))

    known = recall(ledger, *(TaskRef("a", None, state.ref.out_task_id) for state in states))
    assert [state.status for state in known.values()] == [Status.COMPLETED] * number
    assert commit(ledger, *map(ended, states)) == {}
    assert totals(ledger) == {FOLLOWED: float(number), QUEUED: float(number), FINISHED: float(number)}


def test_two_rows_of_one_task_are_recalled_as_one(ledger: StoredLedger) -> None:
    commit(ledger, Entry(begun(None, "x")))
    commit(ledger, Entry(running(begun("t"))))

    recalled = recall(ledger, TaskRef("a", "t", "x"))[TaskRef("a", "t", "x")]

    assert (recalled.ref, recalled.status) == (TaskRef("a", "t", "x"), Status.RUNNING)


def test_many_tasks_are_recalled_in_chunks(ledger: StoredLedger) -> None:
    states = [begun(f"t{i}", f"x{i}") for i in range(1203)]
    commit(ledger, *map(Entry, states))

    assert len(recall(ledger, *(state.ref for state in states))) == 1203


# ---- batches -------------------------------------------------------------------------------------------------------


def test_a_repeated_batch_is_recognised_and_adds_nothing(ledger: StoredLedger) -> None:
    once = batch(ledger, ended(begun()), meters={REQUESTS: 3.0})
    ledger.commit(once, now=T0)

    for _ in range(2):
        assert ledger.commit(once, now=T0 + 5) == Committed(is_repeat=True)
    books = ledger.books()
    assert (books.totals, books.meters, books.batch) == ({FINISHED: 1.0}, {REQUESTS: 3.0}, 1)


@pytest.mark.parametrize("number", [0, 1, 3, 99])
def test_any_other_number_is_refused_and_nothing_is_written(ledger: StoredLedger, number: int) -> None:
    commit(ledger, meters={REQUESTS: 1.0})
    commit(ledger, meters={REQUESTS: 1.0})
    expected = 2 + 1
    unexpected = number if number != expected else expected + 1

    with pytest.raises(LedgerError, match="another process writes this ledger, or it was restored from a copy"):
        ledger.commit(Batch(unexpected, [ended(begun())]), now=T0)
    assert (ledger.books().totals, ledger.books().batch) == ({}, 2)


def test_the_numbers_go_on_after_a_restart(ledger: StoredLedger, place: Place) -> None:
    commit(ledger, meters={REQUESTS: 1.0})
    ledger.close()
    again = opened(place)

    assert again.books().batch == 1
    again.commit(Batch(2, meters=Increments({REQUESTS: 1.0})), now=T0)
    assert again.books().meters == {REQUESTS: 2.0}
    again.close()


def test_a_batch_of_another_process_is_not_taken_for_a_repeated_one(ledger: StoredLedger, place: Place) -> None:
    """Whatever leads around the locks: the ledger itself knows whose its last batch is."""
    place.run("UPDATE leases SET owner = 'another', batch = 1")

    with pytest.raises(LedgerError, match="number 1 of another process, where this exporter has number 1 to write"):
        ledger.commit(Batch(1, meters=Increments({REQUESTS: 1.0})), now=T0)
    with pytest.raises(LedgerError, match="of another process"):
        ledger.unregister([], now=T0)
    with pytest.raises(LedgerError, match="of another process"):
        ledger.prune(gone=(), kept=(), now=T0)
    assert ledger.books().meters == {}


# ---- pruning -------------------------------------------------------------------------------------------------------

DAY = 86400.0


def look(ledger: StoredLedger, *, now: float, retention: float = 10 * DAY, named: Sequence[str] = ()) -> int:
    """Look at everything old, as an exporter does in which sources name these tasks; how many rows went."""
    aged = ledger.aged(before=now - retention / 2, except_accounts=(), limit=500)
    kept = [each for each in aged if each.ref.task_id in named]
    return ledger.prune(gone=[each for each in aged if each not in kept], kept=kept, now=now)


def test_rows_go_when_no_source_has_named_their_task_for_half_a_retention(ledger: StoredLedger) -> None:
    commit(ledger, ended(begun("old")), Entry(begun("open")))
    gone = {day: look(ledger, now=T0 + 10 + day * DAY) for day in range(1, 20)}

    assert {day: rows for day, rows in gone.items() if rows} == {12: 2}, "seen unnamed on day 6, and again on day 12"
    assert totals(ledger) == {FINISHED: 1.0}
    assert recall(ledger, TaskRef("a", "old"), TaskRef("a", "open")) == {}


def test_a_row_is_kept_for_a_retention_at_least(ledger: StoredLedger) -> None:
    commit(ledger, ended(begun()))
    gone = {hour: look(ledger, now=T0 + 10 + hour * 3600) for hour in range(2, 300, 10)}

    assert [hour for hour, rows in gone.items() if rows] == [252], "looked at after 122 and 252 hours"


@pytest.mark.slow
def test_a_named_task_keeps_its_row_and_is_written_once_in_half_a_retention(ledger: StoredLedger) -> None:
    commit(ledger, ended(begun("t")), Entry(begun("open")))
    touched = 0
    for hour in range(0, 40 * 24, 6):
        touched += len(ledger.aged(before=T0 + 10 + hour * 3600 - 5 * DAY, except_accounts=(), limit=500))
        look(ledger, now=T0 + 10 + hour * 3600, named=("t", "open"))

    assert touched == 2 * 7
    assert commit(ledger, ended(begun("t"))) == {}


def test_a_task_that_is_dropped_right_before_it_would_be_looked_at_again_is_kept_for_half_a_retention(
    ledger: StoredLedger,
) -> None:
    commit(ledger, ended(begun()))
    look(ledger, now=T0 + 10 + 6 * DAY, named=("t",))

    gone = {day: look(ledger, now=T0 + 10 + day * DAY) for day in range(11, 30)}

    assert [day for day, rows in gone.items() if rows] == [18], "named until day 11, unnamed on day 12 and on day 18"


def test_a_task_that_comes_back_for_a_minute_begins_its_time_again(ledger: StoredLedger) -> None:
    commit(ledger, ended(begun()))
    look(ledger, now=T0 + 10 + 6 * DAY)
    recall(ledger, TaskRef("a", "t"), now=T0 + 10 + 11 * DAY)

    gone = {day: look(ledger, now=T0 + 10 + day * DAY) for day in range(12, 30)}

    assert [day for day, rows in gone.items() if rows] == [23], "named on day 11, unnamed on day 17 and on day 23"


def test_a_registered_task_is_named_by_that(ledger: StoredLedger) -> None:
    commit(ledger, ended(begun()))
    look(ledger, now=T0 + 10 + 6 * DAY)
    item = Item(TaskRef("a", "t"), TaskLabels("a", "g"))
    ledger.register([], [item], now=T0 + 10 + 11 * DAY)

    assert look(ledger, now=T0 + 10 + 12 * DAY) == 0


def test_a_clock_that_leaps_deletes_nothing_at_once(ledger: StoredLedger) -> None:
    commit(ledger, ended(begun()))

    assert look(ledger, now=T0 + 1000 * DAY) == 0
    assert look(ledger, now=T0 + 1000 * DAY) == 0
    assert TaskRef("a", "t") in recall(ledger, TaskRef("a", "t"))


def test_only_what_may_be_pruned_is_offered_in_steps_the_oldest_first(ledger: StoredLedger) -> None:
    for number, account in enumerate(["a", "b", "c"] * 4):
        state = begin(Item(TaskRef(account, f"t{number}"), TaskLabels(account, "g")), now=T0)
        ledger.commit(batch(ledger, ended(state)), now=T0 + number)

    offered = ledger.aged(before=T0 + 10, except_accounts={"b"}, limit=5)

    assert [each.ref.task_id for each in offered] == ["t0", "t3", "t6", "t9", "t2"]
    assert offered == sorted(offered, key=lambda each: (each.ref.account, each.looked_at))


def test_a_row_that_was_written_in_between_is_left_alone(ledger: StoredLedger) -> None:
    """It keeps its number, and that of a deleted one is given away again: a row is told by more than its number."""
    commit(ledger, Entry(begun("one")))
    look(ledger, now=T0 + 10 + 6 * DAY)
    aged = ledger.aged(before=T0 + 10 + 8 * DAY, except_accounts=(), limit=500)
    ledger.commit(batch(ledger, Entry(running(begun("one")))), now=T0 + 12 * DAY)

    assert [each.ref.task_id for each in aged] == ["one"]
    assert ledger.prune(gone=aged, kept=(), now=T0 + 12 * DAY) == 0
    assert TaskRef("a", "one") in recall(ledger, TaskRef("a", "one"))


# ---- totals that are no longer wanted ------------------------------------------------------------------------------


def test_totals_can_be_retired(ledger: StoredLedger, place: Place) -> None:
    commit(ledger, Entry(completed(begun()), started=one(QUEUED), ended=one(FINISHED)), meters={REQUESTS: 1.0})

    assert ledger.retire(lambda series: series == QUEUED) == [QUEUED]
    assert ledger.retire(lambda series: series == QUEUED) == []
    assert ledger.books().totals == totals_beside(place.url) == {FINISHED: 1.0}
    assert ledger.books().meters == {REQUESTS: 1.0}


def test_the_totals_of_no_ledger_make_none(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="there is no such file"):
        totals_beside(f"sqlite:///{tmp_path}/none.db")
    assert not list(tmp_path.iterdir())


# ---- statements -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 2, 9, 65, 500])
def test_a_group_is_looked_up_as_one_task_is_and_written_together(ledger: StoredLedger, number: int) -> None:
    statements = heard(ledger)
    states = [begun(f"t{i}", f"x{i}") for i in range(number)]
    commit(ledger, *(Entry(state, ended=one(FINISHED)) for state in map(completed, states)))
    assert totals(ledger) == {FINISHED: float(number)}
    inserted = [each for each in statements if each.startswith("INSERT")]
    others = [each for each in statements if not each.startswith(("BEGIN", "COMMIT", "INSERT"))]
    assert 3 <= len(others) <= 12
    assert 2 <= len(inserted) <= 2 + number // TOGETHER + TOGETHER
