"""The protocol under every fault there is, as a state machine for hypothesis: each rule is one turn of bad luck."""

from random import Random

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from exporter.replicas.balance import REFUSED
from exporter.replicas.replica import Replica
from tests.replicas.model_store import Database, ModelStore
from tests.replicas.world import LEASE, Way, World

ACCOUNTS = ("blue", "green")
PROCESSES = 3

SLOWEST, FASTEST = 11 / 12, 13 / 12
"""How far NTP may slew a clock."""

HEAD_START = 45.0
"""So many seconds nothing goes wrong at first: otherwise hardly anything would be owned."""

SETTLING = (REFUSED + 8) * LEASE
"""So many seconds after the last fault everything is owned, and in its place."""

processes = st.integers(0, PROCESSES - 1)
accounts = st.sampled_from(ACCOUNTS)
times = st.sampled_from((0.5, 5.0, 12.0, 16.0, 20.0))


class Protocol(RuleBasedStateMachine):
    """A world of the parts that are tested; a mutant names others."""

    replica_type: type[Replica] = Replica
    store_type: type[ModelStore] = ModelStore
    database_type: type[Database] = Database

    world: World

    @initialize(rates=st.permutations((SLOWEST, 1.0, FASTEST)), seed=st.integers(0, 2**32))
    def begin(self, rates: list[float], seed: int) -> None:
        self.world = World(
            ACCOUNTS,
            tuple(rates),
            Random(seed),
            replica_type=self.replica_type,
            store_type=self.store_type,
            database_type=self.database_type,
        )
        self.world.run(HEAD_START)

    @rule(seconds=times)
    def time_passes(self, seconds: float) -> None:
        self.world.run(seconds)

    @rule(number=processes, rate=st.sampled_from((SLOWEST, FASTEST)), seconds=times)
    def a_clock_is_slewed(self, number: int, rate: float, seconds: float) -> None:
        self.world.processes[number].set_rate(rate)
        self.world.run(seconds)

    # ---- the way to the store ----------------------------------------------------------------------------------------

    @rule(number=processes, way=st.sampled_from(Way), seconds=times)
    def the_way_changes(self, number: int, way: Way, seconds: float) -> None:
        self.world.processes[number].way = way
        self.world.run(seconds)

    @rule(number=processes, way=st.sampled_from(Way), seconds=times)
    def the_way_gets_bad_and_ends(self, number: int, way: Way, seconds: float) -> None:
        """Old answers are all that comes through at last."""
        process = self.world.processes[number]
        process.way = way
        self.world.run(seconds)
        process.way = Way.CUT
        self.world.run(LEASE * 2 / 3)
        self.world.repeat_old_answers(process)
        self.world.run(LEASE)
        process.way = Way.GOOD

    @rule(number=processes, seconds=times)
    def old_answers_come(self, number: int, seconds: float) -> None:
        self.world.repeat_old_answers(self.world.processes[number])
        self.world.run(seconds)

    @rule()
    def what_was_given_up_is_done(self) -> None:
        self.world.do_what_is_adrift()

    @rule(number=processes, are_lost=st.booleans(), seconds=times)
    def answers_of_commits_are_lost(self, number: int, *, are_lost: bool, seconds: float) -> None:
        self.world.processes[number].loses_commits = are_lost
        self.world.run(seconds)

    @rule(is_down=st.booleans(), seconds=times)
    def the_database_fails_over(self, *, is_down: bool, seconds: float) -> None:
        self.world.end_transactions()
        self.world.database.is_down = is_down
        self.world.run(seconds)

    # ---- processes ---------------------------------------------------------------------------------------------------

    @rule(number=processes, is_paused=st.booleans(), seconds=times)
    def it_stops_or_goes_on(self, number: int, *, is_paused: bool, seconds: float) -> None:
        self.world.processes[number].is_paused = is_paused
        self.world.run(seconds)

    @rule(number=processes, account=accounts, seconds=times)
    def it_stops_before_it_sends(self, number: int, account: str, seconds: float) -> None:
        self.world.pause_before_sending(self.world.processes[number], account)
        self.world.run(seconds)

    @rule(number=processes, account=accounts, seconds=times)
    def it_stops_in_a_transaction(self, number: int, account: str, seconds: float) -> None:
        self.world.pause_in_transaction(self.world.processes[number], account)
        self.world.run(seconds)

    @rule(number=processes, seconds=times)
    def it_is_killed_and_starts_again(self, number: int, seconds: float) -> None:
        self.world.restart(self.world.processes[number])
        self.world.run(seconds)

    @rule(number=processes)
    def it_is_stopped_and_starts_again(self, number: int) -> None:
        process = self.world.processes[number]
        process.replica.drain()
        self.world.run(6.0)
        self.world.restart(process)

    # ---- what has to be so -------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        """Once faults stop: everything counted once, everything owned, and nothing handed about any more."""
        if not hasattr(self, "world"):
            return
        world = self.world
        world.heal()
        world.run(SETTLING)
        world.check_commits()
        world.check_that_all_is_owned()
        changes = world.changes
        world.run(2 * LEASE)
        assert world.changes == changes, "accounts are handed about though nothing happens"
