"""Which sources a group's settings ask for, and when one is the same as before."""

from dataclasses import replace
from pathlib import Path

import pytest

from exporter.discovery.configured import Configured, configured_sources
from exporter.settings.model import (
    AuthorizationSettings,
    FileSdSettings,
    GroupSettings,
    HttpSdSettings,
    PollSettings,
    TargetSettings,
)

GROUP = GroupSettings(
    name="renders",
    account="default",
    model="sora-2",
    labels=(("team", "video"),),
    file_sd_configs=(FileSdSettings(("/tasks/*.yml",)), FileSdSettings(("/more/*.yml",))),
    http_sd_configs=(HttpSdSettings("http://app/tasks"),),
)
DECLARED = ("team",)


def keys(group: GroupSettings, declared: tuple[str, ...] = DECLARED) -> dict[str, object]:
    return {source.name: source.key for source in configured_sources(group, declared)}


def test_one_source_for_each_entry() -> None:
    found = [(source.name, str(source.mechanism)) for source in configured_sources(GROUP, DECLARED)]

    assert found == [
        ("renders/file_sd/0", "file_sd"),
        ("renders/file_sd/1", "file_sd"),
        ("renders/http_sd/0", "http_sd"),
    ]
    assert keys(replace(GROUP, file_sd_configs=(), http_sd_configs=())) == {}


@pytest.mark.parametrize(
    "group",
    [
        replace(GROUP, poll=PollSettings(min_interval=1.0)),
        replace(GROUP, static_configs=(TargetSettings(task_ids=("a",)),)),
        replace(GROUP, stream=True),
    ],
    ids=["poll", "static_configs", "stream"],
)
def test_what_its_items_are_not_made_of_leaves_a_source_alone(group: GroupSettings) -> None:
    assert keys(group) == keys(GROUP)


@pytest.mark.parametrize(
    ("group", "declared"),
    [
        (replace(GROUP, account="other"), DECLARED),
        (replace(GROUP, model="other"), DECLARED),
        (replace(GROUP, labels=()), DECLARED),
        (GROUP, ("team", "tier")),
    ],
    ids=["account", "model", "labels", "declared"],
)
def test_what_its_items_are_made_of_makes_it_another(group: GroupSettings, declared: tuple[str, ...]) -> None:
    others = keys(group, declared)

    assert others.keys() == keys(GROUP).keys()
    assert all(others[name] != key for name, key in keys(GROUP).items())


def test_a_change_of_one_leaves_the_others_alone() -> None:
    authorization = AuthorizationSettings(credentials_file=Path("/t"))
    changed = keys(replace(GROUP, http_sd_configs=(HttpSdSettings("http://app/tasks", authorization=authorization),)))

    assert [name for name, key in keys(GROUP).items() if changed[name] != key] == ["renders/http_sd/0"]


def test_it_is_a_value() -> None:
    assert {*configured_sources(GROUP, DECLARED)} == {*configured_sources(replace(GROUP), DECLARED)}
    assert all(isinstance(source, Configured) for source in configured_sources(GROUP, DECLARED))
