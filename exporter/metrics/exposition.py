"""A snapshot as the page that a scrape gets: pure, and fit to be called in a thread.

The page is written in pieces (``page.py``), most of which are ready. Where only some of a histogram's samples are asked
for, or names are to be rewritten, the client library writes it.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.registry import Collector, CollectorRegistry

from exporter.accounting.series import Series
from exporter.clock import SystemClock
from exporter.metrics.catalogue import BY_NAME, FAMILIES
from exporter.metrics.collector import SnapshotCollector
from exporter.metrics.family import Family, Histogram
from exporter.metrics.negotiation import Encoder, chosen_format, takes_gzip
from exporter.metrics.packing import Piece, gzipped
from exporter.metrics.page import PageWriter
from exporter.metrics.process import ProcessSeries
from exporter.metrics.snapshot import Snapshot

_HISTOGRAMS = frozenset(family.name for family in FAMILIES if isinstance(family, Histogram))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request asks for: the headers that choose format and encoding, and the values of ``name[]``.

    Where there are names, only these samples are shown (a histogram's name stands for all of its samples), and names
    that do not exist show nothing.
    """

    accept: str = ""
    accept_encoding: str = ""
    names: tuple[str, ...] = ()

    @property
    def page(self) -> tuple[str, bool, frozenset[str]]:
        """What is equal for all who get the same page, in whatever words they ask for it."""
        return chosen_format(self.accept).content_type, takes_gzip(self.accept_encoding), frozenset(self.names)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A page and the headers that describe it; ``content_encoding`` is None where it is not compressed.

    Its ``pieces`` are to be sent one behind the other. Most are kept ready for the next page, too: to hold a page takes
    little room. ``announced`` are the stored series that it shows at 0 and that may count on the next page.
    """

    pieces: tuple[Piece, ...]
    content_type: str
    content_encoding: str | None = None
    announced: tuple[Series, ...] = ()

    @property
    def length(self) -> int:
        """How many bytes it has."""
        return sum(piece.size for piece in self.pieces)

    @property
    def body(self) -> bytes:
        """All of it at once."""
        return b"".join(piece.plain() for piece in self.pieces)


def standard_collectors() -> tuple[Collector, ...]:
    """What every Python exporter shows of its process, its platform and its garbage collector."""
    return (
        ProcessSeries(SystemClock()),
        PlatformCollector(registry=None),
        GCCollector(registry=CollectorRegistry()),
    )


class Renderer:
    """Renders one snapshot after the other, in any thread, but never two at once. What is written is kept ready.

    ``collectors`` are shown behind the snapshot. ``breathe`` is called now and then: for a moment, somebody else may
    have the interpreter.
    """

    def __init__(self, collectors: Sequence[Collector] = (), *, breathe: Callable[[], None] = lambda: None) -> None:
        self._collectors = collectors
        self._others = _registry(*collectors)
        self._writer = PageWriter(breathe)

    def render(self, snapshot: Snapshot, wanted: Wanted) -> Rendered:
        """The page of a snapshot, in the format and encoding that are asked for."""
        form = chosen_format(wanted.accept)
        families = _families(wanted.names)
        if families is None or form.is_rewritten:
            pieces, announced = self._by_library(snapshot, form.encode, wanted.names)
        else:
            page = self._writer.write(snapshot, openmetrics=form.is_openmetrics, families=families)
            rest = form.encode(_restricted(self._others, wanted.names))
            pieces, announced = (*page.pieces, Piece((rest,))), page.announced
        announced = tuple(series for series in announced if not wanted.names or series.family in wanted.names)
        if not takes_gzip(wanted.accept_encoding):
            return Rendered(pieces, form.content_type, announced=announced)
        return Rendered(gzipped([piece.packed() for piece in pieces]), form.content_type, "gzip", announced)

    def _by_library(
        self, snapshot: Snapshot, encode: Encoder, names: Sequence[str]
    ) -> tuple[tuple[Piece, ...], tuple[Series, ...]]:
        ours = SnapshotCollector(snapshot)
        page = encode(_restricted(_registry(ours, *self._collectors), names))
        return (Piece((page,)),), ours.announced


def render(
    snapshot: Snapshot,
    *,
    accept: str | None = None,
    accept_encoding: str | None = None,
    names: Sequence[str] = (),
    collectors: Sequence[Collector] = (),
) -> Rendered:
    """One page alone, with nothing ready for it."""
    return Renderer(collectors).render(snapshot, Wanted(accept or "", accept_encoding or "", tuple(names)))


def _registry(*collectors: Collector) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=True)
    for collector in collectors:
        registry.register(collector)
    return registry


def _restricted(registry: CollectorRegistry, names: Sequence[str]) -> Collector:
    return registry.restricted_registry(_samples(names)) if names else registry


def _families(names: Sequence[str]) -> Collection[Family] | None:
    """The families that are asked for; None where it is only a part of a histogram's samples."""
    if not names:
        return FAMILIES
    if any(name.rpartition("_")[0] in _HISTOGRAMS for name in names):
        return None
    return [BY_NAME[name] for name in names if name in BY_NAME]


def _samples(names: Sequence[str]) -> Iterator[str]:
    for name in names:
        yield name
        if isinstance(BY_NAME.get(name), Histogram):
            yield from (f"{name}_bucket", f"{name}_sum", f"{name}_count")
