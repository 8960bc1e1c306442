"""Items that stand elsewhere are read by the rules of static_configs, whatever they say."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from exporter.settings import targets
from exporter.settings.checks import Complaint, check_item
from exporter.settings.load import narrowed, validated
from exporter.settings.model import TargetSettings
from exporter.settings.targets import MAX_KEYS, TargetReader

INHERITED = TargetSettings(model="sora-2-pro", labels=(("team", "video"),))
DECLARED = frozenset({"team", "tier"})


def read_whole(item: object) -> TargetSettings | list[Complaint]:
    """An item read as the configuration reads its own, in one go: what reading it bit by bit must come to."""
    wrong: list[Complaint] = []
    target = validated(TypeAdapter(TargetSettings), TargetSettings, item, wrong, path=(0,))
    if isinstance(item, Mapping):
        wrong += check_item((0,), item, DECLARED)
    return wrong if wrong or target is None else narrowed(target, INHERITED.model, INHERITED.labels)


def in_any_order(read: TargetSettings | list[Complaint]) -> object:
    """All faults of an item stand in one place, or have an order of their own by where they stand."""
    return read if isinstance(read, TargetSettings) else sorted(read, key=str)


TEXT = st.sampled_from(
    ["", "a", "b", "task_1", "a b", "a\nb", "..", "%2e", "sk-byts-0123456789", "x" * 201, "2026-05-25T08:30:00Z", "é"]
)
ANY = st.recursive(
    TEXT | st.none() | st.booleans() | st.integers(0, 2) | st.floats(0, 2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
IDS = st.lists(TEXT, max_size=4) | ANY
LABELS = st.dictionaries(st.sampled_from(["team", "tier", "x"]), TEXT, max_size=3) | ANY
ITEMS = (
    st.fixed_dictionaries(
        {},
        optional={
            "task_ids": IDS,
            "out_task_ids": IDS,
            "model": TEXT | ANY,
            "labels": LABELS,
            "submitted_at": TEXT | ANY,
            "tsk": ANY,
        },
    )
    | ANY
)


@given(st.lists(ITEMS, max_size=5))
def test_an_item_is_read_as_the_configuration_reads_its_own(items: list[object]) -> None:
    reader = TargetReader(INHERITED, DECLARED)

    for item in items:
        assert in_any_order(reader.read(item, at=0, most_faults=1000)) == in_any_order(read_whole(item))


def test_what_items_say_besides_their_ids_is_checked_once() -> None:
    reader = TargetReader(INHERITED, DECLARED)
    read = [
        reader.read({"task_ids": [f"t{number}"], "labels": {"tier": "gold"}}, at=number, most_faults=9)
        for number in range(3)
    ]

    assert [target.task_ids for target in read if isinstance(target, TargetSettings)] == [("t0",), ("t1",), ("t2",)]
    assert len({id(target.labels) for target in read if isinstance(target, TargetSettings)}) == 1


def test_not_everything_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "REMEMBERED", 2)
    reader = TargetReader(INHERITED, DECLARED)
    for model in ("a", "b", "c", "a", "c"):
        target = reader.read({"task_ids": ["t"], "model": model}, at=0, most_faults=9)
        assert isinstance(target, TargetSettings)
        assert target.model == model


def test_an_item_of_too_many_keys_is_told_so_and_no_more() -> None:
    many = dict.fromkeys(map(str, range(MAX_KEYS + 1)), "x")
    reader = TargetReader(INHERITED, DECLARED)

    assert reader.read(many, at=3, most_faults=9) == [((3,), f"has more than {MAX_KEYS} keys")]
    assert reader.read({"task_ids": ["a b"], "labels": many}, at=3, most_faults=9) == [
        ((3, "labels"), f"has more than {MAX_KEYS} keys")
    ]


@pytest.mark.parametrize("ids", [["a b"] * 1000, ["a"] * 1000], ids=["no ids", "the same"])
def test_the_faults_of_one_item_are_bounded(ids: list[str]) -> None:
    found = TargetReader(INHERITED, DECLARED).read({"task_ids": ids, "out_task_ids": ids}, at=0, most_faults=9)

    assert isinstance(found, list)
    assert 9 <= len(found) <= 30
