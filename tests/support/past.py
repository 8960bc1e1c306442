"""An exporter's past: snapshots in which things happen, and samples of them."""

from exporter.accounting.series import Increments, labels_of
from exporter.metrics.families import api, tasks
from exporter.metrics.history import History, Recent
from exporter.metrics.readings import Ended, read
from exporter.metrics.snapshot import AccountView, Snapshot
from exporter.tasks.item import TaskLabels
from exporter.tasks.observation import Status
from tests.support.fake_exporter import NOW, census, snapshot

RENDERS = TaskLabels("main", "renders", "sora-2")
STILLS = TaskLabels("other", "stills", "flux")


class Past:
    """An exporter's snapshots, a sample of them each time that time passes."""

    def __init__(self, *known: TaskLabels, history: History | None = None) -> None:
        self.known = known or (RENDERS,)
        self.history = history or History()
        self.totals = Increments()
        self.counts: dict[tuple[TaskLabels, Status], int] = {}
        self.accounts: tuple[AccountView, ...] = (AccountView("main", up=True, last_success_at=NOW),)
        self.at, self.steady = NOW, 100.0

    def end(self, status: str, count: int = 1, labels: TaskLabels = RENDERS, *, seconds: float | None = None) -> None:
        of = {"account": labels.account, "group": labels.group, "model": labels.model, "status": status}
        self.totals.count(tasks.FINISHED.name, labels_of(**of), count)
        for _ in range(count if seconds is not None else 0):
            tasks.DURATION.observe(self.totals, labels_of(**of), seconds or 0.0)

    def ask(self, requests: int, failures: int = 0, account: str = "main") -> None:
        of = {"account": account, "endpoint": api.ENDPOINT}
        self.totals.count(api.REQUESTS.name, labels_of(**of), requests)
        self.totals.count(api.REQUEST_FAILURES.name, labels_of(**of, reason="server"), failures)

    def snapshot(self) -> Snapshot:
        counts = {key: count for key, count in self.counts.items() if count}
        return snapshot(
            census=census(at=self.at, counts=counts),
            known=self.known,
            totals=dict(self.totals),
            accounts=self.accounts,
        )

    def sample(self, *, seconds: float = 30.0, wall: float | None = None) -> None:
        """Let time pass by both clocks, or by other seconds of the wall clock, and take a sample."""
        self.steady += seconds
        self.at += seconds if wall is None else wall
        self.history.add(read(self.snapshot()), now=self.steady)

    @property
    def recent(self) -> Recent:
        return self.history.recent(now=self.steady)

    def ended(self, group: str = "renders") -> list[Ended | None]:
        return [sample.groups[group].ended for sample in self.recent.samples]
