"""What it costs to take one answer, beside setting a prometheus_client gauge for each status of the task.

Two figures. *Taking an answer* goes through the answers of a life, of which three in five say what the last one said:
as the intake does, it gives each to ``Tracker.take``, which makes no change of those. The gauges are written with each
answer, as whoever keeps no state of the task must. Either way begins with nothing: that the tasks are followed, and
that the gauges are made, is in the figure. Of *taking an answer that changes something* each shows another status, the
last one the end.

``python -m benchmarks.observe`` prints CPU time an answer, both ways, from one process and in turns.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from prometheus_client import CollectorRegistry, Gauge

from benchmarks._figures import Figure, Goal
from benchmarks._rounds import compare, timed
from exporter.tasks.census import Rules
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.tracker import Tracker

TASKS = 2000
LABELS = TaskLabels("default", "renders", "sora-2-pro")

LIVES = {
    "taking an answer": (Status.PENDING, Status.PENDING, Status.RUNNING, Status.RUNNING, Status.RUNNING),
    "taking an answer that changes something": (Status.PENDING, Status.RUNNING, Status.COMPLETED),
}
"""By figure, the answers that each task gets."""

PEER = "a gauge for each status"


def tracked(answers: Sequence[Status]) -> None:
    """Tasks that live through the answers in the tracker."""
    tracker = Tracker(Rules())
    items = [Item(TaskRef("default", f"task_{number}"), LABELS) for number in range(TASKS)]
    for item in items:
        tracker.claim("static", item, now=0.0)
    for at, status in enumerate(answers):
        answer = Observation(status, estimated_credits=1.5, estimated_seconds=35)
        for item in items:
            tracker.take(item.ref, answer, now=float(at))


def gauged(answers: Sequence[Status]) -> None:
    """The same answers, each written into a state set of gauges."""
    gauge = Gauge("task_status", "Status.", ["task_id", "status"], registry=CollectorRegistry())
    for answer in answers:
        for number in range(TASKS):
            for status in Status:
                gauge.labels(f"task_{number}", status).set(status is answer)


def ways(answers: Sequence[Status]) -> tuple[Callable[[], None], Callable[[], None], int]:
    """Ours, the peer's, and how many answers either takes."""
    return partial(tracked, answers), partial(gauged, answers), TASKS * len(answers)


def figures() -> Iterator[Figure]:
    """What ``benchmarks.report`` takes from here."""
    for name, answers in LIVES.items():
        ours, peer, each = ways(answers)
        pair = timed(ours, peer, each=each)
        yield Figure(name=name, cost=pair.ours, peer_name=PEER, peer=pair.peer, goal=Goal(share=1 / 5))


if __name__ == "__main__":
    for name, answers in LIVES.items():
        print(name)
        ours, peer, each = ways(answers)
        compare(ours, peer, each=each, peer_name=PEER)
