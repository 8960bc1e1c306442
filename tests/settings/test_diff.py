"""A reload as a difference."""

from dataclasses import replace
from pathlib import Path

from exporter.settings.diff import Changes, Difference, TaskChanges, diff, refusals
from exporter.settings.load import parse
from exporter.settings.model import Settings

RUNNING = """\
accounts:
  - {name: a, api_key_env: A}
  - {name: b, api_key_env: B}
  - {name: c, api_key_env: C}
task_groups:
  - {name: first, account: a, static_configs: [{task_ids: [task_1, task_2], out_task_ids: [task_1]}]}
  - {name: second, account: b, static_configs: [{task_ids: [task_3]}]}
  - {name: third, account: b}
"""
WANTED = """\
global: {labels: [team], retention: 1h}
accounts:
  - {name: a, api_key_env: A}
  - {name: b, api_key_env: B, timeout: 5s}
  - {name: d, api_key_env: D}
task_groups:
  - {name: first, account: b, static_configs: [{task_ids: [task_2]}]}
  - {name: third, account: b}
  - {name: fourth, account: d, static_configs: [{task_ids: [task_4, task_5]}]}
"""


def settings(text: str) -> Settings:
    return parse(text, file="exporter.yml", base=Path("/etc"))


def test_nothing_changed() -> None:
    difference = diff(settings(RUNNING), settings(RUNNING))

    assert difference.is_empty
    assert difference.accounts == Changes(kept=("a", "b", "c"))
    assert difference.tasks == ()


def test_everything_changed() -> None:
    assert diff(settings(RUNNING), settings(WANTED)) == Difference(
        accounts=Changes(added=("d",), removed=("c",), changed=("b",), kept=("a",)),
        groups=Changes(added=("fourth",), removed=("second",), changed=("first",), kept=("third",)),
        tasks=(
            # Another account knows none of the old account's tasks: these are three gone and one new.
            TaskChanges("first", added=1, removed=3),
            TaskChanges("second", added=0, removed=1),
            TaskChanges("fourth", added=2, removed=0),
        ),
        keys=("global.labels", "global.retention"),
    )


def test_as_json() -> None:
    difference = diff(settings(RUNNING), settings(WANTED))

    assert not difference.is_empty
    assert difference.as_json() == {
        "accounts": {"added": ["d"], "removed": ["c"], "changed": ["b"], "kept": ["a"]},
        "task_groups": {"added": ["fourth"], "removed": ["second"], "changed": ["first"], "kept": ["third"]},
        "tasks": {
            "first": {"added": 1, "removed": 3},
            "second": {"added": 0, "removed": 1},
            "fourth": {"added": 2, "removed": 0},
        },
        "keys": ["global.labels", "global.retention"],
    }


def test_a_key_alone_is_a_change() -> None:
    running = settings(RUNNING)

    difference = diff(running, replace(running, api_token_file=Path("/etc/token")))

    assert difference.keys == ("api.token_file",)
    assert not difference.is_empty


def test_the_ledger_cannot_move_while_running() -> None:
    running = settings(RUNNING)
    moved = replace(running, ledger=replace(running.ledger, url="sqlite:///elsewhere.db"))

    assert refusals(running, moved) == (
        "ledger.url: it cannot change while running; restart the exporter, or put the old one back",
    )
    assert refusals(running, settings(WANTED)) == ()
