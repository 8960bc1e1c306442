"""Names are looked up beside everything else: once at a time each, a few at once, and never waited for at the end."""

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from exporter import lookups
from exporter.lookups import Lookups
from tests.support.listening import PATIENCE


class Resolver:
    """Hangs for names that begin with ``silent`` until it is released, and knows no name that begins with ``no``."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.released = threading.Event()

    def look(self, host: str, port: int, **_: int) -> object:
        self.asked[host] += 1
        if host.startswith("silent"):
            self.released.wait()
        if host.startswith("no"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    resolver = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", resolver.look)
    yield resolver
    resolver.released.set()


async def look(names: Lookups, host: str) -> object:
    return await asyncio.wait_for(names.addresses(host, 443), PATIENCE)


async def give_up(names: Lookups, host: str) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(names.addresses(host, 443), 0.02)


async def test_a_name_becomes_addresses_or_a_fault(resolver: Resolver) -> None:
    names = Lookups()

    assert await look(names, "api") == [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 443))]
    with pytest.raises(socket.gaierror, match="not known"):
        await look(names, "no.such")
    await look(names, "api")
    assert resolver.asked == {"api": 2, "no.such": 1}, "nothing is remembered"


async def test_a_name_takes_one_thread_however_often_it_is_given_up(resolver: Resolver) -> None:
    names = Lookups(at_once=2)
    for _ in range(5):
        await give_up(names, "silent")

    await look(names, "api")
    assert resolver.asked == {"silent": 1, "api": 1}
    waiting = [asyncio.create_task(look(names, "silent")) for _ in range(3)]
    await asyncio.sleep(0)
    resolver.released.set()
    assert len(await asyncio.gather(*waiting)) == 3
    assert resolver.asked["silent"] == 1


async def test_a_look_up_that_was_given_up_keeps_its_place(resolver: Resolver) -> None:
    names = Lookups(at_once=2)
    for host in ("silent1", "silent2", "api"):
        await give_up(names, host)
    assert set(resolver.asked) == {"silent1", "silent2"}, "so many threads at most"

    resolver.released.set()
    await look(names, "api")


def test_the_end_of_the_loop_does_not_wait_for_it(resolver: Resolver) -> None:
    async def give_up_connecting() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.open_connection("silent", 80), 0.02)

    lookups.run(give_up_connecting())
    assert not resolver.released.is_set()


async def nobody_listens() -> None:
    await asyncio.open_connection("no.such", 80)


def test_the_loop_asks_for_all_that_runs_on_it(resolver: Resolver) -> None:
    with pytest.raises(socket.gaierror):
        lookups.run(nobody_listens())
    assert resolver.asked == {"no.such": 1}
