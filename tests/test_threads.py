"""What happens in a thread, and that one which hangs keeps nobody waiting."""

import asyncio
import threading

import pytest

from exporter.threads import Threads
from tests.support.listening import PATIENCE


def fail() -> None:
    raise KeyError("no such thing")


async def test_a_call_in_a_thread_comes_back_with_what_it_made() -> None:
    threads = Threads()

    assert await threads.run(threading.get_ident) != threading.get_ident()
    with pytest.raises(KeyError, match="no such thing"):
        await threads.run(fail)


async def test_a_call_that_hangs_keeps_nobody_waiting() -> None:
    hang = threading.Event()
    threads = Threads(at_once=2)
    hanging = [asyncio.create_task(threads.run(hang.wait)) for _ in range(2)]
    others = asyncio.create_task(threads.run(threading.get_ident))
    await asyncio.to_thread(threading.get_ident)  # the loop's own pool is free
    assert not others.done(), "so many at once"

    hanging[0].cancel()
    await asyncio.wait_for(others, PATIENCE)
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "in_thread")

    hang.set()
    assert await asyncio.wait_for(hanging[1], PATIENCE)


def test_the_end_of_the_loop_does_not_wait_for_it() -> None:
    hang, ended = threading.Event(), threading.Event()

    def outlast() -> None:
        hang.wait()
        ended.set()

    async def begin() -> None:
        asyncio.get_running_loop().call_later(0.01, asyncio.current_task().cancel)  # type: ignore[union-attr]
        await Threads().run(outlast)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(begin())
    assert not ended.is_set()
    hang.set()
    assert ended.wait(PATIENCE)
