"""Who makes room for whom, and how many there may be."""

import resource
from itertools import count

import pytest

from exporter.metrics.traffic import Ending
from exporter.web.places import (
    CONNECTIONS,
    FEWEST,
    HELD_BYTES,
    KEPT,
    Capacity,
    Phase,
    Places,
    capacity,
)


class Somebody:
    """A connection that remembers how it was treated."""

    def __init__(self, unread: int = 0) -> None:
        self.unread = unread
        self.ended: Ending | None = None

    def cut(self, why: Ending) -> None:
        self.ended = why

    def shutdown(self) -> None:
        raise AssertionError("nobody stops")


def filled(
    *phases: Phase, most: int | None = None, kept: int = 0, seconds: float = 60.0
) -> tuple[Places, list[Somebody]]:
    """Places that are all taken, one by a connection in each of these phases; they came so many seconds apart."""
    most = len(phases) if most is None else most
    times = count(0.0, seconds)
    places = Places(lambda: Capacity(most, most + kept), now=lambda: next(times))
    guests = [Somebody() for _ in phases]
    for guest, phase in zip(guests, phases, strict=True):
        places.move(guest, phase)
    return places, guests


def test_nobody_leaves_while_there_is_room() -> None:
    places, [guest] = filled(Phase.HEAD, most=2)
    assert places.make_room()
    assert guest.ended is None
    assert len(places) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Phase.CLOSING, Phase.HEAD),
        (Phase.HEAD, Phase.IDLE),
        (Phase.IDLE, Phase.BODY),
        (Phase.BODY, Phase.WRITING),
        (Phase.WRITING, Phase.WORK),
    ],
)
def test_who_has_done_least_for_it_makes_room(first: Phase, second: Phase) -> None:
    places, [later, sooner] = filled(second, first)
    assert places.make_room()
    assert (sooner.ended, later.ended) == (Ending.EVICTED, None)
    assert places.guests == (later,)


def test_of_equals_the_one_that_has_waited_longest_makes_room() -> None:
    places, [first, second] = filled(Phase.IDLE, Phase.IDLE)
    places.move(first, Phase.WORK)
    places.move(first, Phase.IDLE)
    assert places.make_room()
    assert (second.ended, first.ended) == (Ending.EVICTED, None)


def test_whoever_has_only_just_come_has_a_moment_to_ask() -> None:
    """Else those who do not read would keep everybody out: they have asked, which newcomers have not yet."""
    places, [reader, newcomer] = filled(Phase.WRITING, Phase.HEAD, seconds=0.1)
    assert places.make_room()
    assert (reader.ended, newcomer.ended) == (Ending.EVICTED, None)


def test_what_is_worked_on_makes_no_room_but_some_places_are_kept() -> None:
    places, guests = filled(Phase.WORK, Phase.WORK, kept=1)
    assert places.make_room()
    last = Somebody()
    places.move(last, Phase.WORK)
    assert places.is_crowded
    assert not places.make_room()
    assert all(guest.ended is None for guest in guests)
    places.leave(last)
    assert places.make_room()


def test_it_may_leave_twice() -> None:
    places, [guest] = filled(Phase.WORK)
    places.leave(guest)
    places.leave(guest)
    assert len(places) == 0


def test_what_readers_leave_unread_is_bounded_and_those_who_do_so_longest_are_given_up() -> None:
    places, _ = filled(most=10)
    readers = [Somebody(unread=HELD_BYTES // 2) for _ in range(3)]
    for reader in readers:
        places.move(reader, Phase.WRITING)
    assert [reader.ended for reader in readers] == [Ending.WRITE_TIMEOUT, None, None]


@pytest.mark.parametrize(
    ("descriptors", "upstream", "expected"),
    [
        (resource.RLIM_INFINITY, 2, Capacity(CONNECTIONS, CONNECTIONS + KEPT)),
        (65_536, 2, Capacity(CONNECTIONS, CONNECTIONS + KEPT)),
        (1024, 700, Capacity(276 - KEPT, 276)),
        (256, 8, Capacity(200 - KEPT, 200)),
        (100, 2, Capacity(50 - 12, 50)),
        (64, 2, Capacity(FEWEST - FEWEST // 4, FEWEST)),
    ],
)
def test_descriptors_limit_connections(
    monkeypatch: pytest.MonkeyPatch, descriptors: int, upstream: int, expected: Capacity
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (descriptors, descriptors))
    assert capacity(upstream=upstream) == expected
