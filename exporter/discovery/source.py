"""What a source of tasks is, what it is given, and how it reports one refresh after the other.

A source runs on the event loop, but whatever grows with the number of its tasks, and whatever may block, happens in a
thread: the loop is handed finished items, and only when they have changed.
"""

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from hashlib import blake2b
from random import Random
from typing import Protocol

import httpx
from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.discovery.items import Items
from exporter.errors import ExporterError
from exporter.settings.errors import ConfigError, in_short
from exporter.tasks.item import Item
from exporter.threads import Threads, aside


class DiscoveryError(ExporterError):
    """A refresh that found nothing to go by; what was found last holds."""


# ---- names -----------------------------------------------------------------------------------------------------------


class Mechanism(StrEnum):
    """How tasks become known: the ``mechanism`` label of the ``bytespike_exporter_sd_…`` families."""

    STATIC = "static"
    FILE = "file_sd"
    HTTP = "http_sd"
    API = "api"


MAX_ADDRESS = 160
"""Characters of the address in a source's name."""


def source_name(group: str, mechanism: Mechanism, address: str = "") -> str:
    """What everybody calls a source, operators too: it says what the source is, never where it stands.

    ``address`` tells it from others of its group and mechanism; the middle of a long one gives way to a digest.
    """
    if len(address) > MAX_ADDRESS:
        end = MAX_ADDRESS // 2 - len(short_digest(address)) // 2 - 1
        address = f"{address[:end]}…{short_digest(address)}…{address[-end:]}"
    return "/".join([group, mechanism, *([address] if address else [])])


def short_digest(*parts: object) -> str:
    """Eight hexadecimal digits that tell values apart without showing them."""
    return blake2b(repr(parts).encode(), digest_size=4).hexdigest()


# ---- a source and those around it ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SourceDependencies:
    """What a running source needs besides its settings; without a transport it uses the real network, and without an
    environment the process' own.
    """

    clock: Clock
    random: Random
    log: FilteringBoundLogger
    transport: httpx.AsyncBaseTransport | None = None
    threads: Threads = field(default_factory=Threads)
    environ: Mapping[str, str] | None = None


class Listener(Protocol):
    """Whoever a source reports to: at each refresh ``found``, if anything changed, then ``refreshed`` or ``failed``."""

    async def found(self, items: Sequence[Item], *, is_whole: bool) -> None:
        """These are all the items that the source names now.

        ``is_whole`` is false until the source has been read in full once since it was started: what the listener has
        from an earlier run, and is not among these, may stand in the part that could not be read. Raises LedgerError
        where they cannot be taken yet; then they are told again at the next refresh.
        """
        ...

    def refreshed(self) -> None:
        """A refresh was good in every part, and what it found is taken."""
        ...

    def failed(self, *reasons: str) -> None:
        """A refresh failed, or parts of it did, a reason each; what could not be read is as it was last found."""
        ...


class Source(Protocol):
    """One place that names tasks of one group. It is a value: equal ones are one source, and may run on as such."""

    @property
    def group(self) -> str: ...

    @property
    def mechanism(self) -> Mechanism: ...

    @property
    def name(self) -> str:
        """As ``source_name`` makes it: unlike those of other sources, and the same whatever surrounds this one."""
        ...

    async def run(self, listener: Listener, dependencies: SourceDependencies) -> None:
        """Report what is found, again whenever it changes, for ever. A fault is reported, never raised."""
        ...


# ---- refreshes -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reading:
    """All items that hold after a refresh, and what is wrong with the parts of it that could not be read.

    Items that have not changed are the very same object as last time, so that nobody has to compare them on the loop.
    Where they are replaced, they are nobody else's.
    """

    items: Items
    faults: tuple[str, ...] = ()


AT_ONCE = 10_000
"""So many items may be freed at once."""


class Refreshes:
    """Tells a listener what is new. What it could not take, it is told again at the next refresh."""

    def __init__(self, listener: Listener, threads: Threads) -> None:
        self._listener = listener
        self._threads = threads
        self._told: Items | None = None
        self._is_whole = False

    async def report(self, reading: Awaitable[Reading]) -> None:
        """Wait for a reading and report it; a fault, be it of the reading or of the listener, is reported too."""
        try:
            read = await reading
            await self._tell(read)
        except ConfigError as error:
            self._listener.failed(in_short(error))
        except ExporterError as error:
            self._listener.failed(str(error))
        except Exception as error:  # noqa: BLE001 (whatever a library raises, no source may end by it)
            self._listener.failed(f"unforeseen {type(error).__name__}")
        else:
            self._conclude(read.faults)

    async def _tell(self, read: Reading) -> None:
        is_whole = self._is_whole or not read.faults
        if read.items is not self._told or is_whole is not self._is_whole:
            await self._listener.found(read.items, is_whole=is_whole)
            over = self._told if self._told is not read.items else None
            self._told, self._is_whole = read.items, is_whole
            if over is not None and len(over) > AT_ONCE:
                await self._threads.run(over.let_go)

    def _conclude(self, faults: tuple[str, ...]) -> None:
        if faults:
            self._listener.failed(*faults)
        else:
            self._listener.refreshed()


def let_go(lists: Iterable[Items]) -> None:
    """Free the items of lists that nobody reads any more, for their source has ended: of long ones in a thread."""
    held = [items for items in lists if len(items) > AT_ONCE]
    if held:
        aside(partial(_let_go, held))


def _let_go(held: Iterable[Items]) -> None:
    for items in held:
        items.let_go()
