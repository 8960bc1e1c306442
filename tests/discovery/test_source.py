"""What a listener hears of one refresh after the other, and where a reading happens."""

import gc

import pytest

from exporter.discovery.items import Items
from exporter.discovery.source import AT_ONCE, DiscoveryError, Reading, Refreshes, let_go
from exporter.settings.errors import ConfigError, Fault
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.threads import Threads
from tests.support.listening import Ears


def items(*ids: str) -> Items:
    return Items(Item(TaskRef("default", out_task_id=name), TaskLabels("default", "renders")) for name in ids)


NONE, ONE, TWO = items(), items("one"), items("two")


async def reading(found: Reading | Exception) -> Reading:
    if isinstance(found, Exception):
        raise found
    return found


async def test_a_list_is_told_when_it_is_new() -> None:
    ears = Ears()
    refreshes = Refreshes(ears, Threads())
    for found in (NONE, NONE, ONE, ONE, TWO, NONE):
        await refreshes.report(reading(Reading(found)))

    assert ears.lists == [NONE, ONE, TWO, NONE]
    assert ears.refreshes == 6


async def test_a_part_that_failed_spoils_the_refresh_but_not_the_list() -> None:
    ears = Ears()
    await Refreshes(ears, Threads()).report(reading(Reading(ONE, ("a: bad", "b: bad"))))

    assert (ears.lists, ears.failures, ears.refreshes) == ([ONE], [("a: bad", "b: bad")], 0)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (DiscoveryError("no connection"), "no connection"),
        (ConfigError([Fault("a", 1, "k", "is bad"), Fault("a", 2, "", "too")]), "a:1: k: is bad (and 1 more)"),
        (ZeroDivisionError("a secret"), "unforeseen ZeroDivisionError"),
    ],
)
async def test_a_reading_that_failed_changes_nothing(error: Exception, reason: str) -> None:
    ears = Ears()
    refreshes = Refreshes(ears, Threads())
    await refreshes.report(reading(Reading(ONE)))
    await refreshes.report(reading(error))
    await refreshes.report(reading(Reading(ONE)))

    assert (ears.lists, ears.failures, ears.refreshes) == ([ONE], [(reason,)], 2)


async def test_what_could_not_be_taken_is_told_again() -> None:
    ears = Ears()
    refreshes = Refreshes(ears, Threads())
    ears.is_deaf = True
    await refreshes.report(reading(Reading(ONE, ("a: bad",))))
    assert (ears.lists, ears.failures) == ([], [("the disk is gone",)])

    ears.is_deaf = False
    await refreshes.report(reading(Reading(ONE)))
    assert (ears.lists, ears.refreshes) == ([ONE], 1)


async def test_a_list_is_whole_from_the_first_refresh_that_was_good_in_every_part() -> None:
    ears = Ears()
    refreshes = Refreshes(ears, Threads())
    await refreshes.report(reading(Reading(ONE, ("a: bad",))))
    assert (ears.lists, ears.is_whole) == ([ONE], False)
    await refreshes.report(reading(DiscoveryError("no connection")))
    await refreshes.report(reading(Reading(TWO, ("a: bad",))))
    assert (ears.lists, ears.is_whole) == ([ONE, TWO], False)

    await refreshes.report(reading(Reading(TWO)))
    assert (ears.lists, ears.is_whole) == ([ONE, TWO, TWO], True), "now it tells what there is not"
    await refreshes.report(reading(Reading(NONE, ("a: bad again",))))
    assert (ears.lists, ears.is_whole) == ([ONE, TWO, TWO, NONE], True)


async def test_a_list_that_was_not_taken_is_not_whole_either() -> None:
    ears = Ears()
    refreshes = Refreshes(ears, Threads())
    ears.is_deaf = True
    await refreshes.report(reading(Reading(ONE)))
    ears.is_deaf = False
    await refreshes.report(reading(Reading(ONE, ("a: bad",))))

    assert (ears.lists, ears.is_whole) == ([ONE], False)


async def test_a_long_list_that_is_over_is_let_go() -> None:
    ears = Ears()
    refreshes = Refreshes(ears, Threads())
    many = items(*(f"t{number}" for number in range(AT_ONCE + 1)))
    labels = many[-1].labels
    await refreshes.report(reading(Reading(many)))
    del many
    ears.lists.clear()
    await refreshes.report(reading(Reading(ONE)))

    assert ears.lists == [ONE]
    assert not [found for found in gc.get_referrers(labels) if isinstance(found, Item)], "nobody holds them any more"


async def test_what_a_source_has_read_is_freed_when_it_has_ended() -> None:
    ears, many = Ears(), items(*(f"t{number}" for number in range(AT_ONCE + 1)))
    let_go([many, ONE])

    await ears.until(lambda: not many)
    assert len(ONE) == 1, "a short one is left to whoever has held it"
