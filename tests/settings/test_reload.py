"""A reload: the settings in force, and the difference to others."""

from dataclasses import replace
from pathlib import Path

from exporter.settings.load import parse
from exporter.settings.model import ApiSettings, GlobalSettings, PollSettings, Settings
from exporter.settings.reload import Changes, CurrentSettings, Difference, TaskChanges, diff, refusals

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
POLL = "global: {poll: {min_interval: 1s}}\n"
EVERYTHING = """\
global:
  poll: {strategy: eta, min_interval: 1s, max_interval: 1m, polls_per_eta: 5, default_eta: 1m}
  labels: [team]
  overdue_factor: 2
  retention: 1h
  not_found_grace: 1m
  task_series: {limit: 1}
  label_values: {limit: 1}
  label_sets: {limit: 1}
api: {token_file: token}
ledger: {url: "sqlite:///other.db", retention: 1d}
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

    difference = diff(running, replace(running, api=ApiSettings(Path("/etc/token"))))

    assert difference.keys == ("api.token_file",)
    assert not difference.is_empty


def test_a_cadence_for_all_groups_changes_those_that_inherit_it() -> None:
    running = settings(RUNNING.replace("name: third,", "name: third, poll: {min_interval: 5s},"))

    faster = settings(RUNNING.replace("name: third,", "name: third, poll: {min_interval: 5s},") + POLL)

    difference = diff(running, faster)
    assert difference.keys == ("global.poll.min_interval",)
    assert difference.groups == Changes(changed=("first", "second"), kept=("third",))


def test_every_key_of_the_file_can_be_told() -> None:
    """Whatever key is declared, a change of it has a name: nothing has to be written down here for a new one."""
    running = settings(RUNNING)
    changed = settings(EVERYTHING + RUNNING)

    told = {key.removesuffix(".limit") for key in diff(running, changed).keys}

    assert told == {
        *(f"global.{key.name}" for key in GlobalSettings.declared() if key.name != "poll"),
        *(f"global.poll.{key.name}" for key in PollSettings.declared()),
        "api.token_file",
        "ledger.url",
        "ledger.retention",
    }


def test_who_holds_the_settings_sees_a_reload() -> None:
    running, wanted = settings(RUNNING), settings(WANTED)
    current = CurrentSettings(running)
    before = current.value

    current.replace(wanted)

    assert before is running
    assert current.value is wanted


def test_the_ledger_cannot_move_while_running() -> None:
    running = settings(RUNNING)
    moved = replace(running, ledger=replace(running.ledger, url="sqlite:///elsewhere.db"))

    assert refusals(running, moved) == (
        "ledger.url: it cannot change while running; restart the exporter, or put the old one back",
    )
    assert refusals(running, settings(WANTED)) == ()
