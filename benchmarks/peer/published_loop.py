"""The published loop as a program: what anybody would write first, with ``httpx`` and a labelled gauge for each task.

It asks about each task in turn for as long as it is told, so many at once, and shows status, credits and estimate.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
from prometheus_client import CollectorRegistry, Gauge

LABELS = ("account", "group", "task_id")
STATUSES = ("pending", "running", "completed", "failed", "cancelled")


class PublishedLoop:
    """Its gauges, and the loop that fills them."""

    def __init__(self, base_url: str, key: str, *, registry: CollectorRegistry) -> None:
        self._url = f"{base_url}/v1/tasks/query"
        self._headers = {"Authorization": f"Bearer {key}"}
        self._status = Gauge("task_status", "1 for the current status.", (*LABELS, "status"), registry=registry)
        self._credits = Gauge("task_credits", "As estimated.", LABELS, registry=registry)
        self._eta = Gauge("task_eta_seconds", "As estimated.", LABELS, registry=registry)

    def client(self) -> httpx.AsyncClient:
        """The client to poll with."""
        return httpx.AsyncClient(headers=self._headers)

    async def run(self, client: httpx.AsyncClient, task_ids: Sequence[str], *, polls: int, in_flight: int) -> None:
        """Poll so many times in all."""
        turns = iter(range(polls))

        async def worker() -> None:
            for turn in turns:
                self._show(await self._ask(client, task_ids[turn % len(task_ids)]))

        await asyncio.gather(*(worker() for _ in range(in_flight)))

    async def _ask(self, client: httpx.AsyncClient, task_id: str) -> dict[str, Any]:
        response = await client.post(self._url, json={"task_id": task_id})
        record: dict[str, Any] = response.raise_for_status().json()
        return record

    def _show(self, record: dict[str, Any]) -> None:
        labels = ("default", "renders", record["task_id"])
        for status in STATUSES:
            self._status.labels(*labels, status).set(status == record["status"])
        self._credits.labels(*labels).set(record.get("estimated_credits", 0))
        self._eta.labels(*labels).set(record.get("estimated_seconds", 0))
