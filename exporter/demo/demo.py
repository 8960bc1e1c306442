"""The demo from the first process to the last: start them, wait until one ends, stop them in the opposite order."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import httpx
import yaml

from exporter.demo.monitoring import ALERTMANAGER, ANSWERS, CONFIG, Found, Monitoring, look
from exporter.demo.processes import Child, free_or_any, ourselves
from exporter.demo.receiver import RECEIVER_PORT, receiving
from exporter.demo.views import views
from exporter.errors import ExporterError
from exporter.simulator.accounts import default_accounts
from exporter.web.listening import address_of, listen

FIRST_WAVE = ({"latency_seconds": 20, "spread_seconds": 40}, {"latency_seconds": 5, "spread_seconds": 30})
"""For each account in turn, in seconds at time scale 1."""

FIRST_WAVE_TASKS = 6
LOAD_RATE = 0.1
"""Tasks that the simulator then submits by itself, a second at time scale 1."""

LOAD_RATE_LIMIT = 2.0
"""It keeps the lists of tasks short, however fast time runs."""

REQUEST_SECONDS = 10.0

FORGET_SECONDS = 300
"""An ended task leaves the list after so long: time enough to see its end, an outage in between."""

REFRESH = "3s"


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
    """Where to look. ``monitoring`` has Prometheus and Alertmanager as far as they run, ``remark`` why not both.

    ``views`` is what they have to look at: addresses, or a command that asks them.
    """

    exporter: str
    simulator: str
    monitoring: Mapping[str, str]
    remark: str
    views: Mapping[str, str]


class Demo:
    """One run of the demo in a directory of its own. ``run`` ends by being cancelled or with ExporterError.

    ``ready`` is told once where to look, ``tell`` is given each notification as a line. ``config`` has the files of
    Prometheus and Alertmanager.
    """

    def __init__(
        self,
        plan: Plan,
        directory: Path,
        *,
        ready: Callable[[Addresses], None],
        tell: Callable[[str], None],
        found: Found | None = None,
        config: Path = CONFIG,
    ) -> None:
        self._plan = plan
        self._directory = directory
        self._ready = ready
        self._tell = tell
        self._found = look() if found is None else found
        self._monitoring = Monitoring(self._found, directory, any_port=plan.port == 0, config=config)
        self._keys = {
            account.name: write_key(directory, account.name, account.keys[0].key) for account in default_accounts()
        }
        self._children: list[Child] = []

    async def run(self) -> None:
        """Start everything, then wait until something ends."""
        async with AsyncExitStack() as stack:
            receiver = await stack.enter_async_context(self._receiving())
            stack.push_async_callback(self._stop)
            simulator = await self._start_simulator()
            await self._first_wave(simulator)
            exporter = await self._start_exporter(simulator)
            monitoring = await self._start_monitoring(exporter, receiver)
            shown = await views(monitoring)
            self._ready(Addresses(f"http://{exporter}", simulator, monitoring, self._found.remark, shown))
            await asyncio.gather(*(child.ends() for child in self._children))

    @asynccontextmanager
    async def _receiving(self) -> AsyncIterator[str]:
        """Somebody who is told of alerts, where there is an Alertmanager; the address."""
        if ALERTMANAGER not in self._found.programs:
            yield ""
            return
        with listen("127.0.0.1", free_or_any(RECEIVER_PORT if self._plan.port else 0)) as listener:
            async with receiving(listener, self._tell):
                yield address_of(listener)

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

    async def _start_exporter(self, simulator: str) -> str:
        config = self._directory / "exporter.yml"
        write_config(config, simulator=simulator, keys=self._keys)
        address = f"127.0.0.1:{free_or_any(self._plan.port)}"
        options = {"--config.file": config, "--web.listen-address": address, "--log.format": "json"}
        child = await self._start("exporter", "serve", options)
        return await child.says(r'"address": "([^"]+)"[^\n]*"listening"')

    async def _start_monitoring(self, exporter: str, receiver: str) -> dict[str, str]:
        monitoring = self._monitoring
        for name in monitoring.names:
            child = await monitoring.start(name, exporter=exporter, receiver=receiver)
            self._children.append(child)
            await child.says(ANSWERS[name])
        return {name: monitoring.url(name) for name in monitoring.names}

    async def _start(self, name: str, command: str, options: Mapping[str, object]) -> Child:
        flags = [str(word) for option in options.items() for word in option]
        child = await Child.start(name, *ourselves(command, *flags), log=self._directory / f"{name}.log")
        self._children.append(child)
        return child

    async def _first_wave(self, simulator: str) -> None:
        """Tasks from the first moment on, some of which fail and some of which are cancelled."""
        # proxies of the environment are not for addresses of this machine
        async with httpx.AsyncClient(trust_env=False, timeout=REQUEST_SECONDS) as http:
            for account, seconds in zip(self._keys, FIRST_WAVE, strict=True):
                scaled = {name: value / self._plan.time_scale for name, value in seconds.items()}
                batch = {"account": account, "count": FIRST_WAVE_TASKS, "failure_ratio": 0.2, "cancel_ratio": 0.1}
                await _post(http, f"{simulator}/sim/tasks", json=batch | scaled)

    async def _stop(self) -> None:
        for child in reversed(self._children):
            await child.stop()


async def _post(http: httpx.AsyncClient, url: str, *, json: object) -> None:
    try:
        (await http.post(url, json=json)).raise_for_status()
    except httpx.HTTPStatusError as error:
        raise DemoError(f"{url} answered {error.response.status_code}: {error.response.text.strip()}") from error
    except httpx.HTTPError as error:
        raise DemoError(f"{url} does not answer ({type(error).__name__})") from error


def write_key(directory: Path, account: str, key: str) -> Path:
    """The file of an account's API key, for its owner alone."""
    path = directory / f"{account}.key"
    path.touch(mode=0o600)
    path.write_text(key)
    return path


def write_config(path: Path, *, simulator: str, keys: Mapping[str, Path]) -> None:
    """A configuration with one group for each account, whose tasks the simulator itself names."""
    config = {
        "global": {"poll": {"min_interval": "1s", "max_interval": "10s"}, "retention": "10m"},
        "accounts": [
            {"name": account, "base_url": simulator, "api_key_file": str(key)} for account, key in keys.items()
        ],
        "task_groups": [
            {"name": f"{account}-tasks", "account": account, "http_sd_configs": [_source(simulator, account)]}
            for account in keys
        ],
        "ledger": {"url": f"sqlite:///{path.with_name('ledger.db')}"},
    }
    path.write_text(yaml.safe_dump(config, sort_keys=False))


def _source(simulator: str, account: str) -> dict[str, str]:
    query = urlencode({"account": account, "finished_within": FORGET_SECONDS})
    return {"url": f"{simulator}/sim/sd?{query}", "refresh_interval": REFRESH}
