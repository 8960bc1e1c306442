"""Tasks with series of their own, and an exporter's snapshots of them, for the benchmarks of scrapes."""

from random import Random

from msgspec.structs import replace

from exporter.metrics.snapshot import AccountView, BuildView, Snapshot
from exporter.tasks.census import Census
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import TaskLabels
from exporter.tasks.listing import Listing
from exporter.tasks.observation import Status
from exporter.tasks.state import Submission, TaskState

NOW = 1_748_000_000.0
LABELS = TaskLabels("default", "renders", "sora-2-pro", (("team", "video"),))
SERIES_OF_A_TASK = 11


class ListedTasks:
    """So many running tasks, each with all the series that a running task has."""

    def __init__(self, count: int) -> None:
        self._states = [_running(number) for number in range(count)]
        self._listing = Listing(count, lambda number: (LABELS, self._states[number]))
        self._random = Random(3)
        for number, state in enumerate(self._states):
            self._listing.show(number, (LABELS, state))

    def change(self, share: float) -> None:
        """Let this share of the tasks, whichever they are, report another estimate."""
        for number in self._random.sample(range(len(self._states)), round(len(self._states) * share)):
            self.change_one(number)

    def change_one(self, number: int) -> None:
        """Let one report another estimate."""
        self._states[number] = replace(self._states[number], eta_seconds=self._random.random() * 100)
        self._listing.renew(number, (LABELS, self._states[number]))

    def snapshot(self, *, now: float) -> Snapshot:
        """All of it, as of ``now`` (Unix seconds)."""
        tasks = len(self._states)
        counts = {(LABELS, Status.RUNNING): tasks}
        oldest = {(LABELS, Status.RUNNING): NOW - 60}
        census = Census(now, counts, {LABELS: 1.5 * tasks}, {}, oldest, self._listing.view())
        account = AccountView("default", up=True)
        return Snapshot(census, BuildView("0", "0", "3"), ("team",), (LABELS,), accounts=(account,))


def _running(number: int) -> TaskState:
    return TaskState(
        TaskRef("default", f"task_{number:026d}", f"render-{number}"),
        NOW - 60,
        NOW - 60,
        Submission.SOURCE,
        Status.RUNNING,
        eta_seconds=35.0,
        credits_estimated=1.5,
    )
