"""Replicas over one PostgreSQL, with faults: nothing lost, nothing counted twice, one owner at a time, one series.

``python -m benchmarks.chaos`` takes ten minutes and a little more; ``--seconds`` asks for less, ``--seed`` for other
bad luck. It prints each fault and the verdicts. The exit code is 1 where a verdict is bad.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from benchmarks._verdict import Verdict
from benchmarks.chaos import judge
from benchmarks.chaos.plan import REPLICAS, SECONDS, SEED, Fault, Plan
from benchmarks.chaos.prometheus import ENDS, Seen
from benchmarks.chaos.stage import Stage
from benchmarks.chaos.troubles import Troubles
from benchmarks.chaos.upstream import Book
from exporter.ledger.checking import Held, check
from exporter.metrics.families import tasks

TICK = 0.1
ALL_QUIET = 5.0
"""Seconds after the last task was counted; should anything be counted again, it would be then."""


class Chaos:
    """One run."""

    def __init__(self, plan: Plan, directory: Path, stack: ExitStack, *, tell: Callable[[str], None]) -> None:
        self._plan = plan
        self._tell = tell
        self._stage = Stage(plan, directory, stack)
        self._troubles = Troubles(self._stage, roll=plan.roll, tell=tell)

    def run(self) -> Sequence[Verdict]:
        """All of it; what has become of it."""
        began = time.time()
        for replica in self._stage.replicas:
            replica.start()
        self._until(self._is_seen, self._plan.start_seconds, "every account is owned, and seen by Prometheus")
        self._disturb()
        self._until(self._is_settled, self._plan.settle_seconds, "everything is counted, and seen by Prometheus")
        self._go_on_for(ALL_QUIET)
        return [*self._judged(began)]

    def _disturb(self) -> None:
        began = time.monotonic()
        turns = list(self._plan.turns())
        while (now := time.monotonic() - began) < self._plan.seconds:
            self._stage.upstream.go_on(now)
            self._troubles.end_due(now)
            if turns and now >= turns[0].at:
                self._troubles.begin(turns.pop(0))
            self._look()
            time.sleep(TICK)
        self._troubles.end_all()

    def _look(self) -> None:
        for replica in self._stage.replicas:
            replica.look()

    def _until(self, is_so: Callable[[], bool], seconds: float, what: str) -> None:
        self._tell(f"waiting until {what}")
        deadline = time.monotonic() + seconds
        while not is_so():
            if time.monotonic() > deadline:
                self._tell(f"NOT within {seconds:.0f} s")
                return
            self._go_on_for(1.0)

    def _go_on_for(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._look()
            time.sleep(TICK)

    def _is_seen(self) -> bool:
        seen = self._stage.prometheus.instant(f"count by (account) ({ENDS})")
        return len(seen) == self._plan.accounts

    def _is_settled(self) -> bool:
        books = self._stage.upstream.books()
        ended = sum(sum(book.outcomes.values()) for book in books.values())
        seen = self._stage.prometheus.instant(f"sum({ENDS})")
        shown = float(seen[0]["value"][1]) if seen else 0.0
        return all(book.open == 0 for book in books.values()) and shown == ended and self._is_seen()

    # ---- what became of it -------------------------------------------------------------------------------------------

    def _judged(self, began: float) -> Iterator[Verdict]:
        books, asked = self._stage.upstream.books(), tuple(self._stage.witness.seen)
        yield judge.books_are_equal(books, self._held())
        yield self._ledger_check()
        yield self._open_tasks()
        pauses = [replica.pauses for replica in self._stage.replicas]
        yield judge.one_owner_asks(asked, pauses)
        yield from judge.limits_hold(asked, books, self._plan, late=len(judge.excused(asked, pauses)))
        yield from self._of_scrapes(began, books)
        yield self._processes()
        yield self._faults()
        self._tell_hand_overs(judge.hand_overs(asked))

    def _held(self) -> list[Held]:
        return check(self._stage.cluster.url, finished=ENDS, credits_used=tasks.CREDITS_USED.name)

    def _ledger_check(self) -> Verdict:
        """As whoever runs replicas would ask."""
        command = [sys.executable, "-m", "exporter", "ledger", "check", "--config.file", str(self._stage.config(0))]
        env = {name.upper().replace("-", "_"): "unused" for name in self._plan.names}
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={"PYTHONPATH": sys.path[0], **env}
        )
        return Verdict("ledger check", done.returncode == 0, done.stderr.strip() or "exit code 0", "exit code 0")

    def _open_tasks(self) -> Verdict:
        """Each task is one row, whatever it was called."""
        [(left,)] = self._stage.cluster.rows("SELECT count(*) FROM open_tasks")
        [(rows, ids)] = self._stage.cluster.rows("SELECT count(*), count(DISTINCT task_id) FROM outcomes")
        found = f"{rows} rows of {ids} tasks, {left} open"
        return Verdict("each task once", rows == ids > 0 and left == 0, found, "a row each, none open")

    def _of_scrapes(self, began: float, books: Mapping[str, Book]) -> Iterator[Verdict]:
        yield judge.shown_once(self._stage.rounds.seen)
        seen = Seen(self._stage.prometheus, seconds=time.time() - began + 10)
        yield judge.owned_once(self._stage.rounds.seen, longest=seen.owned_twice(began, time.time()))
        grown = {name: seen.grown(name) for name in self._plan.names}
        yield from judge.seen_by_prometheus(grown, books, drops=seen.drops(), refused=seen.refused())

    def _processes(self) -> Verdict:
        """No replica ended by itself, but at a start without a database; and none had anything to be ashamed of."""
        self._look()
        wrong = [fault for replica in self._stage.replicas for fault in replica.faults]
        wrong += [f"refused: {text}" for text in self._stage.applications.refusals]
        wrong += [f"exit code {code} at SIGTERM" for code in self._troubles.exits if code not in (0, None)]
        return Verdict("no replica fails", not wrong, "; ".join(wrong[:3]) or "none", "none")

    def _faults(self) -> Verdict:
        done = self._troubles.done
        lost = sum(way.lost for way in self._stage.ways)
        found = f"{len(done)} faults of {len(set(done))} kinds, {lost} answers of COMMIT lost"
        possible = set(Fault) if self._stage.cluster.can_be_full else set(Fault) - {Fault.FULL}
        is_all = self._plan.seconds < SECONDS or (set(done) == possible and lost > 0)
        wanted = "some; all kinds in the long run" + (
            "" if Fault.FULL in possible else ", but a full disk: nothing could be mounted"
        )
        return Verdict("faults were met", is_all and len(done) > 0, found, wanted)

    def _tell_hand_overs(self, gaps: Sequence[float]) -> None:
        if gaps:
            self._tell(f"{len(gaps)} hand-overs: nobody asked for {median(gaps):.1f} s, {gaps[-1]:.1f} s at most")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="with faults, before everything settles")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--replicas", type=int, default=REPLICAS)
    parser.add_argument("--keep", type=Path, help="an empty directory for configurations and logs")
    asked = parser.parse_args(arguments)
    plan = Plan(asked.seconds, asked.seed, replicas=asked.replicas)
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        chaos = Chaos(plan, asked.keep or Path(temporary), stack, tell=lambda line: print(line, flush=True))
        verdicts = chaos.run()
    print("\n" + "\n".join(map(str, verdicts)))
    return 0 if all(verdict.is_good for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
