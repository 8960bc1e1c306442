"""Everything that comes from outside the process, as parameters."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

import httpx

from exporter.clock import Clock


@dataclass(frozen=True, slots=True)
class World:
    """Time, chance, the environment, and the network (None: the real one)."""

    clock: Clock
    random: Random
    environ: Mapping[str, str]
    transport: httpx.AsyncBaseTransport | None = None
