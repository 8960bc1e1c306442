"""How many label values and label sets there may be: the bound of what strangers can make the exporter show and keep.

A label set has a place, and through it each of its values, for one of four reasons: the configuration names it, a total
carries it, a followed task carries it, or it has been admitted for a task that is about to be followed. The first two
hold for good. Where only the others did and do no more, the place is taken back as soon as somebody needs it.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum

from exporter.accounting.series import SUM, VALUE, Series
from exporter.metrics.families import tasks
from exporter.metrics.family import TASK_LABELS, declared
from exporter.metrics.labelling import printable
from exporter.tasks.item import TaskLabels

MAX_BYTES = 256
"""The longest value, as UTF-8, of a label whose values come from outside: a page is as long as its labels."""

MAX_SET_BYTES = 512
"""How long the model and the user labels of one set may be together: some twenty labels can be declared."""

OTHER = "other"
"""What a refused value becomes."""

UNKNOWN_ERROR = "unknown"
"""The error code of a failed task whose answer has none."""

FREE_CODES = frozenset({"", OTHER, UNKNOWN_ERROR}).union(*tasks.FAILED.starts)
"""The error codes that take no place: each is shown, or may be, beside every label set."""


class Limit(StrEnum):
    """What can be reached: the closed set of ``limit`` on the family that counts it."""

    LABEL_VALUES = "label_values"
    LABEL_SETS = "label_sets"


def is_too_long(value: str) -> bool:
    """Whether a label value from outside is longer than any should be."""
    return len(value.encode()) > MAX_BYTES


class LabelLimits:
    """Admits label sets, label values and error codes, or says what they are replaced by.

    There are at most ``label_values`` distinct values of ``model``, of ``error_code`` and of each user label, and in
    each group at most ``label_sets`` distinct sets of task labels and as many pairs of one and an error code. What the
    configuration names and what has been counted is admitted beyond that too, and takes its places from the rest.

    All methods belong to the event loop. ``in_use`` returns the label sets of the followed tasks, as they were
    admitted; it is asked for seldom, and what may have become free is looked up in it.
    """

    def __init__(self, *, in_use: Callable[[], Collection[TaskLabels]] = tuple) -> None:
        self._in_use = in_use
        self._max_values = 0
        self._max_sets = 0
        self._names: tuple[str, ...] = ()
        self._rest_of_names: tuple[tuple[str, str], ...] = ()
        self._reserved: frozenset[TaskLabels] = frozenset()
        self._counted: set[TaskLabels] = set()
        self._counted_codes: set[tuple[TaskLabels, str]] = set()
        self._promised: set[TaskLabels] = set()
        self._answers: dict[TaskLabels, tuple[TaskLabels, Counter[Limit]]] = {}
        self._overflows: Counter[Limit] = Counter()
        self._admitting = 0
        self._given = 0
        self._admitted = 0
        self._has_changed = False
        self._place_everything()

    # ---- what is always admitted -----------------------------------------------------------------------------------

    def configure(
        self, configured: Iterable[TaskLabels], *, label_names: Iterable[str], label_values: int, label_sets: int
    ) -> tuple[TaskLabels, ...]:
        """Let these limits hold from now on; return the configured label sets, which are never refused.

        ``label_names`` are the declared user labels: no other is admitted. A group without any configured set is not
        shown, and what has been counted in it takes no place until it comes back.
        """
        self._max_values, self._max_sets = label_values, label_sets
        self._names = tuple(sorted(label_names))
        self._rest_of_names = tuple((name, OTHER) for name in self._names)
        reserved = tuple(dict.fromkeys(map(self._fitted, configured)))
        self._reserved = frozenset(reserved)
        self._place_everything()
        return reserved

    def restore(self, totals: Iterable[Series]) -> None:
        """Remember the labels of the committed totals: what has been shown once keeps its name, whatever the limits."""
        families = {family.name: frozenset(family.labels) for family in declared(tasks)}
        for series in totals:
            if series.family in families and series.part in (VALUE, SUM):  # buckets have the labels of their sum
                labels = _labels_of(series, families[series.family])
                self._counted.add(labels)
                if series.family == tasks.FAILED.name:
                    self._counted_codes.add((labels, dict(series.labels).get("error_code", "")))
        self._place_everything()

    def keep(self, labels: TaskLabels) -> None:
        """Remember that admitted labels have totals from now on."""
        self._counted.add(labels)
        self._provisional.discard(labels)
        self._place(labels)

    def is_kept(self, labels: TaskLabels) -> bool:
        """Whether admitted labels hold their place for good, for the configuration names them or totals carry them."""
        return self._fitted(labels) not in self._provisional

    # ---- what is admitted while there is room ----------------------------------------------------------------------

    @contextmanager
    def admission(self) -> Iterator[Callable[[TaskLabels], TaskLabels]]:
        """Admit the labels of tasks: yields what says which labels they get. When the block ends, those tasks are
        followed, or never will be; until then no place that it has given out is taken back, and what was refused once
        (thousands of tasks may share it) is refused.
        """
        before = self._given
        self._admitting += 1
        try:
            yield self._admit
        finally:
            self._admitting -= 1
            if not self._admitting:
                self._promised.clear()
                self._answers.clear()
            if self._given > before:  # perhaps not each of their tasks came to be followed
                self._has_changed = True

    def released(self) -> None:
        """Say that some task is followed no more, or has other labels now: its place may be free.

        Without being told, the limits look for themselves after as many admissions as the look takes steps.
        """
        self._has_changed = True

    def admit_error_code(self, labels: TaskLabels, code: str) -> str:
        """The error code that a failed task with these admitted labels is counted under, empty where it has none."""
        self.keep(labels)
        code = printable(code)
        if code in FREE_CODES or (labels, code) in self._codes:
            return code
        if is_too_long(code) or not (self._codes.has_code(code) or self._codes.codes < self._max_values):
            return self._refused(Limit.LABEL_VALUES)
        if self._codes.pairs(_group(labels)) >= self._max_sets:
            return self._refused(Limit.LABEL_SETS)
        self._counted_codes.add((labels, code))
        self._codes.add(labels, code)
        return code

    def take_overflows(self) -> Mapping[Limit, int]:
        """How often each limit refused something since this was last asked; a limit that did not is left out."""
        taken, self._overflows = self._overflows, Counter()
        return taken

    # ---- admission -------------------------------------------------------------------------------------------------

    def _admit(self, labels: TaskLabels) -> TaskLabels:
        self._admitted += 1
        if labels in self._places:
            self._promised.add(labels)
            return labels
        if labels not in self._answers:
            before = self._overflows.copy()
            admitted = self._within_sets(self._within_values(self._fitted(labels)))
            self._promised.add(admitted)
            self._answers[labels] = admitted, self._overflows - before
            return admitted
        admitted, overflows = self._answers[labels]
        self._overflows += overflows
        return admitted

    def _fitted(self, labels: TaskLabels) -> TaskLabels:
        """The labels as series carry them: only declared ones that are not empty, in text that can be written."""
        given = dict(labels.user)
        user = tuple([(name, printable(value)) for name in self._names if (value := given.get(name))])
        return TaskLabels(labels.account, labels.group, printable(labels.model), user)

    def _within_values(self, labels: TaskLabels) -> TaskLabels:
        if labels in self._places:
            return labels
        user = tuple([(name, self._within_value(name, value)) for name, value in labels.user])
        return TaskLabels(labels.account, labels.group, self._within_value("model", labels.model), user)

    def _within_value(self, name: str, value: str) -> str:
        if value in ("", OTHER) or self._places.has_value(name, value):
            return value
        if is_too_long(value) or not self._find_room(lambda: self._places.values(name) < self._max_values):
            return self._refused(Limit.LABEL_VALUES)
        return value

    def _within_sets(self, labels: TaskLabels) -> TaskLabels:
        rest = self._rest(labels)
        if labels in self._places or labels == rest:
            return labels
        group = _group(labels)
        if not self._find_room(lambda: self._places.sets(group) < self._max_sets) or _is_too_long(labels):
            self._refused(Limit.LABEL_SETS)
            return rest
        self._given += 1
        self._provisional.add(labels)
        self._place(labels)
        return labels

    def _rest(self, labels: TaskLabels) -> TaskLabels:
        """The set that takes what finds no room in a group; there is one for each, and it takes no place."""
        return TaskLabels(labels.account, labels.group, OTHER, self._rest_of_names)

    def _refused(self, limit: Limit) -> str:
        self._overflows[limit] += 1
        return OTHER

    # ---- places ----------------------------------------------------------------------------------------------------

    def _place_everything(self) -> None:
        """Hand out all places anew, by the limits and the label names that hold now."""
        self._answers.clear()
        shown = {_group(labels) for labels in self._reserved}
        counted = {self._fitted(labels) for labels in self._counted if _group(labels) in shown}
        used = {self._fitted(labels) for labels in (*self._in_use(), *self._promised)}
        self._places = _Places()
        for labels in self._reserved | counted | used:
            self._place(labels)
        self._provisional = used - counted - self._reserved
        self._codes = _Codes()
        for labels, code in self._counted_codes:
            if _group(labels) in shown and code not in FREE_CODES:
                self._codes.add(self._fitted(labels), code)

    def _place(self, labels: TaskLabels) -> None:
        if labels != self._rest(labels):
            self._places.add(labels)

    def _find_room(self, has_room: Callable[[], bool]) -> bool:
        if not has_room() and self._is_worth_a_look():
            self._take_back()
        return has_room()

    def _is_worth_a_look(self) -> bool:
        """Each look is paid for by a change, or by as many admissions: a flood of refusals costs no flood of looks."""
        return bool(self._provisional) and (self._has_changed or self._admitted >= len(self._provisional))

    def _take_back(self) -> None:
        self._has_changed, self._admitted = False, 0
        used = self._in_use()
        unused = [labels for labels in self._provisional if labels not in used and labels not in self._promised]
        self._provisional.difference_update(unused)
        for labels in unused:
            self._places.remove(labels)


_Group = tuple[str, str]
"""Account and name of a task group."""


class _Places:
    """The label sets of each group, and how many of all sets hold each value of a label."""

    def __init__(self) -> None:
        self._sets: defaultdict[_Group, set[TaskLabels]] = defaultdict(set)
        self._values: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def __contains__(self, labels: TaskLabels) -> bool:
        return labels in self._sets.get(_group(labels), ())

    def sets(self, group: _Group) -> int:
        return len(self._sets.get(group, ()))

    def has_value(self, name: str, value: str) -> bool:
        return value in self._values[name]

    def values(self, name: str) -> int:
        return len(self._values[name])

    def add(self, labels: TaskLabels) -> None:
        if labels not in self:
            self._sets[_group(labels)].add(labels)
            for name, value in _open_values(labels):
                self._values[name][value] += 1

    def remove(self, labels: TaskLabels) -> None:
        self._sets[_group(labels)].discard(labels)
        for name, value in _open_values(labels):
            self._values[name][value] -= 1
            if not self._values[name][value]:
                del self._values[name][value]


class _Codes:
    """The error codes beside each label set, by group."""

    def __init__(self) -> None:
        self._pairs: defaultdict[_Group, set[tuple[TaskLabels, str]]] = defaultdict(set)
        self._codes: set[str] = set()

    @property
    def codes(self) -> int:
        return len(self._codes)

    def __contains__(self, pair: tuple[TaskLabels, str]) -> bool:
        return pair in self._pairs.get(_group(pair[0]), ())

    def has_code(self, code: str) -> bool:
        return code in self._codes

    def pairs(self, group: _Group) -> int:
        return len(self._pairs.get(group, ()))

    def add(self, labels: TaskLabels, code: str) -> None:
        self._pairs[_group(labels)].add((labels, code))
        self._codes.add(code)


def _group(labels: TaskLabels) -> _Group:
    return labels.account, labels.group


def _open_values(labels: TaskLabels) -> Iterator[tuple[str, str]]:
    """The values that strangers choose and that are told apart."""
    return ((name, value) for name, value in (("model", labels.model), *labels.user) if value not in ("", OTHER))


def _is_too_long(labels: TaskLabels) -> bool:
    return sum(len(value.encode()) for _, value in _open_values(labels)) > MAX_SET_BYTES


def _labels_of(series: Series, own: frozenset[str]) -> TaskLabels:
    """The task labels of a stored series, of whose labels ``own`` belong to the family."""
    given = dict(series.labels)
    account, group, model = (given.get(name, "") for name in TASK_LABELS)
    user = tuple((name, value) for name, value in series.labels if name not in own and name not in TASK_LABELS)
    return TaskLabels(account, group, model, user)
