"""What passes the gate before the app, and how many at once."""

import asyncio
from collections import Counter

from starlette.types import Message, Receive, Scope, Send

from exporter.web.gate import BEGUN_A_TURN, Gate
from exporter.web.places import Capacity, Places


def request(path: str) -> Scope:
    return {"type": "http", "path": path, "headers": [], "http_version": "1.1"}


async def nothing() -> Message:
    return {"type": "http.disconnect"}


async def nowhere(_message: Message) -> None:
    pass


async def test_a_crowd_begins_by_turns_and_what_is_vital_does_not_wait_for_it() -> None:
    """Each turn of the event loop would be as long as the crowd is large, and a scrape takes many of them."""
    turn = 0
    begun: Counter[tuple[str, int]] = Counter()

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        begun[scope["path"], turn] += 1

    gate = Gate(app, Places(lambda: Capacity(10, 10)), vital={"/metrics"})
    crowd = [asyncio.create_task(gate(request("/"), nothing, nowhere)) for _ in range(20 * BEGUN_A_TURN)]
    scrape = asyncio.create_task(gate(request("/metrics"), nothing, nowhere))
    while not all(task.done() for task in crowd):
        await asyncio.sleep(0)
        turn += 1
    await scrape

    assert begun["/metrics", 1] == 1
    assert sum(begun.values()) == len(crowd) + 1
    assert max(count for (path, _), count in begun.items() if path == "/") <= BEGUN_A_TURN
