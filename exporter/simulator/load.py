"""Tasks that the simulator submits by itself, so that a demo has something to show."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from random import Random

from exporter.clock import Clock
from exporter.simulator.accounts import Keyring
from exporter.simulator.catalogue import Kind
from exporter.simulator.errors import ApiError
from exporter.simulator.fate import Course
from exporter.simulator.orders import Order, default_units
from exporter.simulator.task import Status
from exporter.simulator.world import World

CANCEL_RATIO = 0.03
"""The share of tasks that their user cancels (invented)."""

NAMED_RATIO = 0.5
"""The share of tasks that carry an ``out_task_id`` (invented)."""


class Load:
    """A stream of submissions: models by their weight, any key as likely as the other."""

    def __init__(self, world: World, keyring: Keyring, *, seed: int) -> None:
        self._world = world
        self._callers = keyring.callers
        self._rng = Random(f"{seed}/load")
        self._slugs = [slug for slug, model in world.catalogue.items() if model.kind is not Kind.TEXT]
        self._weights = [world.catalogue[slug].weight for slug in self._slugs]
        self._count = 0

    async def run(self, clock: Clock, *, rate: float, now: Callable[[], float]) -> None:
        """Submit ``rate`` tasks per second on average, at random intervals, until cancelled."""
        due = clock.monotonic()
        while True:
            due += self._rng.expovariate(rate)
            await clock.sleep(max(0.0, due - clock.monotonic()))
            self.submit(now())

    def submit(self, now: float) -> None:
        """Submit one task; a refusal is the submitter's trouble."""
        order, caller = self._order(), self._rng.choice(self._callers)
        cancelled, progress = self._rng.random() < CANCEL_RATIO, self._rng.random()
        with suppress(ApiError):
            if not cancelled:
                self._world.submit(caller, order, now)
            else:
                self._world.plant(caller, order, _cut_short(self._world.course(caller, order), progress), now)

    def _order(self) -> Order:
        [slug] = self._rng.choices(self._slugs, self._weights)
        self._count += 1
        model = self._world.catalogue[slug]
        name = f"load-{self._count:06d}" if self._rng.random() < NAMED_RATIO else None
        return Order(slug, model, default_units(model), out_task_id=name)


def _cut_short(course: Course, progress: float) -> Course:
    return replace(course, latency=course.latency * progress, outcome=Status.CANCELLED, error_code=None)
