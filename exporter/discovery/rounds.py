"""One refresh after the other, told to a listener."""

from collections.abc import Awaitable
from dataclasses import dataclass

from exporter.discovery.source import Listener
from exporter.errors import ExporterError
from exporter.settings.errors import ConfigError, in_short
from exporter.settings.model import TargetSettings


@dataclass(frozen=True, slots=True)
class Found:
    """All targets that hold after a refresh, and what is wrong with the parts of it that could not be read."""

    targets: tuple[TargetSettings, ...]
    faults: tuple[str, ...] = ()


class Rounds:
    """Tells a listener what is new. What it could not take, it is told again at the next refresh."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._told: tuple[TargetSettings, ...] | None = None

    async def take(self, reading: Awaitable[Found]) -> None:
        """Wait for a reading and report it; a fault, be it of the reading or of the listener, is reported too."""
        try:
            found = await reading
            await self._tell(found.targets)
        except ConfigError as error:
            self._listener.failed(in_short(error))
        except ExporterError as error:
            self._listener.failed(str(error))
        except Exception as error:  # noqa: BLE001 (whatever a library raises, no source may end by it)
            self._listener.failed(f"unforeseen {type(error).__name__}")
        else:
            self._conclude(found.faults)

    async def _tell(self, targets: tuple[TargetSettings, ...]) -> None:
        if targets != self._told:
            await self._listener.found(targets)
            self._told = targets

    def _conclude(self, faults: tuple[str, ...]) -> None:
        if faults:
            self._listener.failed(*faults)
        else:
            self._listener.refreshed()
