"""Telling a ``callback_url`` that its task has ended. The payload and the retries are invented.

Only loopback addresses are called: a simulator must not be a way to make a machine send requests elsewhere.
"""

import asyncio
from collections import Counter
from ipaddress import ip_address

import httpx

from exporter.clock import Clock
from exporter.simulator.records import Record, record
from exporter.simulator.tasks import Task

ATTEMPTS = 3
RETRY_SECONDS = 1.0
TIMEOUT_SECONDS = 5.0
WORKERS = 4
MAX_WAITING = 10_000


class Callbacks:
    """A bounded queue of callbacks and the workers that deliver them.

    ``counts`` says what became of them: ``delivered``, ``failed`` (after the retries), ``not_loopback``, ``dropped``
    (the queue was full).
    """

    def __init__(self, *, clock: Clock, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.counts: Counter[str] = Counter()
        self._clock = clock
        self._transport = transport
        self._waiting: asyncio.Queue[tuple[str, Record]] = asyncio.Queue(MAX_WAITING)

    def offer(self, task: Task) -> None:
        """Queue the callback of a task that has ended, where it has one."""
        if not task.callback_url:
            return
        if not is_loopback(task.callback_url):
            self.counts["not_loopback"] += 1
            return
        try:
            self._waiting.put_nowait((task.callback_url, record(task, task.lifecycle.end_at)))
        except asyncio.QueueFull:
            self.counts["dropped"] += 1

    async def run(self) -> None:
        """Deliver until cancelled."""
        client = httpx.AsyncClient(transport=self._transport, timeout=TIMEOUT_SECONDS, trust_env=False)
        async with client, asyncio.TaskGroup() as workers:
            for _ in range(WORKERS):
                workers.create_task(self._work(client))

    async def _work(self, client: httpx.AsyncClient) -> None:
        while True:
            url, payload = await self._waiting.get()
            delivered = await self._deliver(client, url, payload)
            self.counts["delivered" if delivered else "failed"] += 1

    async def _deliver(self, client: httpx.AsyncClient, url: str, payload: Record) -> bool:
        for attempt in range(ATTEMPTS):
            if attempt:
                await self._clock.sleep(RETRY_SECONDS * attempt)
            if await _post(client, url, payload):
                return True
        return False


def is_loopback(url: str) -> bool:
    """Whether an HTTP URL points at this machine."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):  # the latter where a character has no encoding
        return False
    return parsed.scheme in ("http", "https") and is_loopback_host(parsed.host)


def is_loopback_host(host: str) -> bool:
    """Whether a host is ``localhost`` or a loopback address."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


async def _post(client: httpx.AsyncClient, url: str, payload: Record) -> bool:
    try:
        answer = await client.post(url, json=payload)
    except httpx.HTTPError:
        return False
    return answer.is_success
