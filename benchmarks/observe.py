"""What it costs to take one answer, beside setting a prometheus_client gauge for each status of the task.

``python -m benchmarks.observe`` prints CPU time an answer, both ways, from one process and in turns.
"""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Gauge

from benchmarks._figures import Figure, Goal
from benchmarks._rounds import compare, timed
from exporter.tasks.census import Rules
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.tracker import Tracker

TASKS = 2000
ANSWERS = (Status.PENDING, Status.PENDING, Status.RUNNING, Status.RUNNING, Status.RUNNING)
LABELS = TaskLabels("default", "renders", "sora-2-pro")


def tracked() -> None:
    """Tasks that live through the answers in the tracker."""
    tracker = Tracker(Rules())
    items = [Item(TaskRef("default", f"task_{number}"), LABELS) for number in range(TASKS)]
    for item in items:
        tracker.claim("static", item, now=0.0)
    for at, status in enumerate(ANSWERS):
        answer = Observation(status, estimated_credits=1.5, estimated_seconds=35)
        for item in items:
            tracker.observe(item.ref, answer, now=float(at))


def gauged() -> None:
    """The same answers, each written into a state set of gauges."""
    gauge = Gauge("task_status", "Status.", ["task_id", "status"], registry=CollectorRegistry())
    for answer in ANSWERS:
        for number in range(TASKS):
            for status in Status:
                gauge.labels(f"task_{number}", status).set(status is answer)


def figures() -> Iterator[Figure]:
    """What ``benchmarks.report`` takes from here."""
    pair = timed(tracked, gauged, each=TASKS * len(ANSWERS))
    yield Figure(
        name="taking an answer",
        cost=pair.ours,
        peer_name="a gauge for each status",
        peer=pair.peer,
        goal=Goal(share=1 / 5),
    )


if __name__ == "__main__":
    compare(tracked, gauged, each=TASKS * len(ANSWERS), peer_name="a gauge for each status")
