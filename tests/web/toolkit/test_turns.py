"""Who waits for a turn, and who has to go where too many do."""

from exporter.web.toolkit.turns import Turns


def taken(turns: Turns[str]) -> list[str]:
    return [turns.take() for _ in range(len(turns))]


def test_addresses_take_turns_and_first_comes_first_of_each() -> None:
    turns = Turns[str](most=10)
    for address, item in (("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1"), ("b", "b2"), ("c", "c1")):
        assert turns.join(address, item) is None

    assert taken(turns) == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_who_has_come_last_of_the_largest_crowd_goes_for_one_too_many() -> None:
    turns = Turns[str](most=3)
    for item in ("a1", "a2", "a3"):
        turns.join("a", item)

    assert turns.join("a", "a4") == "a4"
    assert turns.join("b", "b1") == "a3"
    assert turns.join("b", "b2") == "b2"
    assert taken(turns) == ["a1", "b1", "a2"]


def test_none_may_wait_where_there_is_no_room_at_all() -> None:
    turns = Turns[str](most=0)

    assert turns.join("a", "a1") == "a1"
    assert not turns
