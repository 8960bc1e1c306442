"""``ledger``: what its commands list, copy, check and delete, and what they leave alone."""

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from exporter.accounting.series import Increments, Series
from exporter.cli.main import cli
from exporter.ledger.ledger import Batch, Count, Entry
from exporter.ledger.opening import totals_beside
from exporter.ledger.store import SqliteLedger
from exporter.metrics.events import count_outcome, count_queue
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.state import begin, observe

CONFIG = """\
global: {labels: [team, tier]}
accounts:
  - {name: default, api_key_env: KEY}
task_groups:
  - {name: renders, model: sora-2, labels: {team: video}, api_config: {}}
  - {name: images, api_config: {}}
"""
URL = "sqlite:///data/ledger.db"
SETS = [
    TaskLabels("default", "renders", "sora-2", (("team", "video"),)),
    TaskLabels("default", "renders", "sora-2", (("team", "test-1"), ("tier", "gold"))),
    TaskLabels("default", "renders", "junk-1", (("team", "video"), ("tier", ""))),
    TaskLabels("default", "renders", "junk-2"),
    TaskLabels("default", "images"),
    TaskLabels("gone", "old", "[red]", ()),
]


@pytest.fixture(autouse=True)
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteLedger]:
    monkeypatch.chdir(tmp_path)
    Path("exporter.yml").write_text(CONFIG)
    ledger = SqliteLedger(URL)
    ledger.open()
    entries = [entry(number, labels) for number, labels in enumerate(SETS)]
    ledger.commit(Batch(1, entries, marks=shown_at_0(entries)), now=10.0)
    ledger.close()
    yield ledger
    ledger.close()


def shown_at_0(entries: Iterable[Entry]) -> Increments:
    """The marks of the error codes, which are no series of their own."""
    marks = Increments()
    for each in entries:
        for series in each.ended.increments if each.ended else ():
            if series.family == "bytespike_tasks_failed_total":
                marks.mark(series.family, series.labels)
    return marks


def entry(number: int, labels: TaskLabels) -> Entry:
    state = begin(Item(TaskRef(labels.account, f"t{number}"), labels, submitted_at=0.0), now=0.0)
    step = observe(state, Observation(Status.FAILED, error_code="boom"), now=9.0)
    assert step.outcome is not None
    return Entry(
        step.state,
        started=Count(count_queue(labels, 3.0)),
        ended=Count(*count_outcome(labels, step.outcome, error_code="boom")),
    )


def run(*args: str) -> Result:
    return CliRunner().invoke(cli, ["ledger", *args], env={"COLUMNS": "200"})


def models(group: str = "renders") -> list[str]:
    """The models and teams that have totals."""
    found = (dict(series.labels) for series in totals_beside(URL))
    return sorted({f"{each['model']}/{each.get('team', '')}" for each in found if each.get("group") == group})


ALL = ["junk-1/video", "junk-2/", "sora-2/test-1", "sora-2/video"]


def test_every_set_that_has_totals_is_listed_while_the_exporter_runs(ledger: SqliteLedger) -> None:
    ledger.open()
    result = run("label-sets")

    assert (result.exit_code, result.stderr) == (0, "")
    assert [line.split() for line in result.stdout.splitlines() if line.strip() and "──" not in line] == [
        ["account", "group", "model", "labels", "series", "outcomes", "configured"],
        ["default", "images", "6", "1", "yes"],
        ["default", "renders", "junk-1", "team=video", "6", "1", "no"],
        ["default", "renders", "junk-2", "6", "1", "no"],
        ["default", "renders", "sora-2", "team=test-1", "tier=gold", "6", "1", "no"],
        ["default", "renders", "sora-2", "team=video", "6", "1", "yes"],
        ["gone", "old", "[red]", "6", "1", "no"],
    ]


@pytest.mark.parametrize(
    ("args", "left"),
    [
        ((), ["sora-2/video"]),
        (("--model", "junk-*"), ["sora-2/test-1", "sora-2/video"]),
        (("--model", "junk-*", "--label", "team="), ["junk-1/video", "sora-2/test-1", "sora-2/video"]),
        (("--label", "team=test-?"), ["junk-1/video", "junk-2/", "sora-2/video"]),
        (("--label", "team=test-?", "--label", "tier=silver"), ALL),
        (("--model", "sora-2"), ["junk-1/video", "junk-2/", "sora-2/video"]),
        (("--model", "sora-2", "--configured"), ["junk-1/video", "junk-2/"]),
    ],
)
def test_what_matches_is_retired_save_what_the_configuration_names(args: tuple[str, ...], left: list[str]) -> None:
    wanted = run("retire", "--group", "renders", *args, "--dry-run")
    assert models() == ALL
    result = run("retire", "--group", "renders", *args)

    assert (result.exit_code, models()) == (0, left)
    assert models("images") == ["/"]
    assert len(result.stdout.splitlines()) == len(ALL) - len(left)
    assert wanted.stdout.replace("would retire", "retired") == result.stdout
    assert ("kept 1 that the configuration names" in result.stderr) == (args in ((), ("--model", "sora-2")))


def test_it_says_what_it_deletes() -> None:
    result = run("retire", "--group", "renders", "--label", "team=test-1")

    assert result.stdout == (
        'retired account="default" group="renders" model="sora-2" team="test-1" tier="gold": 6 series, 1 outcomes\n'
    )


def test_what_is_retired_begins_again_at_0_and_counts_no_task_twice(ledger: SqliteLedger) -> None:
    run("retire", "--group", "old")
    ledger.open()
    ledger.commit(Batch(2, [entry(5, SETS[5]), entry(6, SETS[5])]), now=20.0)

    finished = [number for series, number in ledger.books().totals.items() if is_outcome(series)]
    assert finished == [1.0]


def is_outcome(series: Series) -> bool:
    return series.family == "bytespike_tasks_finished_total" and ("group", "old") in series.labels


def test_nothing_that_matches() -> None:
    result = run("retire", "--group", "nobody")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "nothing matches\n")


def test_a_running_exporter_keeps_its_ledger(ledger: SqliteLedger) -> None:
    ledger.open()
    result = run("retire", "--group", "old")

    assert (result.exit_code, result.stdout) == (3, "")
    assert "another exporter holds it" in result.stderr
    assert models("old") == ["[red]/"]


def test_a_ledger_that_is_not_there() -> None:
    Path("data/ledger.db").unlink()
    for args in (["label-sets"], ["retire", "--group", "renders"]):
        result = run(*args)
        assert (result.exit_code, result.stdout) == (3, "")
        assert "there is no such file" in result.stderr


def test_a_damaged_ledger() -> None:
    with sqlite3.connect("data/ledger.db") as other:
        other.execute("UPDATE totals SET value = 'abc' WHERE rowid = 1")
    other.close()
    result = run("label-sets")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "row 1 of table totals is damaged: bytespike_" in result.stderr
    assert ": value is 'abc'" in result.stderr


def test_a_wrong_pattern() -> None:
    result = run("retire", "--group", "renders", "--label", "team")
    assert result.exit_code == 2
    assert "expected NAME=PATTERN" in result.stderr


# ---- check and copy ------------------------------------------------------------------------------------------------


def test_what_is_kept_is_held_against_what_was_counted(ledger: SqliteLedger) -> None:
    ledger.open()
    result = run("check")

    assert (result.exit_code, result.stderr) == (0, "")
    assert [line.split() for line in result.stdout.splitlines() if line.strip() and "──" not in line][1:] == [
        ["default", "failed", "5", "5", "0.00", "0.00"],
        ["gone", "failed", "1", "1", "0.00", "0.00"],
    ]


def test_a_sum_that_is_less_than_what_is_kept_is_told() -> None:
    run("retire", "--group", "old")
    result = run("check")

    assert result.exit_code == 4
    assert "account gone, failed: less is counted than is kept" in result.stderr


def test_a_ledger_is_copied_whole() -> None:
    result = run("copy", URL, "sqlite:///other.db")

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[0] == "outcomes: 6"
    assert "every row was compared: the copy is whole" in result.stdout
    assert totals_beside("sqlite:///other.db") == totals_beside(URL)
    again = run("copy", URL, "sqlite:///other.db")
    assert (again.exit_code, again.stdout) == (3, "")
    assert "its outcomes are not empty: a copy goes into a ledger that nobody has used" in again.stderr


def test_a_running_exporter_is_not_copied(ledger: SqliteLedger) -> None:
    ledger.open()
    result = run("copy", URL, "sqlite:///other.db")
    assert result.exit_code == 3
    assert "another exporter holds it" in result.stderr


def test_a_password_is_refused_and_not_repeated() -> None:
    result = run("copy", URL, "postgresql://exporter:hunter2hunter2@db/ledger")
    assert result.exit_code == 2
    assert "must not carry a password" in result.stderr
    assert "hunter2" not in result.stderr
