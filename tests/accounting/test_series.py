"""Series, and the increments that events make of them."""

import pytest

from exporter.accounting.series import SHARED, SHOWN, SUM, Increments, Series, is_part, labels_of, shared

LABELS = labels_of(group="g", account="a")


def test_events_of_one_series_have_the_very_same_object() -> None:
    counted = [Increments().count("f", labels_of(account="a", group="g")) for _ in range(2)]
    observed = [Increments().observe("h", labels_of(account="a", group="g"), 3.0, (1.0, 5.0)) for _ in range(2)]

    assert counted[0] is counted[1]
    assert observed[0] is observed[1]
    assert (counted[0], observed[0]) == (Series("f", LABELS), Series("h", LABELS, "le:5"))


def test_an_observation_adds_to_the_sum_and_to_one_bucket() -> None:
    increments = Increments()
    for value in (0.5, 1.0, 7.0):
        increments.observe("h", LABELS, value, (1.0, 5.0))

    of = {Series("h", LABELS, part): number for part, number in ((SUM, 8.5), ("le:1", 2.0), ("le:inf", 1.0))}
    assert increments == of


def test_more_series_than_are_remembered_count_all_the_same() -> None:
    increments = Increments()
    for _ in range(2):
        for number in range(SHARED + 10):
            increments.count("f", labels_of(number=str(number)))

    assert len(increments) == SHARED + 10
    assert set(increments.values()) == {2.0}
    shared.cache_clear()


@pytest.mark.parametrize("text", ["", SUM, SHOWN, "le:0.5", "le:30", "le:inf"])
def test_what_is_a_part(text: str) -> None:
    assert is_part(text)


@pytest.mark.parametrize("text", ["le:", "le:abc", "le:nan", "le:-1", "30", "count"])
def test_what_is_no_part(text: str) -> None:
    assert not is_part(text)
