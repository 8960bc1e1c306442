"""Two ways timed in turns, so that a drift of the machine's speed meets both."""

import time
from collections.abc import Callable
from statistics import median

ROUNDS = 7


def compare(ours: Callable[[], None], peer: Callable[[], None], *, each: int, peer_name: str) -> None:
    """Print the median CPU time of one of ``each`` operations both ways, and the ratio; the ratio is what to read."""
    compare_seconds(lambda: _cpu(ours) / each, lambda: _cpu(peer) / each, peer_name=peer_name)


def compare_seconds(
    ours: Callable[[], float], peer: Callable[[], float], *, peer_name: str, rounds: int = ROUNDS
) -> None:
    """Print the median of the seconds that each way returns, and the ratio."""
    own, other = [], []
    for warm_up in (ours, peer):
        warm_up()
    for _ in range(rounds):
        own.append(ours())
        other.append(peer())
    width = max(len(peer_name), len("this exporter"))
    print(f"{'this exporter':{width}} {median(own) * 1e6:10.1f} us")
    print(f"{peer_name:{width}} {median(other) * 1e6:10.1f} us")
    print(f"{'ratio':{width}} {median(own) / median(other):10.2f}")


def _cpu(work: Callable[[], None]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started
