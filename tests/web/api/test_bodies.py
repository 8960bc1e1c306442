"""Bodies that come slowly, and how much of them is kept."""

import asyncio
from collections.abc import Mapping

import pytest
from starlette.requests import Request

from exporter.web.api.bodies import Bodies
from exporter.web.api.refusals import Refusal


class Sender:
    """Somebody who sends a body piece by piece."""

    def __init__(self, bodies: Bodies) -> None:
        self._pieces: asyncio.Queue[Mapping[str, object]] = asyncio.Queue()
        request = Request({"type": "http", "method": "POST", "headers": []}, self._pieces.get)  # type: ignore[arg-type]
        self.body = asyncio.create_task(bodies.read(request))

    async def sends(self, piece: bytes, *, more: bool = True) -> None:
        self._pieces.put_nowait({"type": "http.request", "body": piece, "more_body": more})
        for _ in range(5):
            await asyncio.sleep(0)


async def test_a_body_in_pieces() -> None:
    sender = Sender(Bodies(most_bytes=4))
    await sender.sends(b"some")
    await sender.sends(b"thing", more=False)
    assert await sender.body == b"something", "alone it may be as large as a route lets it"


async def test_of_too_much_what_has_been_on_its_way_longest_is_given_up() -> None:
    bodies = Bodies(most_bytes=10)
    slow, slower, quick = (Sender(bodies) for _ in range(3))
    await slow.sends(b"12345")
    await slower.sends(b"12345")
    await quick.sends(b"1")
    with pytest.raises(Refusal) as refused:
        await slow.body
    assert refused.value.status == 429
    await quick.sends(b"2345", more=False)
    assert await quick.body == b"12345"
    await slower.sends(b"67890", more=False)
    assert await slower.body == b"1234567890", "there is room again"
