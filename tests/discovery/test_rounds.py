"""What a listener hears of one refresh after the other."""

import pytest

from exporter.discovery.errors import DiscoveryError
from exporter.discovery.rounds import Found, Rounds
from exporter.settings.errors import ConfigError, Fault
from exporter.settings.model import TargetSettings
from tests.support.listening import Ears

ONE = (TargetSettings(task_ids=("one",)),)
TWO = (TargetSettings(task_ids=("two",)),)


async def reading(found: Found | Exception) -> Found:
    if isinstance(found, Exception):
        raise found
    return found


async def test_a_list_is_told_when_it_is_new() -> None:
    ears = Ears()
    rounds = Rounds(ears)
    for targets in ((), (), ONE, ONE, TWO, ()):
        await rounds.take(reading(Found(targets)))

    assert ears.lists == [(), ONE, TWO, ()]
    assert ears.refreshes == 6


async def test_a_part_that_failed_spoils_the_refresh_but_not_the_list() -> None:
    ears = Ears()
    await Rounds(ears).take(reading(Found(ONE, ("a: bad", "b: bad"))))

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
    rounds = Rounds(ears)
    await rounds.take(reading(Found(ONE)))
    await rounds.take(reading(error))
    await rounds.take(reading(Found(ONE)))

    assert (ears.lists, ears.failures, ears.refreshes) == ([ONE], [(reason,)], 2)


async def test_what_could_not_be_taken_is_told_again() -> None:
    ears = Ears()
    rounds = Rounds(ears)
    ears.is_deaf = True
    await rounds.take(reading(Found(ONE, ("a: bad",))))
    assert (ears.lists, ears.failures) == ([], [("the disk is gone",)])

    ears.is_deaf = False
    await rounds.take(reading(Found(ONE)))
    assert (ears.lists, ears.refreshes) == ([ONE], 1)
