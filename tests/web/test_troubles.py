"""What the first page calls wrong, and where it says to look."""

from exporter.ledger.ledger import LedgerView
from exporter.metrics.history import Recent
from exporter.metrics.snapshot import AccountView, ConfigView, Snapshot
from exporter.tasks.item import TaskLabels
from exporter.web.troubles import MOST_GROUPS, Trouble, troubles
from exporter.web.wording import Mood
from tests.support.fake_exporter import NOW, census, snapshot


def found(shown: Snapshot, *, faults: tuple[str, ...] = (), unready: tuple[str, ...] = ()) -> tuple[Trouble, ...]:
    return troubles(shown, Recent(), faults=faults, unready=unready)


def test_nothing_is_wrong() -> None:
    assert found(snapshot(accounts=(AccountView("a", up=True, last_success_at=NOW), AccountView("new")))) == ()


def test_accounts_lead_to_what_was_answered_longest_ago() -> None:
    accounts = (AccountView("a&b", suspended="payment"), AccountView("c", last_success_at=NOW - 75))
    assert found(snapshot(accounts=accounts)) == (
        Trouble("Account a&b is suspended: payment", Mood.BAD, "tasks?status=open&account=a%26b&sort=asked"),
        Trouble("Account c is down, last answered 1 min 15 s ago", Mood.BAD, "tasks?status=open&account=c&sort=asked"),
    )


def test_overdue_tasks_are_added_up_by_group_the_most_first() -> None:
    overdue = {TaskLabels("a", "g", "x"): 1, TaskLabels("a", "g", "y"): 2, TaskLabels("a", "h"): 1}
    assert found(snapshot(census=census(overdue=overdue))) == (
        Trouble("Group g: 3 tasks are overdue", Mood.WAITING, "tasks?group=g&overdue=yes&sort=-progress"),
        Trouble("Group h: 1 task is overdue", Mood.WAITING, "tasks?group=h&overdue=yes&sort=-progress"),
    )


def test_of_very_many_groups_a_few_are_named_and_the_rest_counted() -> None:
    overdue = {TaskLabels("a", f"g{number}"): 1 for number in range(MOST_GROUPS + 90)}
    told = found(snapshot(census=census(overdue=overdue)))
    assert len(told) == MOST_GROUPS + 1
    assert told[-1].words == "and 90 groups more likewise"


def test_the_worst_comes_first() -> None:
    shown = snapshot(
        ledger=LedgerView(failing=True),
        config=ConfigView(last_reload_successful=False),
        census=census(overdue={TaskLabels("a", "g"): 1}),
    )
    told = found(shown, faults=("the poll a loop has died",), unready=("source g/x has not been read yet",))
    assert [(trouble.mood, trouble.words.split()[1]) for trouble in told] == [
        (Mood.BAD, "poll"),
        (Mood.BAD, "ledger"),
        (Mood.BAD, "last"),
        (Mood.WAITING, "g:"),
        (Mood.WAITING, "g/x"),
    ]
