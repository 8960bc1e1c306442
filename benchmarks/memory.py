"""What a followed task holds, beside a dataclass with labels of its own that a dictionary keeps.

``python -m benchmarks.memory [TASKS]`` prints the bytes a task (100,000 of them where no number is given), by
tracemalloc: followed, answered once, and by the room that holds them; then the peer, and the ratio. The id of a task
is counted with it. It needs about a minute for each 100,000.
"""

import gc
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePath

from benchmarks._figures import Figure, Goal, Unit
from exporter.polling.schedule import Schedule, Slot
from exporter.tasks.census import Rules
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.tracker import Tracker

TASKS = 100_000
FEWER = 60_000
"""So many for the figure: the lists that tasks come due in are there anyway, and fewer would each bear more of them."""

SLICE = 200
"""So many tasks arrive, or are answered, at one time."""


@dataclass
class Plain:
    """The peer: what a first version would keep of a task."""

    task_id: str
    labels: dict[str, str]
    submitted_at: float
    due: float
    status: str = "running"
    eta_seconds: float = 35.0


def plain(tasks: int) -> object:
    """So many of the peer."""
    return {
        task_id: Plain(task_id, {"account": "one", "group": "renders", "model": "sora-2"}, number * 1.5, number * 1.5)
        for number, task_id in enumerate(_ids(tasks))
    }


def followed(tasks: int) -> tuple[Tracker, Schedule]:
    """So many tasks as the exporter has them when a list has named them: in the tracker and in the schedule."""
    tracker, schedule, labels = Tracker(Rules()), Schedule(), TaskLabels("one", "renders", "sora-2")
    for number, task_id in enumerate(_ids(tasks)):
        item = Item(TaskRef("one", task_id), labels)
        change = tracker.claim("files", item, now=float(number - number % SLICE))
        if change is not None:
            schedule.put(change.task.number, Slot(_due(number), 5.0))
    return tracker, schedule


def answered(tasks: int) -> tuple[Tracker, Schedule]:
    """The same, when each has been seen running."""
    tracker, schedule = followed(tasks)
    for number, task_id in enumerate(_ids(tasks)):
        for change in tracker.observe(TaskRef("one", task_id), _running(), now=1e6 + number * 1.5):
            schedule.put(change.task.number, Slot(1e6 + _due(number), 5.0))
    return tracker, schedule


def _running() -> Observation:
    """As it is decoded: with numbers of its own."""
    return Observation(Status.RUNNING, estimated_credits=float("1.5"), estimated_seconds=float("35"))


def _due(number: int) -> float:
    """Seconds: polls are spread over five minutes, as the longest interval has it."""
    return number * 1.1 % 300.0


def _ids(tasks: int) -> Iterator[str]:
    return (f"task_01HQX9F2P6Y8VEX3CR{number:08d}" for number in range(tasks))


def _held(make: Callable[[int], object], tasks: int) -> tuple[float, Counter[str]]:
    """Bytes a task that this makes and keeps, all and by room."""
    tracemalloc.start()
    kept = make(tasks)
    gc.collect()
    traces = tracemalloc.take_snapshot().statistics("filename")
    tracemalloc.stop()
    by_room: Counter[str] = Counter()
    for trace in traces:
        path = PurePath(trace.traceback[0].filename)
        by_room[f"{path.parent.name}/{path.name}"] += trace.size
    del kept
    return by_room.total() / tasks, by_room


def main(tasks: int) -> None:
    """Print the table."""
    peer, _ = _held(plain, tasks)
    print(f"{'a dataclass with its own labels':40} {peer:8.0f} B a task")
    for name, make in (("followed", followed), ("answered once", answered)):
        total, by_room = _held(make, tasks)
        print(f"{name:40} {total:8.0f} B a task, {total / peer:.2f} of it")
        for room, size in by_room.most_common(8):
            print(f"    {room:36} {size / tasks:8.0f}")


def figures() -> Iterator[Figure]:
    """What ``benchmarks.report`` takes from here."""
    peer, _ = _held(plain, FEWER)
    for name, make, goal in (("followed", followed, Goal()), ("answered", answered, Goal(cost=400))):
        yield Figure(
            name=f"memory of a task that is {name}",
            cost=_held(make, FEWER)[0],
            peer_name="a dataclass with its own labels",
            peer=peer,
            unit=Unit.BYTES,
            goal=goal,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else TASKS)
