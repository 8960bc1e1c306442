import asyncio

import pytest

from exporter.web.renders import BusyError, Renders


async def hold(renders: Renders, release: asyncio.Event, holding: list[int]) -> None:
    async with renders.place():
        holding.append(1)
        await release.wait()


async def test_so_many_at_once_so_many_wait_and_the_next_is_turned_away() -> None:
    renders, release = Renders(at_once=2, waiting=3), asyncio.Event()
    holding: list[int] = []
    tasks = [asyncio.create_task(hold(renders, release, holding)) for _ in range(5)]
    await asyncio.sleep(0)
    assert len(holding) == 2
    with pytest.raises(BusyError):
        await hold(renders, release, holding)
    release.set()
    await asyncio.gather(*tasks)
    assert len(holding) == 5
    await hold(renders, release, holding)


async def test_who_gives_up_waiting_leaves_the_queue() -> None:
    renders, release = Renders(at_once=1, waiting=1), asyncio.Event()
    holding: list[int] = []
    first, second = (asyncio.create_task(hold(renders, release, holding)) for _ in range(2))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    third = asyncio.create_task(hold(renders, release, holding))
    release.set()
    await asyncio.gather(first, third)
    assert len(holding) == 2
