"""A whole exporter in this process: the real ledger, a clock that a test moves, an upstream that a test writes."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx
import structlog

from exporter.ledger.store import SqliteLedger
from exporter.metrics.snapshot import BuildView
from exporter.service.dependencies import Dependencies
from exporter.service.exporter import Exporter
from exporter.settings.load import load
from exporter.web.app import create_app
from tests.support.fake_clock import FakeClock
from tests.support.faulty_ledger import FaultyLedger

CONFIG = """\
global: {labels: [team], retention: 1h, not_found_grace: 0s}
accounts:
  - {name: one, base_url: "http://upstream.test", api_key_env: KEY}
task_groups:
  - {name: renders, model: sora-2, labels: {team: video}, api_config: {}}
"""


@dataclass
class Upstream:
    """What the API says of each task, by either id, and who was asked for."""

    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    fault: Exception | None = None
    statuses: dict[str, int] = field(default_factory=dict)

    def answer(self, request: httpx.Request) -> httpx.Response:
        if self.fault:
            raise self.fault
        body = json.loads(request.content)
        name = str(body.get("task_id") or body.get("out_task_id"))
        self.asked.append(name)
        if name in self.statuses:
            return httpx.Response(self.statuses[name], json={"error": {"code": "no"}})
        if name not in self.records:
            return httpx.Response(404, json={"error": {"code": "task_not_found"}})
        return httpx.Response(200, json={**body, **self.records[name]})


@dataclass
class Rig:
    """The exporter and a client of its API, which comes from loopback and means ``localhost``."""

    exporter: Exporter
    client: httpx.AsyncClient
    clock: FakeClock
    upstream: Upstream
    directory: Path
    ledger: FaultyLedger

    def client_from(self, host: str, *, base_url: str = "http://localhost:9877") -> httpx.AsyncClient:
        """A client of the same app that comes from another address."""
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app, client=(host, 1234)), base_url=base_url)

    @property
    def app(self) -> Any:
        return self.client._transport.app  # type: ignore[attr-defined] # it is an ASGITransport

    async def register(self, *task_ids: str, **item: object) -> dict[str, Any]:
        """Register tasks; what was answered."""
        answer = await self.client.post("/api/v1/tasks", json={"task_ids": list(task_ids), **item})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def followed(self) -> list[str]:
        """The ids of what is followed, as the API lists them."""
        answer = await self.client.get("/api/v1/tasks", params={"limit": 1000})
        return [task["task_id"] or task["out_task_id"] for task in answer.json()["tasks"]]

    async def metrics(self) -> str:
        """The page of metrics, once everything has been committed: the ledger's thread follows no clock of ours."""
        await self.clock.advance(1)
        while not await self.exporter.flush():
            await self.clock.advance(1)
        return (await self.client.get("/metrics")).text

    async def reload(self, config: str) -> None:
        """Let another configuration hold; the ledger stays."""
        write_config(self.directory, config)
        await self.exporter.reload()


def write_config(directory: Path, config: str) -> None:
    """Complete a configuration by its ledger, and write it."""
    (directory / "exporter.yml").write_text(f"{config}ledger: {{url: 'sqlite:///{directory}/ledger.db'}}\n")


@asynccontextmanager
async def api_rig(
    directory: Path, config: str = CONFIG, *, upstream: Upstream | None = None, clock: FakeClock | None = None
) -> AsyncIterator[Rig]:
    """A running exporter; its ledger stays in the directory for the next one."""
    write_config(directory, config)
    upstream, clock = upstream or Upstream(), clock or FakeClock()
    ledger = FaultyLedger(SqliteLedger(f"sqlite:///{directory}/ledger.db"))
    exporter = Exporter(
        load(directory / "exporter.yml"),
        config_file=directory / "exporter.yml",
        build=BuildView("1", "abc", "3"),
        dependencies=Dependencies(
            clock, Random(1), {"KEY": "sk-byts-of-the-rig"}, httpx.MockTransport(upstream.answer)
        ),
        log=structlog.get_logger(),
        ledger=ledger,
    )
    await exporter.start()
    app = create_app(exporter, log=structlog.get_logger())
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:9877")
    try:
        async with client:
            yield Rig(exporter, client, clock, upstream, directory, ledger)
    finally:
        await exporter.stop(deadline=5.0)
