"""What goes wrong in a run, when, and to which replica: drawn from a seed, so that a run can be told again. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

SECONDS, SEED, REPLICAS = 600.0, 13, 3


class Fault(StrEnum):
    """What can go wrong: with one replica's process, with its way to the database, with the database of all."""

    KILL = "kill -9"
    STOP = "SIGSTOP"
    STOP_IN_TRANSACTION = "SIGSTOP within a transaction"
    TERM = "SIGTERM"
    SWALLOW = "answers of COMMIT are lost"
    DELAY = "the way to the database is slow"
    TERMINATE = "every session is ended"
    RESTART = "PostgreSQL is restarted, immediate"
    FAIL_OVER = "PostgreSQL fails over, its standby takes no writes yet"
    FULL = "PostgreSQL's disk is full"
    UPGRADE = "a rolling upgrade: newer tables, then one replica after the other"

    @property
    def is_of_process(self) -> bool:
        """Whether it stops one replica, which then has to be started again or to go on."""
        return self in (Fault.KILL, Fault.STOP, Fault.STOP_IN_TRANSACTION, Fault.TERM)

    @property
    def is_of_replica(self) -> bool:
        """Whether it meets one replica alone."""
        return self.is_of_process or self in (Fault.SWALLOW, Fault.DELAY)


@dataclass(frozen=True, slots=True)
class Turn:
    """One fault: when (seconds from the start), how long it lasts, and whom it meets."""

    at: float
    fault: Fault
    replica: int
    lasts: float

    @property
    def end(self) -> float:
        return self.at + self.lasts

    def __str__(self) -> str:
        whom = f"replica {self.replica}: " if self.fault.is_of_replica else ""
        lasting = f", {self.lasts:.1f} s" if self.lasts else ""
        return f"{self.at:5.0f}s {whom}{self.fault}{lasting}"


@dataclass(frozen=True, slots=True)
class Plan:
    """``seconds`` are those with faults, after the start and before everything settles; the lease is in seconds.

    Of each account ``arrivals`` tasks a second come, which live ``life`` seconds at most. They ask for a little more
    than the account's limits allow, so that both limits are what holds.
    """

    seconds: float = SECONDS
    seed: int = SEED
    accounts: int = 6
    replicas: int = REPLICAS
    lease: float = 3.0
    timeout: float = 1.5
    in_flight: int = 2
    rate: float = 5.0
    arrivals: int = 1
    life: float = 8.0
    answer_after: float = 0.25
    start_seconds: float = 120.0
    settle_seconds: float = 180.0

    @property
    def roll(self) -> float:
        """Seconds from one replica to the next of a rolling upgrade."""
        return 2 * self.lease

    @property
    def names(self) -> tuple[str, ...]:
        """Of the accounts."""
        return tuple(f"account-{number}" for number in range(self.accounts))

    def turns(self) -> Iterator[Turn]:
        """Faults until the time is over, all kinds again and again; a process has one fault of its own at a time.

        Some begin before the last one has ended: two replicas may be away at once, and the database as well.
        """
        random = Random(self.seed)
        at, free_at, deck = self.lease, [0.0] * self.replicas, list[Fault]()
        while True:
            deck = deck or random.sample(list(Fault), len(Fault))
            fault, replica = deck.pop(), random.randrange(self.replicas)
            stopped = self._stopped(fault, replica)
            at = max(at, *(free_at[each] for each in stopped), 0.0)
            turn = Turn(at, fault, replica, self._lasting(fault, random))
            if turn.end > self.seconds:
                return
            yield turn
            for each in stopped:  # a process that has just started must come to something
                free_at[each] = turn.end + 2 * self.lease
            at += self.lease * random.uniform(0.5, 3.0)

    def _stopped(self, fault: Fault, replica: int) -> Sequence[int]:
        """The replicas whose processes do not run all the time."""
        if fault is Fault.UPGRADE:
            return range(self.replicas)
        return (replica,) if fault.is_of_process else ()

    def _lasting(self, fault: Fault, random: Random) -> float:
        match fault:
            case Fault.KILL | Fault.TERM:
                return self.lease * random.uniform(0.1, 1.5)
            case Fault.STOP | Fault.STOP_IN_TRANSACTION:
                return self.lease * random.uniform(1.1, 2.5)
            case Fault.SWALLOW | Fault.DELAY | Fault.FAIL_OVER | Fault.FULL:
                return self.lease * random.uniform(1.0, 2.5)
            case Fault.UPGRADE:
                return self.replicas * self.roll
        return 0.0
