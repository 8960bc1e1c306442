"""What is learnt of durations, for each account, group and model whose polls it places.

It only listens: to what becomes of tasks, and to nobody's clock. What it knows is lost without harm: the cadence is the
published one then, until tasks have ended again.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from exporter.ledger.ledger import Learnt
from exporter.polling.change import End
from exporter.polling.curve import LEAST_ETA, STRAIGHT, Curve
from exporter.polling.durations import Durations
from exporter.tasks.item import TaskLabels
from exporter.tasks.tracker import Change
from exporter.tasks.view import TaskView

KINDS = 1000
"""So many kinds of tasks are told apart; a further one takes the place of the one that was heard of the longest ago."""


class Kind(NamedTuple):
    """Tasks that are taken to be alike."""

    account: str
    group: str
    model: str


class Learning:
    """Learns from changes. All methods belong to the event loop."""

    def __init__(self) -> None:
        self._default_etas: Mapping[str, float] = {}
        self._durations: dict[Kind, Durations] = {}  # the one that was taught last is last
        self._news: set[Kind] = set()
        self._stepped = 0.0  # the wall clock, all in all

    def configure(self, default_etas: Mapping[str, float]) -> None:
        """Learn of these groups alone; each with the ETA of tasks that have none."""
        self._default_etas = dict(default_etas)

    def curve(self, labels: TaskLabels) -> Curve:
        """Where the polls of such a task belong, as far as is known."""
        durations = self._durations.get(_kind(labels))
        return durations.curve if durations else STRAIGHT

    def take(self, change: Change) -> None:
        """Learn from what has become of a task, if it says how long that took."""
        eta = self._eta(change.task)
        if eta is None:
            return
        if change.queue_seconds is not None:
            self._known(change.task.labels).note_start(change.queue_seconds / eta)
        outcome = change.outcome
        if outcome is not None and outcome.duration is not None:
            submitted = outcome.finished_at - outcome.duration - self._stepped
            seen_open = 0.0 if outcome.gap is None else max(0.0, outcome.duration - outcome.gap)
            end = End(seen_open / eta, outcome.duration / eta, submitted, eta)
            self._known(change.task.labels).note_end(end, was_seen_open=outcome.gap is not None)

    def clock_stepped(self, by: float) -> None:
        """Take dates from now on to be so many seconds less far from the earlier ones than they look."""
        self._stepped += by

    def _eta(self, task: TaskView) -> float | None:
        default = self._default_etas.get(task.labels.group)
        return default and max(task.state.eta_seconds or default, LEAST_ETA)

    def _known(self, labels: TaskLabels) -> Durations:
        kind = _kind(labels)
        durations = self._durations.pop(kind, None) or Durations()
        self._durations[kind] = durations
        self._news.add(kind)
        if len(self._durations) > KINDS:
            oldest = next(iter(self._durations))
            del self._durations[oldest]
            self._news.discard(oldest)
        return durations

    # ---- kept over a restart ---------------------------------------------------------------------------------------

    def load(self, kept: Iterable[Learnt]) -> list[str]:
        """Know what was learnt before, the latest last; return why what could not be understood was left out."""
        faults = []
        for each in (*kept,)[-KINDS:]:
            try:
                self._durations[Kind(each.account, each.group, each.model)] = Durations.from_text(each.text)
            except ValueError as error:
                faults.append(str(error))
        return faults

    def news(self) -> list[Learnt]:
        """What was learnt since this was asked last."""
        news, self._news = sorted(self._news), set()
        return [
            Learnt(kind.account, kind.group, kind.model, self._durations[kind].to_text())
            for kind in news
            if kind in self._durations
        ]


def _kind(labels: TaskLabels) -> Kind:
    return Kind(labels.account, labels.group, labels.model)
