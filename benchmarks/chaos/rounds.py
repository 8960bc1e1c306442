"""Scrapes of all replicas at the same moments, as Prometheus makes them: who shows, and who says to own, an account."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import httpx

from tests.support.scraped import Scraped

SECONDS = 1.0
SHOWN = ("bytespike_tasks", "bytespike_tasks_finished_total", "bytespike_up")
"""One of each kind of series that an account has: of what is now, of what was counted, of the account itself."""

OWNED = "bytespike_exporter_account_owned"

HEADERS = {"x-prometheus-scrape-timeout-seconds": f"{SECONDS:g}", "connection": "close"}


@dataclass(frozen=True, slots=True)
class Page:
    """What one replica told in one round; nothing where it did not answer."""

    shows: frozenset[str] = frozenset()
    owns: frozenset[str] = frozenset()


Round = Sequence[Page]
"""One page of each replica."""


class Rounds:
    """One round a second, in a thread of its own, while it is entered."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._urls = [f"http://{address}/metrics" for address in addresses]
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self.seen: list[Round] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join(20)

    async def _run(self) -> None:
        async with httpx.AsyncClient(timeout=SECONDS, headers=HEADERS, trust_env=False) as http:
            while not self._is_over.is_set():
                self.seen.append(await asyncio.gather(*(_page(http, url) for url in self._urls)))
                await asyncio.sleep(SECONDS)


async def _page(http: httpx.AsyncClient, url: str) -> Page:
    try:
        response = await http.get(url, params={"name[]": [*SHOWN, OWNED]})
        page = Scraped(response.raise_for_status().text)
    except httpx.HTTPError:
        return Page()
    shows = frozenset(sample.labels["account"] for name in SHOWN for sample in page.samples(name))
    return Page(shows, frozenset(sample.labels["account"] for sample in page.samples(OWNED) if sample.value == 1))
