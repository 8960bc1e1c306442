"""A whole exporter in this process, before the simulator, on a clock that the test moves."""

import asyncio
import json
from pathlib import Path
from random import Random
from typing import Any

import httpx
import structlog
from structlog.testing import CapturingLogger

from exporter.ledger.store import SqliteLedger
from exporter.metrics.exposition import render
from exporter.metrics.snapshot import BuildView
from exporter.service.dependencies import Dependencies
from exporter.service.exporter import Exporter
from exporter.settings.load import load
from exporter.simulator.app import create_app
from exporter.simulator.batch import Batch
from exporter.simulator.simulator import Simulator
from tests.support.fake_clock import FakeClock
from tests.support.faulty_ledger import Fault, FaultyLedger
from tests.support.scraped import Scraped

STEP = 0.5


class Rig:
    """An exporter that can be started, killed and started again over one ledger; ``transport`` may lead elsewhere."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock = FakeClock()
        self.simulator = Simulator(clock=self.clock)
        self.transport: httpx.AsyncBaseTransport = httpx.ASGITransport(create_app(self.simulator))
        self.config_file = directory / "exporter.yml"
        self.key_file = directory / "key"
        self.key_file.write_text("sk-byts-demo")
        self.environ: dict[str, str] = {}
        self.lines = CapturingLogger()
        self.exporter: Exporter | None = None

    def submit(self, count: int, **batch: Any) -> tuple[list[str], list[str]]:
        """Tasks of the simulator: their task_ids and out_task_ids."""
        tasks = self.simulator.submit_many(Batch(count=count, account="demo", **batch))
        return [task.task_id for task in tasks], [task.out_task_id or "" for task in tasks]

    def configure(self, **parts: Any) -> None:
        """Write the configuration: ``groups`` by name, each a list of task ids or a mapping; other keys as they are."""
        groups = parts.pop("groups", {})
        config: dict[str, Any] = {
            "accounts": [{"name": "default", "base_url": "http://upstream.test", "api_key_file": str(self.key_file)}],
            "task_groups": [
                {"name": name, **(group if isinstance(group, dict) else {"static_configs": [{"task_ids": group}]})}
                for name, group in groups.items()
            ],
            "ledger": {"url": f"sqlite:///{self.directory}/ledger.db"},
        }
        self.config_file.write_text(json.dumps(config | parts))

    async def start(self) -> Exporter:
        world = Dependencies(
            clock=self.clock,
            random=Random(3),
            environ=self.environ,
            transport=self.transport,
        )
        self.ledger = FaultyLedger(SqliteLedger(f"sqlite:///{self.directory}/ledger.db", busy_timeout=0.01))
        self.exporter = Exporter(
            load(self.config_file),
            config_file=self.config_file,
            build=BuildView("1.2.3", "abc", "3.11"),
            dependencies=world,
            log=structlog.wrap_logger(self.lines, processors=[]),
            ledger=self.ledger,
        )
        await self.exporter.start()
        return self.exporter

    async def kill(self) -> None:
        """End it without a farewell: what was not committed is gone."""
        if self.exporter:
            self.ledger.fault = Fault.BEFORE
            await self.exporter.stop(deadline=0.0)
            self.exporter = None

    async def advance(self, seconds: float, *, step: float = STEP) -> None:
        """Let time pass in small steps, each with room for the threads (ledger, key file) to keep up."""
        for _ in range(max(1, round(seconds / step))):
            await self.clock.advance(min(step, seconds))
            for _ in range(3):
                await asyncio.sleep(0.001)
                if self.exporter:
                    await asyncio.to_thread(self.ledger.is_idle.wait, 20.0)

    @property
    def requests(self) -> int:
        """How many the upstream has seen."""
        return sum(account["requests"] for account in self.simulator.books()["traffic"].values())

    def page(self) -> Scraped:
        """A scrape."""
        assert self.exporter is not None
        rendered = render(self.exporter.snapshot())
        self.exporter.announced(rendered.announced)
        return Scraped(rendered.body.decode())

    def events(self) -> list[str]:
        return [call.kwargs["event"] for call in self.lines.calls]
