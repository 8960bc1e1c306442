"""The demo from the first process to the last: start them, keep tasks coming, stop them in the opposite order."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx

from exporter.demo.child import Child, ourselves
from exporter.demo.files import Items, write_config, write_key
from exporter.demo.ports import free_or_any
from exporter.errors import ExporterError
from exporter.simulator.accounts import default_accounts

FIRST_WAVE = ({"latency_seconds": 20, "spread_seconds": 40}, {"latency_seconds": 5, "spread_seconds": 30})
"""For each account in turn, in seconds at time scale 1."""

FIRST_WAVE_TASKS = 6
LOAD_RATE = 0.1
"""Tasks that the simulator then submits by itself, a second at time scale 1."""

LOAD_RATE_LIMIT = 2.0
"""It keeps the configuration short, however fast time runs."""

FEED_SECONDS = 3.0
"""Between two looks for new tasks, each of them a reload."""

FORGET_SECONDS = 300
"""An ended task leaves the configuration after so long: time enough to see its end, an outage in between."""

FAILURES_BORNE = 5
"""Looks that may fail in a row: a dead process is told by name, and sooner."""

REQUEST_SECONDS = 10.0


class DemoError(ExporterError):
    """The demo cannot go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the user may choose. ``port`` is the exporter's, the simulator takes the next; 0: any free ones."""

    seed: int
    time_scale: float
    port: int


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where to look."""

    exporter: str
    simulator: str


class Demo:
    """One run of the demo in a directory of its own. ``run`` ends by being cancelled or with ExporterError."""

    def __init__(self, plan: Plan, directory: Path, *, ready: Callable[[Addresses], None]) -> None:
        self._plan = plan
        self._directory = directory
        self._ready = ready
        self._config = directory / "exporter.yml"
        self._keys = {
            account.name: write_key(directory, account.name, account.keys[0].key) for account in default_accounts()
        }
        self._children: list[Child] = []

    async def run(self) -> None:
        """Start everything, then feed it until something ends."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._stop)
            # proxies of the environment are not for addresses of this machine
            http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=REQUEST_SECONDS))
            simulator = await self._start_simulator()
            await self._first_wave(http, simulator)
            exporter = await self._start_exporter(http, simulator)
            self._ready(Addresses(exporter, simulator))
            await asyncio.gather(self._feed(http, simulator, exporter), *(child.ends() for child in self._children))

    async def _start_simulator(self) -> str:
        plan = self._plan
        port = free_or_any(plan.port + 1 if plan.port else 0)
        options = {
            "--listen": f"127.0.0.1:{port}",
            "--seed": plan.seed,
            "--time-scale": plan.time_scale,
            "--load.rate": min(LOAD_RATE * plan.time_scale, LOAD_RATE_LIMIT),
        }
        child = await self._start("simulator", "simulate", options)
        return await child.says(r"simulator on (http://\S+)\n")

    async def _start_exporter(self, http: httpx.AsyncClient, simulator: str) -> str:
        await self._configure(http, simulator)
        address = f"127.0.0.1:{free_or_any(self._plan.port)}"
        options = {"--config.file": self._config, "--web.listen-address": address, "--log.format": "json"}
        child = await self._start("exporter", "serve", options)
        return "http://" + await child.says(r'"address": "([^"]+)"[^\n]*"listening"')

    async def _start(self, name: str, command: str, options: Mapping[str, object]) -> Child:
        flags = [str(word) for option in options.items() for word in option]
        child = await Child.start(name, *ourselves(command, *flags), log=self._directory / f"{name}.log")
        self._children.append(child)
        return child

    async def _first_wave(self, http: httpx.AsyncClient, simulator: str) -> None:
        """Tasks from the first moment on, some of which fail and some of which are cancelled."""
        for account, seconds in zip(self._keys, FIRST_WAVE, strict=True):
            scaled = {name: value / self._plan.time_scale for name, value in seconds.items()}
            batch = {"account": account, "count": FIRST_WAVE_TASKS, "failure_ratio": 0.2, "cancel_ratio": 0.1, **scaled}
            await _ask(http, "POST", f"{simulator}/sim/tasks", json=batch)

    async def _feed(self, http: httpx.AsyncClient, simulator: str, exporter: str) -> None:
        """Let the configuration name the tasks that there are, for ever; a few failures in a row are borne."""
        failures = 0
        while True:
            await asyncio.sleep(FEED_SECONDS)
            try:
                await self._configure(http, simulator)
                await _ask(http, "POST", f"{exporter}/-/reload")
            except DemoError:
                failures += 1
                if failures >= FAILURES_BORNE:
                    raise
            else:
                failures = 0

    async def _configure(self, http: httpx.AsyncClient, simulator: str) -> None:
        items: dict[str, Items] = {}
        for account in self._keys:
            params: dict[str, str | int] = {"account": account, "finished_within": FORGET_SECONDS}
            items[account] = (await _ask(http, "GET", f"{simulator}/sim/sd", params=params)).json()
        write_config(self._config, base_url=simulator, keys=self._keys, items=items)

    async def _stop(self) -> None:
        for child in reversed(self._children):
            await child.stop()


async def _ask(
    http: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    params: Mapping[str, str | int] | None = None,
    json: object = None,
) -> httpx.Response:
    try:
        return (await http.request(method, url, params=params, json=json)).raise_for_status()
    except httpx.HTTPStatusError as error:
        raise DemoError(f"{url} answered {error.response.status_code}: {error.response.text.strip()}") from error
    except httpx.HTTPError as error:
        raise DemoError(f"{url} does not answer ({type(error).__name__})") from error
