"""``watch`` without a screen: in a pipe, in a file, in a terminal that can do nothing but write lines."""

import asyncio
from collections.abc import Callable
from functools import partial

from exporter.clock import Clock
from exporter.threads import in_thread
from exporter.watch.client import NoAnswerError
from exporter.watch.lines import Lines
from exporter.watch.overview import Filters
from exporter.watch.rounds import Answering, rounds, until_stopped


async def watch_lines(
    exporter: Answering,
    filters: Filters,
    *,
    tell: Callable[[str], None],
    interval: float,
    clock: Clock,
    stop: asyncio.Event,
) -> None:
    """Tell what changes until ``stop`` is set. ``tell`` may block: a reader that is slow is waited for."""

    async def follow() -> None:
        lines = Lines()
        async for found in rounds(exporter, filters, interval=interval, clock=clock):
            told = lines.fault(str(found), clock.wall()) if isinstance(found, NoAnswerError) else lines.of(found)
            if text := "\n".join(told):
                await in_thread(partial(tell, text))

    await until_stopped(asyncio.create_task(follow()), stop)
