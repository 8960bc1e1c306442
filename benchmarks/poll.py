"""What one poll costs, all its checks and limits included, beside a bare ``httpx`` post of the same request.

``python -m benchmarks.poll`` prints CPU time a request, both ways, over loopback with two requests in flight.
"""

import asyncio
from collections.abc import Iterator, Sequence
from random import Random

import httpx
import structlog

from benchmarks._figures import Figure, Goal
from benchmarks._rounds import compare, timed
from benchmarks._upstream import upstream
from exporter.clock import SystemClock
from exporter.dispatcher.account import Account
from exporter.dispatcher.answer import Drift, Reason
from exporter.outbound import Outbound
from exporter.settings.model import AccountSettings
from exporter.tasks.identity import TaskRef

REQUESTS = 1000
IN_FLIGHT = 2
KEY = "sk-byts-benchmark"


class Uncounted:
    """A request log that keeps nothing."""

    def request_finished(
        self, account: str, endpoint: str, *, seconds: float, failure: Reason | None, drift: Sequence[Drift]
    ) -> None:
        assert failure is None, (account, endpoint, seconds, drift)


async def ours(url: str) -> None:
    """As the exporter asks."""
    settings = AccountSettings("a", url, api_key_env="KEY", max_in_flight=IN_FLIGHT, max_requests_per_second=1e6)
    account = Account(
        settings,
        clock=SystemClock(),
        requests=Uncounted(),
        logger=structlog.get_logger(),
        random=Random(1),
        environ={"KEY": KEY},
        outbound=Outbound.of({}),
    )

    async def worker() -> None:
        for _ in range(REQUESTS // IN_FLIGHT):
            async with account.permit() as permit:
                await permit.query(TaskRef("a", "task_0"))

    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    await account.aclose()


async def bare(url: str) -> None:
    """As anybody would write it first."""
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {KEY}"}) as client:

        async def worker() -> None:
            for _ in range(REQUESTS // IN_FLIGHT):
                response = await client.post(f"{url}/v1/tasks/query", json={"task_id": "task_0"})
                assert response.json()["status"] == "running"

        await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))


def figures() -> Iterator[Figure]:
    """What ``benchmarks.report`` takes from here."""
    with upstream() as url:
        pair = timed(lambda: asyncio.run(ours(url)), lambda: asyncio.run(bare(url)), each=REQUESTS)
    yield Figure(
        name=f"one request with all its checks and limits, {IN_FLIGHT} in flight",
        cost=pair.ours,
        peer_name="httpx, client.post",
        peer=pair.peer,
        goal=Goal(share=1.0),
    )


if __name__ == "__main__":
    with upstream() as url:
        compare(
            lambda: asyncio.run(ours(url)),
            lambda: asyncio.run(bare(url)),
            each=REQUESTS,
            peer_name="httpx, client.post",
        )
