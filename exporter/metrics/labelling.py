"""Label values: what text may be one, and which labels a series has under the configuration in force."""

from collections.abc import Mapping
from dataclasses import dataclass

from exporter.accounting.series import Labels
from exporter.metrics.family import Family, Scope
from exporter.metrics.snapshot import Snapshot
from exporter.tasks.item import TaskLabels

LabelValues = tuple[str, ...]
"""The label values of one series, in the order of ``Family.label_names``."""

# So many first labels tell whether a thing is there: tasks are where their account and group are, whatever their model.
_KEY_LENGTH = {Scope.TASKS: 2, Scope.TASK: 2, Scope.ACCOUNT: 1, Scope.SOURCE: 2, Scope.PROXIED: 1, Scope.EXPORTER: 0}


def printable(value: str) -> str:
    """The value without what UTF-8 cannot carry (lone surrogates, which JSON can): one would cost the entire page."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")


@dataclass(frozen=True, slots=True)
class Labelling:
    """Which things are there now, and which labels name their series. The totals may remember more: it is not shown.

    ``user`` are the declared user labels; ``present`` names the things of each scope by their first labels.
    """

    user: tuple[str, ...]
    present: Mapping[Scope, frozenset[LabelValues]]

    @classmethod
    def of(cls, snapshot: Snapshot) -> "Labelling":
        """That of a snapshot."""
        groups = frozenset((labels.account, labels.group) for labels in snapshot.known)
        accounts = frozenset((account.name,) for account in snapshot.accounts)
        configured = frozenset((account,) for account in snapshot.ownership)
        present = {
            Scope.TASKS: groups,
            Scope.TASK: groups,
            Scope.ACCOUNT: accounts,
            Scope.PROXIED: configured | {("",)} if snapshot.proxied is not None else frozenset(),
            Scope.SOURCE: frozenset((source.group, source.mechanism) for source in snapshot.sources),
            Scope.EXPORTER: frozenset({()}),
        }
        return cls(snapshot.label_names, present)

    def shows(self, scope: Scope, values: LabelValues) -> bool:
        """Whether the thing that these values name is there."""
        return values[: _KEY_LENGTH[scope]] in self.present[scope]

    def values(self, family: Family, labels: Labels) -> LabelValues:
        """Stored labels as the family has them now: an undeclared one is dropped, a missing one is empty."""
        given = dict(labels)
        return tuple(printable(given.get(name, "")) for name in family.label_names(self.user))

    def task_values(self, labels: TaskLabels) -> LabelValues:
        """The labels of a task, likewise."""
        given = dict(labels.user)
        values = (labels.account, labels.group, labels.model, *(given.get(name, "") for name in self.user))
        return tuple(map(printable, values))
