"""Who lives, and who has this process's name."""

from exporter.replicas.lease import PATIENCE, Member
from exporter.replicas.membership import Membership

LEASE = 15.0
SELF, OTHER = "one/15000/self", "one/15000/other"


def seen(membership: Membership, now: float, **beats: int) -> Membership:
    named = {"other": OTHER, "two": "two/15000/x", "self": SELF}
    membership.see({named[name]: Member(named[name], "", beat) for name, beat in beats.items()}, now=now)
    return membership


def test_the_process_before_this_one_is_no_namesake_while_its_row_is_there() -> None:
    membership = Membership(SELF, lease=LEASE)
    for now in range(5):
        assert not seen(membership, now, self=now, other=7).has_namesake


def test_another_replica_is_none_whatever_it_does() -> None:
    membership = Membership(SELF, lease=LEASE)
    for now in range(5):
        assert not seen(membership, now, self=now, two=now).has_namesake


def test_one_of_the_same_name_is_at_work_from_its_next_beat_until_it_cannot_be_alive() -> None:
    membership = Membership(SELF, lease=LEASE)
    assert not seen(membership, 0.0, self=0, other=1).has_namesake, "it may have stopped just before"
    assert seen(membership, 1.0, self=1, other=2).has_namesake
    assert seen(membership, 2.0, self=2, other=2).has_namesake, "it beats every third of a lease"
    assert not seen(membership, 1.0 + PATIENCE * LEASE, self=3, other=2).has_namesake


def test_one_that_has_left_is_gone_at_once() -> None:
    membership = seen(seen(Membership(SELF, lease=LEASE), 0.0, other=1), 1.0, other=2)
    assert membership.has_namesake
    assert not seen(membership, 2.0, self=1).has_namesake
