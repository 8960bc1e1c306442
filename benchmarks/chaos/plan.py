"""What goes wrong in a run, when, and to which replica: drawn from a seed, so that a run can be told again. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random

SECONDS, SEED, REPLICAS = 600.0, 13, 3


class Fault(StrEnum):
    """What can go wrong; the first four are of one replica's process, the next two of its way to the database."""

    KILL = "kill -9"
    STOP = "SIGSTOP"
    STOP_IN_TRANSACTION = "SIGSTOP within a transaction"
    TERM = "SIGTERM"
    SWALLOW = "answers of COMMIT are lost"
    DELAY = "the way to the database is slow"
    TERMINATE = "every session is ended"
    RESTART = "PostgreSQL is restarted, immediate"

    @property
    def is_of_process(self) -> bool:
        """Whether it stops a replica, which then has to be started again or to go on."""
        return self in (Fault.KILL, Fault.STOP, Fault.STOP_IN_TRANSACTION, Fault.TERM)


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
        whom = "" if self.fault in (Fault.TERMINATE, Fault.RESTART) else f"replica {self.replica}: "
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
            if fault.is_of_process:
                at = max(at, free_at[replica])
            turn = Turn(at, fault, replica, self._lasting(fault, random))
            if turn.end > self.seconds:
                return
            yield turn
            if fault.is_of_process:  # a process that has just started must come to something
                free_at[replica] = turn.end + 2 * self.lease
            at += self.lease * random.uniform(0.5, 3.0)

    def _lasting(self, fault: Fault, random: Random) -> float:
        match fault:
            case Fault.KILL | Fault.TERM:
                return self.lease * random.uniform(0.1, 1.5)
            case Fault.STOP | Fault.STOP_IN_TRANSACTION:
                return self.lease * random.uniform(1.1, 2.5)
            case Fault.SWALLOW | Fault.DELAY:
                return self.lease * random.uniform(1.0, 2.5)
        return 0.0
