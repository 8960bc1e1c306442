"""Everything that comes from outside the process, as parameters."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

import httpx

from exporter.clock import Clock


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Time, chance, the environment, the network (None: the real one), and who keeps secrets out of the logs."""

    clock: Clock
    random: Random
    environ: Mapping[str, str]
    transport: httpx.AsyncBaseTransport | None = None
    hide: Callable[[str], None] = lambda _: None
