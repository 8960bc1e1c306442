"""Background loops that cannot end unseen."""

import asyncio
from collections.abc import Coroutine

from structlog.typing import FilteringBoundLogger


class Loops:
    """The loops that run for as long as the exporter does. One that ends by itself makes the exporter unhealthy."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._dead: set[str] = set()

    @property
    def dead(self) -> frozenset[str]:
        """The names of loops that ended though nobody stopped them."""
        return frozenset(self._dead)

    def start(self, name: str, loop: Coroutine[object, object, None]) -> None:
        """Run a loop under a name, in place of one that has died under it."""
        task = asyncio.create_task(loop, name=name)
        self._tasks[name] = task
        self._dead.discard(name)
        task.add_done_callback(self._ended)

    async def stop(self, *names: str) -> None:
        """Stop these loops, or all of them; one that has died before is forgiven, for nobody wants it any more."""
        stopped = [self._tasks.pop(name) for name in names or tuple(self._tasks) if name in self._tasks]
        self._dead.difference_update(names or tuple(self._dead))
        for task in stopped:
            task.cancel()
        await asyncio.gather(*stopped, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self._tasks.get(task.get_name()) is not task:
            return  # it was stopped
        self._dead.add(task.get_name())
        error = None if task.cancelled() else task.exception()
        self._log.critical("loop_died", loop=task.get_name(), exc_info=error)
