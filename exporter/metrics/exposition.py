"""A snapshot as the page that a scrape gets: pure, and fit to be called in a thread."""

import gzip
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prometheus_client.exposition import choose_encoder
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector, CollectorRegistry

from exporter.accounting.series import Series
from exporter.metrics.catalogue import BY_NAME
from exporter.metrics.collector import SnapshotCollector
from exporter.metrics.family import Histogram
from exporter.metrics.snapshot import Snapshot

# The library's level 9 takes five times as long as 1 and saves a sixth of the bytes.
GZIP_LEVEL = 1

_REFUSED = re.compile(r";\s*q\s*=\s*0(\.0*)?\s*(;|$)")
# The library compares a version as numbers and repeats it in its answer: only a clean one may reach it.
_ODD_VERSION = re.compile(r"version\s*=(?!\s*[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\s*(;|$))")

# These ways of escaping change names that need no escaping, too: the library writes them.
_REWRITTEN = re.compile(r"escaping\s*=\s*(dots|values)")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A page and the headers that describe it; ``content_encoding`` is None where it is not compressed.

    ``announced`` are the stored series that it shows at 0 and that may count on the next page.
    """

    body: bytes
    content_type: str
    content_encoding: str | None = None
    announced: tuple[Series, ...] = ()


def standard_collectors() -> tuple[Collector, ...]:
    """What every Python exporter shows of its process, its platform and its garbage collector."""
    return (
        ProcessCollector(registry=None),
        PlatformCollector(registry=None),
        GCCollector(registry=CollectorRegistry()),
    )


def render(
    snapshot: Snapshot,
    *,
    accept: str | None = None,
    accept_encoding: str | None = None,
    names: Sequence[str] = (),
    collectors: Sequence[Collector] = (),
) -> Rendered:
    """The page of a snapshot, in the format and encoding that the headers ask for.

    ``names`` are the values of ``name[]``: where there are any, only these samples are shown (a histogram's name stands
    for all of its samples), and names that do not exist show nothing. ``collectors`` are shown behind the snapshot.
    """
    ours = SnapshotCollector(snapshot)
    encode, content_type = choose_encoder(_understood(accept or ""))
    if names or _REWRITTEN.search(content_type):
        registry = _registry(ours, *collectors)
        body = encode(registry.restricted_registry(_samples(names)) if names else registry)
    else:
        openmetrics = content_type.startswith("application/openmetrics-text")
        body = ours.write(openmetrics=openmetrics) + encode(_registry(*collectors))
    announced = tuple(series for series in ours.announced if not names or series.family in names)
    if not _takes_gzip(accept_encoding or ""):
        return Rendered(body, content_type, announced=announced)
    return Rendered(gzip.compress(body, GZIP_LEVEL, mtime=0), content_type, "gzip", announced)


def _registry(*collectors: Collector) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=True)
    for collector in collectors:
        registry.register(collector)
    return registry


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
