"""Two ways timed in turns, so that a drift of the machine's speed meets both."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

ROUNDS = 7


@dataclass(frozen=True, slots=True)
class Pair:
    """The median seconds of both ways."""

    ours: float
    peer: float


def compare(ours: Callable[[], None], peer: Callable[[], None], *, each: int, peer_name: str) -> None:
    """Print the median CPU time of one of ``each`` operations both ways, and the ratio; the ratio is what to read."""
    _print(timed(ours, peer, each=each), peer_name)


def compare_seconds(
    ours: Callable[[], float], peer: Callable[[], float], *, peer_name: str, rounds: int = ROUNDS
) -> None:
    """Print the median of the seconds that each way returns, and the ratio."""
    _print(taken(ours, peer, rounds=rounds), peer_name)


def timed(ours: Callable[[], object], peer: Callable[[], object], *, each: int, rounds: int = ROUNDS) -> Pair:
    """The median CPU time of one of ``each`` operations both ways."""
    return taken(lambda: _cpu(ours) / each, lambda: _cpu(peer) / each, rounds=rounds)


def taken(ours: Callable[[], float], peer: Callable[[], float], *, rounds: int = ROUNDS) -> Pair:
    """The median of the seconds that each way returns, after one of each to warm up."""
    own, other = [], []
    for warm_up in (ours, peer):
        warm_up()
    for _ in range(rounds):
        own.append(ours())
        other.append(peer())
    return Pair(median(own), median(other))


def _print(pair: Pair, peer_name: str) -> None:
    width = max(len(peer_name), len("this exporter"))
    print(f"{'this exporter':{width}} {pair.ours * 1e6:10.1f} us")
    print(f"{peer_name:{width}} {pair.peer * 1e6:10.1f} us")
    print(f"{'ratio':{width}} {pair.ours / pair.peer:10.2f}")


def _cpu(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started
