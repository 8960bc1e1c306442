"""What a source of tasks is. A new one is a new file beside this, and a line in ``exporter.discovery.configured``."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from exporter.settings.model import TargetSettings


class Mechanism(StrEnum):
    """How tasks become known: the ``mechanism`` label of the ``bytespike_exporter_sd_…`` families."""

    STATIC = "static"
    FILE = "file_sd"
    HTTP = "http_sd"
    API = "api"


class Listener(Protocol):
    """Whoever a source reports to."""

    async def found(self, targets: Sequence[TargetSettings]) -> None:
        """These are all the targets that the source names now. Raises LedgerError where they cannot be taken yet."""
        ...

    def failed(self, reason: str) -> None:
        """A refresh failed; what was found last still holds."""
        ...


class Source(Protocol):
    """One place that names tasks of one group."""

    async def run(self, listener: Listener) -> None:
        """Report what is found, again whenever it changes, for ever. A fault is reported, never raised."""
        ...
