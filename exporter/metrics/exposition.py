"""A snapshot as the page that a scrape gets: pure, and fit to be called in a thread.

The page is written in pieces (``page.py``), most of which are ready. Where only some of a histogram's samples are asked
for, or names are to be rewritten, the client library writes it.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client.exposition import choose_encoder
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector, CollectorRegistry

from exporter.accounting.series import Series
from exporter.metrics.catalogue import BY_NAME, FAMILIES
from exporter.metrics.collector import SnapshotCollector
from exporter.metrics.family import Family, Histogram
from exporter.metrics.packing import Piece, gzipped
from exporter.metrics.page import PageWriter
from exporter.metrics.snapshot import Snapshot

Encoder = Callable[[Collector], bytes]

_HISTOGRAMS = frozenset(family.name for family in FAMILIES if isinstance(family, Histogram))

_REFUSED = re.compile(r";\s*q\s*=\s*0(\.0*)?\s*(;|$)")
# The library compares a version as numbers and repeats it in its answer: only a clean one may reach it.
_ODD_VERSION = re.compile(r"version\s*=(?!\s*[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\s*(;|$))")

# These ways of escaping change names that need no escaping, too: the library writes them.
_REWRITTEN = re.compile(r"escaping\s*=\s*(dots|values)")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request asks for: the headers that choose format and encoding, and the values of ``name[]``.

    Where there are names, only these samples are shown (a histogram's name stands for all of its samples), and names
    that do not exist show nothing.
    """

    accept: str = ""
    accept_encoding: str = ""
    names: tuple[str, ...] = ()

    def canonical(self) -> "Wanted":
        """Whatever gets the same page, in the same words: what is equal may share one."""
        _, content_type = choose_encoder(_understood(self.accept))
        return Wanted(content_type, "gzip" if _takes_gzip(self.accept_encoding) else "", tuple(sorted(set(self.names))))


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
        ProcessCollector(registry=None),
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
        encode, content_type = choose_encoder(_understood(wanted.accept))
        families = _families(wanted.names)
        if families is None or _REWRITTEN.search(content_type):
            pieces, announced = self._by_library(snapshot, encode, wanted.names)
        else:
            openmetrics = content_type.startswith("application/openmetrics-text")
            page = self._writer.write(snapshot, openmetrics=openmetrics, families=families)
            rest = encode(_restricted(self._others, wanted.names))
            pieces, announced = (*page.pieces, Piece((rest,))), page.announced
        announced = tuple(series for series in announced if not wanted.names or series.family in wanted.names)
        if not _takes_gzip(wanted.accept_encoding):
            return Rendered(pieces, content_type, announced=announced)
        return Rendered(gzipped([piece.packed() for piece in pieces]), content_type, "gzip", announced)

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


def _understood(accept: str) -> str:
    """The media ranges that are neither refused nor of a version that is no version."""
    ranges = accept.split(",")
    return ",".join(each for each in ranges if not _REFUSED.search(each) and not _ODD_VERSION.search(each))


def _samples(names: Sequence[str]) -> Iterator[str]:
    for name in names:
        yield name
        if isinstance(BY_NAME.get(name), Histogram):
            yield from (f"{name}_bucket", f"{name}_sum", f"{name}_count")


def _takes_gzip(accept_encoding: str) -> bool:
    takes = {
        coding.partition(";")[0].strip().lower(): not _REFUSED.search(coding) for coding in accept_encoding.split(",")
    }
    return takes.get("gzip", takes.get("*", False))
