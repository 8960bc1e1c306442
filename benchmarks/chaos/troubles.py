"""The faults of a plan, done to what plays: begun at their time, and ended at theirs."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from benchmarks.chaos.plan import Fault, Turn
from benchmarks.chaos.process import Process
from benchmarks.chaos.stage import Stage

LOOK_SECONDS = 0.1
HUNT_SECONDS = 4.0
HUNT_PACE = 0.03
"""Seconds that each question takes while a transaction is looked for, so that it stands open for long enough."""


class Troubles:
    """``done`` counts what was really done: a replica that is away already meets no other fault of a process."""

    def __init__(self, stage: Stage, *, roll: float, tell: Callable[[str], None]) -> None:
        self._stage = stage
        self._roll = roll
        self._tell = tell
        self._ends: list[tuple[float, Callable[[], None]]] = []
        self.done: list[Fault] = []
        self.exits: list[int | None] = []

    def begin(self, turn: Turn) -> None:
        """Let it happen now."""
        replica = self._stage.replicas[turn.replica]
        if turn.fault.is_of_process and not replica.is_up:
            self._tell(f"{turn}: it was away")
            return
        self._tell(str(turn))
        if self._happens(turn, replica):
            self.done.append(turn.fault)

    def end_due(self, now: float) -> None:
        """End what has lasted long enough."""
        for due in [due for due in self._ends if due[0] <= now]:
            self._ends.remove(due)
            due[1]()

    def end_all(self) -> None:
        """End everything, whether or not it has lasted long enough."""
        while self._ends:
            self.end_due(float("inf"))
            time.sleep(LOOK_SECONDS)

    def _happens(self, turn: Turn, replica: Process) -> bool:
        if turn.fault.is_of_replica:
            return self._happens_to(replica, turn)
        cluster = self._stage.cluster
        match turn.fault:
            case Fault.TERMINATE:
                cluster.end_sessions()
            case Fault.RESTART:
                cluster.restart()
            case Fault.FAIL_OVER:
                if not cluster.fail_over():
                    self._tell("       it could not")
                    return False
                self._end(turn, cluster.promote)
            case Fault.FULL:
                cluster.fill()
                self._end(turn, cluster.clear)
            case Fault.UPGRADE:
                return self._upgrade(turn)
        return True

    def _upgrade(self, turn: Turn) -> bool:
        has_newer = self._stage.cluster.upgrade()
        if not has_newer:
            self._tell("       its tables could not be changed now")
        for number, replica in enumerate(self._stage.replicas):
            self._ends.append((turn.at + number * self._roll, partial(self._restart, replica)))
        return has_newer

    def _restart(self, replica: Process) -> None:
        if replica.is_up:
            replica.term()
            self._start_after_its_end(replica)

    def _happens_to(self, replica: Process, turn: Turn) -> bool:
        match turn.fault:
            case Fault.KILL:
                replica.kill()
                self._end(turn, replica.start)
            case Fault.TERM:
                replica.term()
                self._end(turn, lambda: self._start_after_its_end(replica))
            case Fault.STOP:
                replica.pause()
                self._end(turn, replica.go_on)
            case Fault.STOP_IN_TRANSACTION:
                self._end(turn, replica.go_on)
                return self._stop_in_transaction(turn.replica, replica)
            case Fault.SWALLOW:
                self._stage.ways[turn.replica].loses = True
                self._end(turn, lambda: setattr(self._stage.ways[turn.replica], "loses", False))
            case Fault.DELAY:
                self._stage.ways[turn.replica].is_slow = True
                self._end(turn, lambda: setattr(self._stage.ways[turn.replica], "is_slow", False))
        return True

    def _end(self, turn: Turn, end: Callable[[], None]) -> None:
        self._ends.append((turn.end, end))

    def _start_after_its_end(self, replica: Process) -> None:
        """Look again until it has ended: it may wait for a database that only comes back when its own turn is over."""
        if replica.is_ending:
            self._ends.append((0.0, partial(self._start_after_its_end, replica)))
            return
        self.exits.append(replica.ended())
        replica.start()

    def _stop_in_transaction(self, number: int, replica: Process) -> bool:
        """Stop it while the database waits for it; where that does not come about, stop it anywhere."""
        deadline = time.monotonic() + HUNT_SECONDS
        with self._slowly(number):
            while time.monotonic() < deadline:
                if not self._stage.is_in_transaction(number):
                    continue
                replica.pause()
                if self._stage.is_in_transaction(number):
                    return True
                replica.go_on()
        self._tell("       no transaction was met")
        replica.pause()
        return False

    @contextmanager
    def _slowly(self, number: int) -> Iterator[None]:
        way = self._stage.ways[number]
        way.pace = HUNT_PACE
        yield
        way.pace = 0.0
