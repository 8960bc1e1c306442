"""The simulator as one object: its tasks, its traffic, its scenarios, and what an admin can do to them."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx

from exporter.clock import Clock, SystemClock
from exporter.simulator.accounts import Account, Keyring, default_accounts
from exporter.simulator.answers import ErrorShape
from exporter.simulator.backend import Backend
from exporter.simulator.batch import Batch, Load, caller_of, plan
from exporter.simulator.books import Traffic
from exporter.simulator.callbacks import Callbacks
from exporter.simulator.catalogue import Catalogue, load_catalogue
from exporter.simulator.records import truth
from exporter.simulator.scenarios import Effect, Schedule
from exporter.simulator.tasks import Task

TICK_SECONDS = 0.2
"""How often time is let pass where nobody asks; it bounds how late a callback is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the simulator behaves.

    ``time_scale`` divides the catalogue's latencies and the estimates with them: at 10 all models are ten times as
    fast. The clock itself stays the machine's. ``response_latency`` is seconds added to every API answer,
    ``load_rate`` tasks per second that the simulator submits by itself, ``duplicate_status`` the answer to a reused
    ``out_task_id`` (the pages say both 409 and 400).
    """

    seed: int = 7
    time_scale: float = 1.0
    response_latency: float = 0.0
    load_rate: float = 0.0
    error_shape: ErrorShape = ErrorShape.OPENAI
    duplicate_status: int = 409


class Simulator:
    """A fake dispatcher. ``exporter.simulator.app.create_app`` puts HTTP before it."""

    def __init__(
        self,
        options: Options = Options(),
        *,
        accounts: Sequence[Account] | None = None,
        catalogue: Catalogue | None = None,
        clock: Clock | None = None,
        callback_transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        accounts = default_accounts() if accounts is None else accounts
        self.options = options
        self.clock = clock or SystemClock()
        self._epoch = self.clock.wall() - self.clock.monotonic()
        self.keyring = Keyring(accounts)
        self.traffic = Traffic()
        self.schedule = Schedule()
        self.callbacks = Callbacks(clock=self.clock, transport=callback_transport)
        self.backend = Backend(
            accounts,
            load_catalogue() if catalogue is None else catalogue,
            seed=options.seed,
            now=self.now(),
            time_scale=options.time_scale,
            schedule=self.schedule,
            duplicate_status=options.duplicate_status,
            on_end=self.callbacks.offer,
        )
        self._answers, self._batches = Random(f"{options.seed}/answers"), Random(f"{options.seed}/batches")

    def now(self) -> float:
        """Unix seconds: the wall clock at the start plus what has passed since, so that it never steps."""
        return self._epoch + self.clock.monotonic()

    def hits(self, effect: Effect) -> bool:
        """Whether an effect that holds hits this one request."""
        return effect.ratio >= 1.0 or self._answers.random() < effect.ratio

    def draw(self, kinds: Sequence[str]) -> str:
        """One of the kinds, for a mixed scenario."""
        return self._answers.choice(kinds)

    async def run(self) -> None:
        """Let time pass, deliver callbacks and generate load, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tick())
            group.create_task(self.callbacks.run())
            if self.options.load_rate:
                load = Load(self.backend, self.keyring, seed=self.options.seed)
                group.create_task(load.run(self.clock, rate=self.options.load_rate, now=self.now))

    def submit_many(self, batch: Batch) -> list[Task]:
        """Submit a batch of tasks, past every limit; raises SimulatorError, ApiError."""
        caller, now = caller_of(batch, self.keyring), self.now()
        plans = plan(batch, self.backend.catalogue, self._batches)
        return [self.backend.insert(caller, submission, planned, now) for submission, planned in plans]

    def books(self) -> dict[str, Any]:
        """What a faithful observer must arrive at, and what the simulator saw of its clients."""
        self.backend.advance(self.now())
        callbacks = dict(self.callbacks.counts)
        return {**self.backend.books.as_json(), "callbacks": callbacks, "traffic": self.traffic.as_json()}

    def tasks(self, *, offset: int = 0, limit: int | None = None) -> list[dict[str, Any]]:
        """The truth about tasks, in the order of submission."""
        self.backend.advance(self.now())
        backend = self.backend
        tasks = backend.tasks(offset=offset, limit=limit)
        return [truth(task, backend.now, backend.books.queries(task.task_id)) for task in tasks]

    def sd(self, *, account: str = "", finished_within: float = 3600.0) -> list[dict[str, Any]]:
        """The tasks as items of a target list, by model: open ones and those that ended within so many seconds.

        A task is named by its ``out_task_id`` where it has one, else by its ``task_id``.
        """
        self.backend.advance(self.now())
        since = self.backend.now - finished_within
        items: dict[str, dict[str, Any]] = {}
        for task in self.backend.tasks():
            if account in ("", task.account) and task.lifecycle.end_at > since:
                item = items.setdefault(task.model, {"task_ids": [], "out_task_ids": [], "model": task.model})
                item["out_task_ids" if task.out_task_id else "task_ids"].append(task.out_task_id or task.task_id)
        return [items[model] for model in sorted(items)]

    def revoke(self, key: str) -> None:
        """Answer a key (by its name) with 401 from now on; raises SimulatorError."""
        self.keyring.revoke(key)

    def restore(self, key: str) -> None:
        """Take a revoked key (by its name) again; raises SimulatorError."""
        self.keyring.restore(key)

    def scenario(
        self,
        name: str,
        *,
        after: float = 0.0,
        duration: float | None = None,
        params: Mapping[str, object] | None = None,
    ) -> dict[str, Any]:
        """Switch a scenario on, in ``after`` seconds and for ``duration`` seconds; raises SimulatorError."""
        self._check_names(params or {})
        now = self.now()
        scenario = self.schedule.switch_on(name, now=now, after=after, duration=duration, params=params)
        return scenario.as_json(now)

    def end_scenario(self, name: str) -> bool:
        """Switch a scenario off; say whether it was on or planned."""
        return self.schedule.switch_off(name)

    def scenarios(self) -> list[dict[str, Any]]:
        """What is on or planned."""
        now = self.now()
        return [scenario.as_json(now) for scenario in self.schedule.planned(now)]

    def _check_names(self, params: Mapping[str, object]) -> None:
        """A scenario for an account or a key that nobody has would do nothing, and not say so."""
        self.keyring.first_of(str(params.get("account", "")))
        if key := params.get("key"):
            self.keyring.named(str(key))

    async def _tick(self) -> None:
        while True:
            self.backend.advance(self.now())
            await self.clock.sleep(TICK_SECONDS)
