"""What a source of tasks is. A new one is a new file beside this, and a line in ``exporter.discovery.configured``."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Protocol

import httpx
from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.settings.model import TargetSettings


class Mechanism(StrEnum):
    """How tasks become known: the ``mechanism`` label of the ``bytespike_exporter_sd_…`` families."""

    STATIC = "static"
    FILE = "file_sd"
    HTTP = "http_sd"
    API = "api"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a running source needs besides its settings; without a transport it uses the real network."""

    clock: Clock
    random: Random
    log: FilteringBoundLogger
    transport: httpx.AsyncBaseTransport | None = None


class Listener(Protocol):
    """Whoever a source reports to: at each refresh ``found``, if anything changed, then ``refreshed`` or ``failed``."""

    async def found(self, targets: Sequence[TargetSettings]) -> None:
        """These are all the targets that the source names now. Raises LedgerError where they cannot be taken yet."""
        ...

    def refreshed(self) -> None:
        """A refresh was good in every part."""
        ...

    def failed(self, *reasons: str) -> None:
        """A refresh failed, or parts of it did, a reason each; what could not be read is as it was last found."""
        ...


class Source(Protocol):
    """One place that names tasks of one group."""

    async def run(self, listener: Listener, surroundings: Surroundings) -> None:
        """Report what is found, again whenever it changes, for ever. A fault is reported, never raised."""
        ...
