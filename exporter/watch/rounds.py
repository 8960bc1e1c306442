"""Asks the exporter round after round, never so often that answering becomes a burden to it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from exporter.clock import Clock
from exporter.watch.client import NoAnswerError
from exporter.watch.overview import Filters, Overview

REST = 9.0
"""Between two rounds it has so many times as long to itself as one took: a tenth of its time is ours at most."""

REFUSED_SECONDS = 15.0
"""So long after it has refused us: wrong credentials are counted, and answered late."""


class Answering(Protocol):
    """Whoever is asked."""

    async def overview(self, filters: Filters) -> Overview:
        """How everything is now; raises NoAnswerError."""
        ...


async def rounds(
    exporter: Answering, filters: Filters, *, interval: float, clock: Clock
) -> AsyncIterator[Overview | NoAnswerError]:
    """What each round brings, without end; ``interval`` is in seconds."""
    while True:
        started = clock.monotonic()
        try:
            found: Overview | NoAnswerError = await exporter.overview(filters)
        except NoAnswerError as error:
            found = error
        took = clock.monotonic() - started
        yield found
        await clock.sleep(_pause(found, took, interval))


def _pause(found: Overview | NoAnswerError, took: float, interval: float) -> float:
    if isinstance(found, NoAnswerError):
        return max(interval, REFUSED_SECONDS if found.is_refusal else 0.0)
    return max(interval, REST * took)


async def until_stopped(work: "asyncio.Task[None]", stop: asyncio.Event) -> None:
    """Let something go on until it ends or somebody asks to stop; what it raises is raised here."""
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if work.done():
        work.result()
    work.cancel()
