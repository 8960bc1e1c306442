"""Registrations by group, and the items that they are."""

from pathlib import Path
from unittest.mock import patch

import pytest

from exporter.registration.registry import Registry, items_of, registration_limit
from exporter.settings.model import ApiConfigSettings, CallbackSettings, GroupSettings
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, Registration, TaskLabels

GROUP = GroupSettings("renders", "one", "sora-2", (("team", "video"), ("tier", "gold")), api_config=ApiConfigSettings())


def registration(task_id: str, group: str = "renders", account: str = "one", **said: object) -> Registration:
    return Registration(group, TaskRef(account, task_id), 1.0, **said)  # type: ignore[arg-type] # as the fields have it


def test_what_is_there_stays_as_it_is() -> None:
    registry = Registry()
    registry.add([registration("t", model="first"), registration("t", model="second"), registration("u")])
    assert registration("t") in registry
    assert registration("t", "images") not in registry
    assert (registry.count("renders"), registry.count("images")) == (2, 0)
    assert [each.model for each in registry.of("renders", [TaskRef("one", "t"), TaskRef("one", "x")])] == ["first"]


def test_what_is_given_up() -> None:
    registry = Registry()
    registry.add([registration("t"), registration("t", "images")])
    registry.discard([registration("t"), registration("nothing"), registration("t", "nowhere")])
    assert registry.naming([TaskRef("one", "t")]) == [registration("t", "images")]
    assert registry.keeps(TaskRef("one", "t", "x"))
    assert not registry.keeps(TaskRef("one", None, "t"))


def test_who_asks_in_one_account_looks_at_no_group_of_another() -> None:
    """A thousand accounts with a group each: a task that any may have is asked for in a thousand ways."""
    registry = Registry()
    registry.add([registration("t", f"group-{number}", f"account-{number}") for number in range(1000)])
    with patch.object(registry, "of", wraps=registry.of) as looked:
        found = [each for number in range(1000) for each in registry.naming([TaskRef(f"account-{number}", "t")])]
    assert len(found) == looked.call_count == 1000


def test_items_say_what_the_group_says_where_they_say_nothing() -> None:
    own = registration("u", model="veo", labels=(("team", "trailers"),), submitted_at=7.0)
    plain = TaskLabels("one", "renders", "sora-2", (("team", "video"), ("tier", "gold")))
    narrowed = TaskLabels("one", "renders", "veo", (("team", "trailers"), ("tier", "gold")))
    items = list(items_of(GROUP, [registration("t"), own, registration("v")]))
    assert items == [
        Item(TaskRef("one", "t"), plain),
        Item(TaskRef("one", "u"), narrowed, 7.0),
        Item(TaskRef("one", "v"), plain),
    ]
    assert items[0].labels is items[2].labels, "thousands of tasks share one"


def test_another_accounts_registrations_are_passed_over() -> None:
    registry = Registry()
    registry.add([registration("t"), registration("u", account="two")])
    assert [item.ref.task_id for item in items_of(GROUP, registry.registered(GROUP))] == ["t"]


@pytest.mark.parametrize(
    ("group", "limit"),
    [
        ({}, 0),
        ({"api_config": ApiConfigSettings(7)}, 7),
        ({"callback_config": CallbackSettings(Path("s"))}, 0),
        ({"callback_config": CallbackSettings(Path("s"), register_unknown=True)}, 100_000),
        (
            {"api_config": ApiConfigSettings(7), "callback_config": CallbackSettings(Path("s"), register_unknown=True)},
            7,
        ),
    ],
)
def test_how_many_a_group_takes(group: dict[str, object], limit: int) -> None:
    assert registration_limit(GroupSettings("g", "one", **group)) == limit  # type: ignore[arg-type] # likewise
