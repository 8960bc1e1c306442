"""What the web needs of a running exporter."""

from typing import Protocol

from exporter.metrics.snapshot import Snapshot
from exporter.settings.model import Settings
from exporter.settings.reload import Difference


class Running(Protocol):
    """An exporter at work; nothing here asks the upstream anything."""

    @property
    def settings(self) -> Settings:
        """The configuration in force."""
        ...

    @property
    def faults(self) -> tuple[str, ...]:
        """Why it does not live as it should."""
        ...

    @property
    def unready(self) -> tuple[str, ...]:
        """What is missing before the metrics mean something."""
        ...

    def snapshot(self) -> Snapshot:
        """Everything that one scrape shows, at this instant."""
        ...

    async def reload(self, *, dry_run: bool = False) -> Difference:
        """Read the configuration again; raises ConfigError or LedgerError and changes nothing then."""
        ...
