"""One replica among others when nothing goes wrong, or one thing: what is promised of times, and whom it tells."""

from random import Random

import pytest

from exporter.replicas.balance import OFFERED, REFUSED
from exporter.replicas.lease import PATIENCE, LeaseError, patience_with
from exporter.replicas.replica import Replica
from exporter.replicas.steps import Renew, Renewed, Take, Taken
from tests.replicas.model_store import Database, ModelStore
from tests.replicas.world import LEASE, SCRAPE_TIMEOUT, Process, Way, World

SIX = tuple(f"account-{number}" for number in range(6))


class Heard:
    """Notes what a replica tells."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def gained(self, account: str) -> None:
        self.said.append(f"gained {account}")

    def leaving(self, account: str) -> None:
        self.said.append(f"leaving {account}")

    def lost(self, account: str) -> None:
        self.said.append(f"lost {account}")


class Alone:
    """A replica and a store, and a hand that moves the clock."""

    def __init__(self, *accounts: str) -> None:
        self.now = 1000.0
        self.heard = Heard()
        self.store = ModelStore(Database())
        self.replica = Replica("one", url="", accounts=accounts, random=Random(1), lease=LEASE)
        self.replica.subscribe(self.heard)

    def run(self, seconds: float = 1.0) -> None:
        """Answer everything that it asks, for so long."""
        until = self.now + seconds
        while self.now <= until:
            while (step := self.replica.next_step(now=self.now)) is not None:
                try:
                    self.replica.answered(step, step.ask(self.store), now=self.now)
                except LeaseError:
                    self.replica.failed(step, now=self.now)
            self.now += 0.1


def owners(world: World) -> dict[str, int]:
    """Which process owns each account that anybody owns."""
    return {
        account: process.number
        for account in world.accounts
        for process in world.alive
        if process.replica.owns(account, now=process.now)
    }


def settled(*, accounts: tuple[str, ...] = SIX, processes: int = 3) -> World:
    world = World(accounts, (1.0,) * processes, Random(3))
    world.run(8 * LEASE)
    return world


def one_with_accounts(world: World) -> Process:
    return world.processes[owners(world)[world.accounts[0]]]


def test_another_owner_is_known_until_it_cannot_be_alive() -> None:
    one = Alone("blue", "green", "red")
    store = ModelStore(one.store.database)
    store.renew("two/15000/00", "http://two:9877", {})
    for account, owner in (("blue", "two/15000/00"), ("green", "unheard-of/15000/00")):
        store.enrol([account])
        store.take(owner, store.look([account]).leases[account])
    assert one.replica.other_owner("blue", now=one.now) is None, "nothing has been seen yet"

    one.run(2.0)
    found = {account: one.replica.other_owner(account, now=one.now) for account in ("blue", "green", "red", "no such")}
    urls = {account: (member.owner, member.url) for account, member in found.items() if member}
    assert urls == {"blue": ("two/15000/00", "http://two:9877"), "green": ("unheard-of/15000/00", "")}
    assert one.replica.owns("red", now=one.now)

    one.store.database.is_down = True
    one.run(PATIENCE * LEASE)
    assert one.replica.other_owner("blue", now=one.now) is None, "it has not been heard of for too long"


def test_something_follows_from_each_look_however_long_it_takes_to_see_what() -> None:
    """A thousand accounts on a machine that is busy: the next look is due before the last one has been understood."""
    one = Alone("blue", "green", "red")
    for _ in range(12):
        step = one.replica.next_step(now=one.now)
        assert step is not None
        one.replica.answered(step, step.ask(one.store), now=one.now)
        one.now += 2.0
    assert sorted(one.heard.said) == ["gained blue", "gained green", "gained red"]


# ---- among others ----------------------------------------------------------------------------------------------------


def test_each_has_its_share() -> None:
    assert sorted(owners(settled()).values()) == [0, 0, 1, 1, 2, 2]


def test_who_stops_hands_over_within_a_second_and_a_half_of_its_last_request() -> None:
    """Requests are let come back first: here they take four seconds each."""
    world = settled()
    leaver = one_with_accounts(world)

    leaver.replica.drain()
    world.run(4.0 + 1.5)

    assert leaver.replica.is_drained
    assert set(owners(world)) == set(SIX)
    assert leaver.number not in owners(world).values()


def test_who_dies_is_followed_after_its_lease() -> None:
    world = settled()
    died = one_with_accounts(world)
    its_accounts = {account for account, number in owners(world).items() if number == died.number}

    world.kill(died)
    world.run(LEASE - 5.5)  # it had renewed five seconds ago at most
    assert not its_accounts & owners(world).keys()
    world.run(PATIENCE * LEASE - LEASE + 5.5 + 1.0)
    assert set(owners(world)) == set(SIX)


def test_who_comes_gets_its_share_and_then_nothing_moves() -> None:
    world = settled(processes=2)
    world.processes.append(Process(world, 2, 1.0))

    world.run(6 * LEASE)
    assert sorted(owners(world).values()) == [0, 0, 1, 1, 2, 2]
    changes = world.changes
    world.run(4 * LEASE)
    assert world.changes == changes


def test_what_the_others_cannot_take_is_taken_beyond_the_share() -> None:
    """One of two lives, and never takes anything: its configuration has no accounts, perhaps."""
    world = settled(processes=2)
    world.processes[1].replica.drain()
    world.run(LEASE)
    idle = world.processes[1]
    idle.start()
    idle.replica.configure(())

    world.run(10 * LEASE)
    assert set(owners(world).values()) == {0}
    changes = world.changes
    world.run(6 * LEASE)
    assert world.changes <= changes + 4, "what nobody takes must not be offered again and again"


def test_what_nobody_takes_comes_back_soon_and_is_offered_again_later() -> None:
    """One of two lives, and hears no answer for a while: it takes nothing, and can again afterwards."""
    world = settled(accounts=("blue", "green"), processes=1)
    world.processes.append(Process(world, 1, 1.0, way=Way.MUTE))

    unowned = 0.0
    for _ in range(round(REFUSED * LEASE)):
        world.run(1.0)
        unowned += len(owners(world)) < 2
    assert unowned <= (OFFERED + 0.2) * LEASE

    world.processes[1].way = Way.GOOD
    world.run((REFUSED + 4) * LEASE)
    assert sorted(owners(world).values()) == [0, 1]


# ---- one alone -------------------------------------------------------------------------------------------------------


def test_one_alone_owns_everything_at_once() -> None:
    alone = Alone("blue", "green")

    alone.run()

    assert sorted(alone.heard.said) == ["gained blue", "gained green"]
    assert alone.replica.may_send("blue", 9.0, now=alone.now)


def test_nothing_is_sent_that_may_outlive_the_lease() -> None:
    alone = Alone("blue")
    alone.run()
    deadline = alone.replica.deadline("blue")
    assert deadline is not None

    assert alone.replica.may_send("blue", 4.0, now=deadline - 4.0)
    assert not alone.replica.may_send("blue", 4.0, now=deadline - 3.9)
    assert alone.replica.owns("blue", now=deadline - 0.1)
    assert not alone.replica.owns("blue", now=deadline)


def test_a_new_owner_is_quiet_until_no_scrape_can_be_older_than_it() -> None:
    alone = Alone("blue")
    began = alone.now
    alone.run(2 * SCRAPE_TIMEOUT)

    assert not alone.replica.may_show("blue", SCRAPE_TIMEOUT, now=began + SCRAPE_TIMEOUT)
    assert alone.replica.may_show("blue", SCRAPE_TIMEOUT, now=began + PATIENCE * SCRAPE_TIMEOUT + 1.0)


def test_a_store_that_is_away_costs_requests_but_no_ownership() -> None:
    alone = Alone("blue")
    alone.run()
    fence = alone.replica.fence("blue")
    alone.store.database.is_down = True
    alone.run(2 * LEASE)
    assert not alone.replica.owns("blue", now=alone.now)

    alone.store.database.is_down = False
    alone.run()

    assert alone.replica.owns("blue", now=alone.now)
    assert alone.replica.fence("blue") == fence
    assert alone.heard.said == ["gained blue"]


def test_a_lease_that_somebody_else_has_is_lost_at_the_next_look() -> None:
    alone = Alone("blue")
    alone.run()
    row = alone.store.database.rows["blue"]
    row.owner, row.epoch = "other/15000/00", row.epoch + 1

    alone.run()

    assert alone.heard.said == ["gained blue", "lost blue"]
    assert alone.replica.fence("blue") is None


def test_a_lease_that_a_fence_refused_is_lost_at_once() -> None:
    alone = Alone("blue")
    alone.run()
    fence = alone.replica.fence("blue")
    assert fence is not None

    alone.replica.refused(fence)
    alone.replica.refused(fence)

    assert alone.heard.said == ["gained blue", "lost blue"]


def test_a_number_is_used_once() -> None:
    alone = Alone("blue")
    alone.run()
    first = alone.replica.fence("blue")
    assert first is not None

    alone.replica.committed(first)
    alone.replica.committed(first)  # told twice

    second = alone.replica.fence("blue")
    assert second is not None
    assert (first.batch, second.batch) == (0, 1)


def test_an_account_that_is_not_configured_any_more_is_let_go() -> None:
    alone = Alone("blue", "green")
    alone.run()

    alone.replica.configure(("green",))
    assert not alone.replica.may_send("blue", 0.0, now=alone.now)
    assert alone.replica.fence("blue") is not None  # what is known may still be committed
    alone.replica.let_go("blue")
    alone.run()

    assert alone.store.database.rows["blue"].owner is None
    assert alone.heard.said[2:] == ["leaving blue", "lost blue"]


def test_what_stays_is_renewed_however_long_it_takes_to_release_the_others() -> None:
    """As where a reload takes a hundred accounts away, and the database is far."""
    gone = tuple(f"gone-{number}" for number in range(20))
    one = Alone("stays", *gone)
    one.run(3.0)
    one.replica.configure(["stays"])
    for account in gone:
        one.replica.let_go(account)
    for _ in range(40):
        step = one.replica.next_step(now=one.now)
        if step is not None:
            answer = step.ask(one.store)
            one.now += LEASE / 10
            one.replica.answered(step, answer, now=one.now)
        assert one.replica.owns("stays", now=one.now)
        one.now += 0.1
    assert {lease.owner for lease in one.store.look(gone).leases.values()} == {None}


def test_who_does_not_let_go_loses_it_in_time() -> None:
    alone = Alone("blue")
    alone.run()
    alone.replica.drain()

    alone.run(LEASE)

    assert alone.heard.said == ["gained blue", "leaving blue", "lost blue"]
    assert alone.replica.is_drained


def test_what_was_taken_without_an_answer_is_given_back_and_taken_again() -> None:
    alone = Alone("blue")
    while not isinstance(step := alone.replica.next_step(now=alone.now), Take):
        assert step is not None
        alone.replica.answered(step, step.ask(alone.store), now=alone.now)
    step.ask(alone.store)
    alone.replica.failed(step, now=alone.now)

    alone.run(2.0)

    assert alone.store.database.rows["blue"].epoch == 2
    assert alone.replica.owns("blue", now=alone.now)


def test_an_answer_counts_once_and_only_while_it_is_waited_for() -> None:
    alone = Alone("blue")
    alone.run()
    alone.now += LEASE / 2
    step = alone.replica.next_step(now=alone.now)
    assert isinstance(step, Renew)
    answer = step.ask(alone.store)
    alone.replica.failed(step, now=alone.now)
    before = alone.replica.deadline("blue")

    alone.replica.answered(step, answer, now=alone.now)

    assert isinstance(answer, Renewed)
    assert alone.replica.deadline("blue") == before


def test_who_is_stopped_while_it_takes_gives_it_back() -> None:
    alone = Alone("blue")
    while not isinstance(step := alone.replica.next_step(now=alone.now), Take):
        assert step is not None
        alone.replica.answered(step, step.ask(alone.store), now=alone.now)
    answer = step.ask(alone.store)
    assert isinstance(answer, Taken)
    alone.replica.drain()

    alone.replica.answered(step, answer, now=alone.now)
    alone.run()

    assert alone.heard.said == []
    assert alone.store.database.rows["blue"].owner is None
    assert alone.replica.is_drained


# ---- how long to wait ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("owner", "seconds"),
    [
        (None, 18.0),
        ("replica-0/15000/00ff", 18.0),
        ("replica-0/30000/00ff", 36.0),  # that one counts on more
        ("replica-0/5000/00ff", 18.0),
        ("a/name/with/strokes/60000/00ff", 72.0),
        ("written by something else", 18.0),
        ("of/another/kind", 18.0),
    ],
)
def test_one_waits_as_long_as_the_owner_counts_on_its_lease(owner: str | None, seconds: float) -> None:
    assert patience_with(owner, lease=15.0) == pytest.approx(seconds)
