"""A page written piece by piece: the same bytes that the client library would write of the collector's families.

What is remembered from one page to the next is only what was written of what: a page depends on its snapshot alone.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

from exporter.accounting.series import Series
from exporter.metrics.blocks import Block
from exporter.metrics.catalogue import FAMILIES
from exporter.metrics.collector import as_shown, bare
from exporter.metrics.counters import Amount, Counted, Counters
from exporter.metrics.family import Accumulated, Counter, Family, Histogram, Instantaneous, Scope
from exporter.metrics.gauges import Gauges, overall_gauges
from exporter.metrics.labelling import Labelling, LabelValues
from exporter.metrics.packing import Piece
from exporter.metrics.snapshot import Snapshot
from exporter.metrics.task_lines import TaskLines
from exporter.metrics.writing import line, openmetrics_heading, prefix, text_heading

SMALL = 1 << 13
"""Pieces of fewer bytes are joined: to keep each of them ready would cost more than it saves."""


@dataclass(frozen=True, slots=True)
class Page:
    """What stands on a page, and the stored series that it shows at 0 and that may count on the next one."""

    pieces: tuple[Piece, ...]
    announced: tuple[Series, ...]


class PageWriter:
    """Writes one page after the other, never two at once; ``breathe`` is called after each millisecond or so."""

    def __init__(self, breathe: Callable[[], None]) -> None:
        self._breathe = breathe
        self._ready: _Ready | None = None

    def write(self, snapshot: Snapshot, *, openmetrics: bool, families: Collection[Family] = FAMILIES) -> Page:
        """The page of a snapshot, of these families; the ``# EOF`` of OpenMetrics is not on it."""
        labelling = Labelling.of(snapshot)
        ready, self._ready = self._ready, None  # where it fails half way, nothing of it is gone on with
        if ready is None or ready.labelling != labelling:
            ready = _Ready(labelling, self._breathe)
        page = ready.page(snapshot, openmetrics=openmetrics, families=families)
        self._ready = ready
        return page


class _Ready:
    """All that is ready under one labelling."""

    def __init__(self, labelling: Labelling, breathe: Callable[[], None]) -> None:
        self.labelling = labelling
        self._counters = Counters(labelling)
        self._tasks = TaskLines(labelling, breathe)
        self._forms: dict[bool, _Form] = {}

    def page(self, snapshot: Snapshot, *, openmetrics: bool, families: Collection[Family]) -> Page:
        """One page."""
        counted = self._counters.of(snapshot)
        current = overall_gauges(snapshot, self.labelling, counted.label_sets)
        self._tasks.update(snapshot.census.listed)
        form = self._form(openmetrics=openmetrics)

        def lines(family: Family) -> Iterable[Piece]:
            if family.scope is Scope.TASK:
                return self._tasks.pieces(family, now=snapshot.census.at)
            return form.pieces(family, counted, current)

        wanted = (family for family in FAMILIES if family in families)
        pieces = (piece for family in wanted for piece in form.headed(family, lines(family)))
        return Page(tuple(_gathered(pieces)), counted.announced)

    def _form(self, *, openmetrics: bool) -> "_Form":
        if openmetrics not in self._forms:
            self._forms[openmetrics] = _Form(self.labelling.user, openmetrics=openmetrics)
        return self._forms[openmetrics]


class _Form:
    """The families in one format."""

    def __init__(self, user: tuple[str, ...], *, openmetrics: bool) -> None:
        heading = openmetrics_heading if openmetrics else text_heading
        self._headings = {family: Piece((heading(bare(family, user)).lines().encode(),)) for family in FAMILIES}
        self._gauges = {
            family: Block(_gauge_writer(family, family.label_names(user)))
            for family in FAMILIES
            if isinstance(family, Instantaneous)
        }
        self._counters = {
            family: Block(_writer(family, family.label_names(user), has_exemplars=openmetrics))
            for family in FAMILIES
            if isinstance(family, Accumulated)
        }

    def headed(self, family: Family, pieces: Iterable[Piece]) -> Iterator[Piece]:
        """A family's lines under its heading; nothing where it has none."""
        pieces = [piece for piece in pieces if piece.size]
        if pieces:
            yield self._headings[family]
            yield from pieces

    def pieces(self, family: Family, counted: Counted, current: Gauges) -> Iterable[Piece]:
        """The lines of a family, but for those of single tasks."""
        if isinstance(family, Instantaneous):
            return self._gauges[family].pieces(current[family])
        if isinstance(family, Accumulated):
            return self._counters[family].pieces(counted.amounts[family])
        raise TypeError(f"{family.name} is of no kind that can be shown")


def _gauge_writer(family: Family, names: tuple[str, ...]) -> Callable[[LabelValues, float], str]:
    before = prefix(family.name, names)
    return lambda values, value: line(before(values), value)


def _writer(
    family: Accumulated, names: tuple[str, ...], *, has_exemplars: bool
) -> Callable[[LabelValues, Amount], str]:
    match family:
        case Counter():
            return _counter_writer(family, names, has_exemplars=has_exemplars)
        case Histogram():
            return _histogram_writer(family, names, has_exemplars=has_exemplars)
        case _:
            raise TypeError(f"{family.name} is of no kind that can be shown")


def _counter_writer(
    family: Counter, names: tuple[str, ...], *, has_exemplars: bool
) -> Callable[[LabelValues, Amount], str]:
    before = prefix(f"{family.name.removesuffix('_total')}_total", names)

    def write(values: LabelValues, amount: Amount) -> str:
        exemplar = amount.exemplars.get(0) if has_exemplars else None
        return line(before(values), amount.numbers[0], as_shown(exemplar))

    return write


def _histogram_writer(
    family: Histogram, names: tuple[str, ...], *, has_exemplars: bool
) -> Callable[[LabelValues, Amount], str]:
    bucket, count, total = (
        prefix(f"{family.name}_bucket", (*names, "le")),
        prefix(f"{family.name}_count", names),
        prefix(f"{family.name}_sum", names),
    )
    bounds = [*(str(float(le)) for le in family.buckets), "+Inf"]

    def write(values: LabelValues, amount: Amount) -> str:
        exemplars = amount.exemplars if has_exemplars else {}
        counts = list(accumulate(amount.numbers[:-1]))
        lines = [
            line(bucket((*values, le)), number, as_shown(exemplars.get(position)))
            for position, (le, number) in enumerate(zip(bounds, counts, strict=True))
        ]
        return "".join([*lines, line(count(values), counts[-1]), line(total(values), amount.numbers[-1])])

    return write


def _gathered(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The same lines in fewer pieces."""
    small: list[bytes] = []
    for piece in pieces:
        if piece.size < SMALL:
            small += piece.texts
            continue
        yield from _whole(small)
        small = []
        yield piece
    yield from _whole(small)


def _whole(texts: list[bytes]) -> Iterator[Piece]:
    if texts:
        yield Piece(texts)
