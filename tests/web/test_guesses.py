"""Wrong credentials are counted, summed up and answered ever later; right ones never wait."""

import asyncio

import pytest
import structlog
from structlog.testing import LogCapture

from exporter.metrics.families.own import Credential
from exporter.summed import SummedLog
from exporter.web.api.refusals import Refusal
from exporter.web.guesses import FREE, MOST_ADDRESSES, MOST_WAITING, MOST_WAITING_EACH, Guesses
from tests.support.fake_clock import FakeClock


class Rig:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.counted: list[Credential] = []
        self.lines = LogCapture()
        log = SummedLog(structlog.wrap_logger(None, processors=[self.lines]), self.clock)
        self.guesses = Guesses(self.clock, count=self.counted.append, log=log)

    async def seconds(self, address: str = "10.0.0.7") -> float:
        """How long one more wrong token from an address is held back."""
        before = self.clock.monotonic()
        task = asyncio.create_task(self.guesses.refused(Credential.TOKEN, address))
        await self.clock.settle()
        while not task.done():
            await self.clock.advance(0.25)
        await task
        return self.clock.monotonic() - before


async def test_the_first_are_answered_at_once_and_the_others_ever_later() -> None:
    rig = Rig()
    assert [await rig.seconds() for _ in range(FREE + 7)] == [0.0] * FREE + [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


async def test_each_address_by_itself_and_it_is_forgotten() -> None:
    rig = Rig()
    for _ in range(FREE + 2):
        await rig.seconds()
    assert await rig.seconds("10.0.0.8") == 0.0
    await rig.clock.advance(301.0)
    assert await rig.seconds() == 0.0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("10.0.0.7", "::ffff:10.0.0.7", True),
        ("::ffff:10.0.0.7", "::ffff:10.0.0.8", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("", "", True),
    ],
)
async def test_whose_they_are(one: str, other: str, same: bool) -> None:
    """Whoever has one IPv6 address has all that begin alike."""
    rig = Rig()
    for _ in range(FREE):
        await rig.seconds(one)
    assert (await rig.seconds(other) > 0.0) is same


async def test_so_many_wait_and_the_others_are_told_to_come_back() -> None:
    rig = Rig()
    for _ in range(FREE):
        await rig.seconds("a")
    waiting = [asyncio.create_task(rig.guesses.refused(Credential.TOKEN, "a")) for _ in range(MOST_WAITING_EACH)]
    await rig.clock.settle()
    with pytest.raises(Refusal) as caught:
        await rig.guesses.refused(Credential.TOKEN, "a")
    assert (caught.value.status, caught.value.headers) == (429, {"Retry-After": "8"})
    assert await rig.seconds("b") == 0.0
    await rig.clock.advance(60.0)
    assert all(task.done() for task in waiting)


async def test_all_addresses_together_hold_so_many_and_whoever_hangs_up_makes_room() -> None:
    rig = Rig()
    tasks: list[asyncio.Task[None]] = []
    for number in range(MOST_WAITING):
        for _ in range(FREE):
            await rig.guesses.refused(Credential.CALLBACK, f"a{number}")
        tasks.append(asyncio.create_task(rig.guesses.refused(Credential.CALLBACK, f"a{number}")))
    await rig.clock.settle()
    for _ in range(FREE):
        await rig.guesses.refused(Credential.CALLBACK, "one more")
    with pytest.raises(Refusal):
        await rig.guesses.refused(Credential.CALLBACK, "one more")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert await rig.seconds("one more") > 0.0


async def test_what_is_remembered_is_bounded() -> None:
    rig = Rig()
    for number in range(MOST_ADDRESSES + 100):
        await rig.guesses.refused(Credential.TOKEN, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(rig.guesses._by_address) == MOST_ADDRESSES


async def test_each_is_counted_and_a_flood_is_one_line_a_minute() -> None:
    rig = Rig()
    for number in range(500):
        await rig.guesses.refused(Credential.TOKEN, f"a{number}")
    await rig.guesses.refused(Credential.CALLBACK, "b")
    await rig.clock.advance(60.0)

    assert (rig.counted.count(Credential.TOKEN), rig.counted.count(Credential.CALLBACK)) == (500, 1)
    assert [(line["event"], line["kind"], line.get("address"), line.get("times")) for line in rig.lines.entries] == [
        ("credentials_refused", "token", "a0", None),
        ("credentials_refused", "callback", "b", None),
        ("credentials_refused", "token", None, 499),
    ]
