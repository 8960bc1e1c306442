"""The lines of single tasks, kept ready in chunks: only what has changed since the last page is written again.

A chunk is a page of the listing. Where that is the same object as last time, nothing of it is even looked at. Ages
change with every page: their lines are kept with a hole for the number, and those of a chunk are filled in at once.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import NamedTuple

from exporter.metrics.families import task
from exporter.metrics.family import Family, Scope
from exporter.metrics.gauges import REPORTED, elapsed, error_code, ids
from exporter.metrics.labelling import Labelling, LabelValues
from exporter.metrics.packing import Piece
from exporter.metrics.writing import escaped, number, template
from exporter.tasks.item import TaskLabels
from exporter.tasks.listing import PAGE, Entry, Listed, Page
from exporter.tasks.observation import Status
from exporter.tasks.state import TaskState

STANDING: tuple[Family, ...] = (task.STATUS, *REPORTED, task.ERROR_INFO)
"""The families whose lines stand until their task changes."""

MOST_TEMPLATES = 10_000
"""Labels come and go: so many are remembered."""

EXPONENT_FROM = 1e6
"""Below, a number is written as Python writes it."""

IN_A_ROW = 8
"""To look at so many chunks, or to fill in their ages, is about a millisecond's work."""

Key = tuple[LabelValues, str, str]
"""What names the series of a task."""


class _Lines(NamedTuple):
    """The lines of one task: in each of ``STANDING``, and that of its age, which has a hole if there is a ``since``."""

    standing: tuple[bytes, ...]
    age: str
    since: float | None


_NOTHING = _Lines((b"",) * len(STANDING), "", None)


class TaskLines:
    """What the listed tasks show under one labelling. Only one page at a time may be made of it.

    ``breathe`` is called after each millisecond or so.
    """

    def __init__(self, labelling: Labelling, breathe: Callable[[], None] = lambda: None) -> None:
        self._labelling = labelling
        self._breathe = breathe
        self._templates: dict[TaskLabels, _Template] = {}
        self._chunks: list[_Chunk] = []
        self._owners: dict[Key, int] = {}
        self._hidden: defaultdict[Key, dict[int, None]] = defaultdict(dict)

    def update(self, listed: Sequence[Entry]) -> None:
        """Take the tasks as they are now."""
        pages = listed.pages if isinstance(listed, Listed) else Listed.of(listed).pages
        self._chunks += [_Chunk() for _ in range(len(pages) - len(self._chunks))]
        changes: defaultdict[int, dict[int, Entry | None]] = defaultdict(dict)
        for at, chunk in enumerate(self._chunks):
            page = pages[at] if at < len(pages) else ()
            if page is not chunk.page:
                changes[at] = chunk.take(page)
            if at % IN_A_ROW == 0:
                self._breathe()
        for at, offset in [divmod(place, PAGE) for place in self._left(changes)]:
            if at < len(pages) and offset < len(pages[at]):
                changes[at].setdefault(offset, pages[at][offset])
        for at, changed in changes.items():
            if changed:
                self._chunks[at].write({offset: self._lines(at, offset, entry) for offset, entry in changed.items()})
                self._breathe()
        del self._chunks[len(pages) :]

    def pieces(self, family: Family, *, now: float) -> Iterator[Piece]:
        """All lines of one family, in the order of the tasks; ages as of ``now``, Unix seconds."""
        if family is not task.ELAPSED:
            yield from (chunk.standing[family] for chunk in self._chunks)
            return
        for at, chunk in enumerate(self._chunks):
            yield chunk.ages(now)
            if at % IN_A_ROW == 0:
                self._breathe()

    def _lines(self, at: int, offset: int, entry: Entry | None) -> _Lines:
        if entry is None:
            return _NOTHING
        labels, state = entry
        shape = self._template(labels)
        key = (shape.values, *ids(state))
        if not shape.is_shown or not self._owns(at * PAGE + offset, key):
            return _NOTHING
        self._chunks[at].keys[offset] = key
        return shape.lines(state)

    def _template(self, labels: TaskLabels) -> "_Template":
        found = self._templates.get(labels)
        if found is None:
            if len(self._templates) >= MOST_TEMPLATES:
                self._templates.clear()
            found = self._templates[labels] = _Template(labels, self._labelling)
        return found

    # Two tasks that shared a series would make Prometheus refuse the entire page: the second one is not shown.

    def _owns(self, place: int, key: Key) -> bool:
        is_owner = self._owners.setdefault(key, place) == place
        if not is_owner:
            self._hidden[key][place] = None
        return is_owner

    def _left(self, changes: Mapping[int, Mapping[int, object]]) -> Iterator[int]:
        """Let go of the names of what has changed; these places hold what may have been hidden behind one."""
        for at, changed in changes.items():
            keys = self._chunks[at].keys
            for offset in changed:
                key = keys.pop(offset, None)
                if key is not None:
                    del self._owners[key]
                    yield from self._hidden.pop(key, ())


class _Chunk:
    """The lines of one page of tasks, by place."""

    def __init__(self) -> None:
        self.page: Page = ()
        self.keys: dict[int, Key] = {}
        self.standing: dict[Family, Piece] = dict.fromkeys(STANDING, Piece(()))
        self._ages: list[str] = []
        self._since: list[float | None] = []

    def take(self, page: Page) -> dict[int, Entry | None]:
        """The page is this now: the tasks of it that show something else than before, by place."""
        before, self.page = self.page, page
        missing = len(page) - len(self._ages)
        self._ages += [""] * missing
        self._since += [None] * missing
        pairs = enumerate(zip_longest(before, page))
        return {offset: entry for offset, (was, entry) in pairs if entry is not was and _differs(was, entry)}

    def write(self, changed: Mapping[int, _Lines]) -> None:
        """Put in these lines. What was handed out before stays as it is."""
        for index, family in enumerate(STANDING):
            texts = [*self.standing[family].texts]
            texts += [b""] * (len(self._ages) - len(texts))
            for offset, lines in changed.items():
                texts[offset] = lines.standing[index]
            if texts != self.standing[family].texts:
                self.standing[family] = Piece(texts)
        for offset, lines in changed.items():
            self._ages[offset], self._since[offset] = lines.age, lines.since

    def ages(self, now: float) -> Piece:
        """The lines of all ages."""
        ages = [max(0.0, now - since) for since in self._since if since is not None]
        written = [age if age < EXPONENT_FROM else number(age) for age in ages]
        return Piece((("".join(self._ages) % tuple(written)).encode(),))


class _Template:
    """How the lines of all tasks with the same labels look."""

    def __init__(self, labels: TaskLabels, labelling: Labelling) -> None:
        self.values = labelling.task_values(labels)
        self.is_shown = labelling.shows(Scope.TASK, self.values)
        self._user = labelling.user
        self._known = dict(zip(Scope.TASKS.label_names(self._user), self.values, strict=True))
        self._statuses: dict[Status, str] = {}
        self._age = self._before(task.ELAPSED)
        self._reported = {reported: self._before(family) for family, reported in REPORTED.items()}
        self._error = self._before(task.ERROR_INFO)

    def lines(self, state: TaskState) -> _Lines:
        """Those of one task."""
        task_id, out_task_id = map(escaped, ids(state))
        named = (out_task_id, task_id)
        status = self._status(state.status) % (named * len(Status))
        numbers = (_line(before % named, reported(state)) for reported, before in self._reported.items())
        error = _line(self._error % (escaped(error_code(state)), *named), 1.0) if state.status is Status.FAILED else ""
        standing = tuple(text.encode() for text in (status, *numbers, error))
        before = self._age % named
        if state.is_terminal or not math.isfinite(state.submitted_at):
            return _Lines(standing, _line(before, elapsed(state, 0.0)).replace("%", "%%"), None)
        return _Lines(standing, before.replace("%", "%%") + "%s\n", state.submitted_at)

    def _before(self, family: Family, **known: str) -> str:
        return template(family.name, family.label_names(self._user), self._known | known)

    def _status(self, current: Status) -> str:
        """All lines of the state set; where two tasks have the same status, it has the same ones."""
        if current not in self._statuses:
            each = ((self._before(task.STATUS, status=str(status)), float(status is current)) for status in Status)
            self._statuses[current] = "".join(_line(before, value) for before, value in each)
        return self._statuses[current]


def _line(before: str, value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{before}{number(value)}\n"


def _differs(was: Entry | None, entry: Entry | None) -> bool:
    return was is None or entry is None or _shown(was) != _shown(entry)


def _shown(entry: Entry) -> tuple[object, ...]:
    """The part of a task that its lines tell of."""
    labels, state = entry
    return (
        state.status,
        state.ref,
        labels,
        state.submitted_at,
        state.eta_seconds,
        state.credits_estimated,
        state.credits_used,
        state.error_code,
        state.duration,
    )
