"""Everything that comes from outside the process, as parameters."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

import httpx

from exporter.clock import Clock
from exporter.logs import Secrets


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Time, chance, the environment, the network (None: the real one), and who knows what must not be shown.

    ``take_dropped_lines`` tells how many lines of the log were dropped since it was asked last.
    """

    clock: Clock
    random: Random
    environ: Mapping[str, str]
    transport: httpx.AsyncBaseTransport | None = None
    secrets: Secrets = field(default_factory=Secrets)
    take_dropped_lines: Callable[[], int] = int
