"""Runs what may hang or take long, a look at a file or a page that is rendered, in daemon threads.

Nothing runs in the event loop's own pool: a file system that hangs would take its few threads from scrapes, and the
process would wait for them at its end. Names are looked up in threads of their own, too (``lookups``).
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def in_thread(call: Callable[[], T]) -> T:
    """What the call returns or raises. One whose caller is cancelled runs on, and nobody hears of its result.

    Each call has a thread of its own: whoever calls sees to it that there are not many at once.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()
    threading.Thread(target=_run, args=(call, loop, done), name="in_thread", daemon=True).start()
    return await done


def aside(call: Callable[[], object]) -> None:
    """Make the call in a thread, of which nobody hears any more."""
    threading.Thread(target=call, name="aside", daemon=True).start()


class Threads:
    """So many calls at once at most; the others wait."""

    def __init__(self, *, at_once: int = 16) -> None:
        self._free = asyncio.Semaphore(at_once)

    async def run(self, call: Callable[[], T]) -> T:
        """As ``in_thread``, once there is room."""
        async with self._free:
            return await in_thread(call)


def _run(call: Callable[[], T], loop: asyncio.AbstractEventLoop, done: "asyncio.Future[T]") -> None:
    """Make the call, in a thread, and hand over what comes of it."""

    def hand_over(result: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop may be closed by now
            loop.call_soon_threadsafe(lambda: None if done.done() else result())

    try:
        value = call()
    except Exception as error:  # noqa: BLE001 (it is the caller's)
        fault = error
        hand_over(lambda: done.set_exception(fault))
    else:
        hand_over(lambda: done.set_result(value))
