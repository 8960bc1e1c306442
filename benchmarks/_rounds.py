"""Two ways timed in turns, so that a drift of the machine's speed meets both."""

import time
from collections.abc import Callable
from statistics import median

ROUNDS = 7


def compare(ours: Callable[[], None], peer: Callable[[], None], *, each: int, peer_name: str) -> None:
    """Print the median CPU time of one of ``each`` operations both ways, and the ratio; the ratio is what to read."""
    own, other = [], []
    for warm_up in (ours, peer):
        warm_up()
    for _ in range(ROUNDS):
        own.append(_cpu(ours) / each)
        other.append(_cpu(peer) / each)
    width = max(len(peer_name), len("this exporter"))
    print(f"{'this exporter':{width}} {median(own) * 1e6:10.1f} us")
    print(f"{peer_name:{width}} {median(other) * 1e6:10.1f} us")
    print(f"{'ratio':{width}} {median(own) / median(other):10.2f}")


def _cpu(work: Callable[[], None]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started
