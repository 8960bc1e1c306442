"""How many may be inside at once, whoever gives up meanwhile."""

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from exporter.dispatcher.turnstile import Turnstile


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_comes_first_is_let_in_first() -> None:
    turnstile, entered = Turnstile(1), list[int]()

    async def come(number: int) -> None:
        await turnstile.enter()
        entered.append(number)

    tasks = [asyncio.create_task(come(number)) for number in range(3)]
    for expected in ([0], [0, 1], [0, 1, 2]):
        await turns()
        assert (entered, turnstile.enter_at_once()) == (expected, False)
        turnstile.leave()
    assert turnstile.enter_at_once()
    await asyncio.gather(*tasks)


async def test_whoever_is_let_in_and_gives_up_in_one_moment_makes_room_for_the_next() -> None:
    turnstile = Turnstile(1)
    await turnstile.enter()
    first, second = (asyncio.create_task(turnstile.enter()) for _ in range(2))
    await turns()
    turnstile.leave()
    first.cancel()
    await turns()

    assert (first.cancelled(), second.done()) == (True, True)


async def test_one_that_is_closed_while_it_waits_takes_no_place() -> None:
    turnstile = Turnstile(1)
    await turnstile.enter()
    waiting = turnstile.enter()
    waiting.send(None)
    waiting.close()
    turnstile.leave()

    assert turnstile.enter_at_once()


STEPS = st.lists(st.sampled_from(["come", "come", "leave", "give up first", "give up last", "turn"]), max_size=40)


@given(STEPS, st.integers(1, 3))
def test_no_more_than_the_limit_are_inside_and_no_place_is_lost(steps: Sequence[str], limit: int) -> None:
    asyncio.run(crowd(steps, limit))


async def crowd(steps: Sequence[str], limit: int) -> None:
    turnstile, inside, waiting = Turnstile(limit), 0, list[asyncio.Task[None]]()

    async def come() -> None:
        nonlocal inside
        await turnstile.enter()
        inside += 1

    for step in steps:
        if step == "come":
            waiting.append(asyncio.create_task(come()))
        elif step == "leave" and inside:
            inside -= 1
            turnstile.leave()
        elif step.startswith("give up") and waiting:
            waiting.pop(0 if step.endswith("first") else -1).cancel()
        elif step == "turn":
            await turns()
        assert inside <= limit
    for _ in range(len(steps)):
        await turns()
        while inside:
            inside -= 1
            turnstile.leave()
    assert all(task.done() for task in waiting)
    assert [turnstile.enter_at_once() for _ in range(limit + 1)] == [True] * limit + [False]
