"""Tasks that no client submits: many at once with a given plan, and a steady load."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from random import Random
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from exporter.clock import Clock
from exporter.simulator.accounts import Caller, Keyring
from exporter.simulator.backend import Backend
from exporter.simulator.catalogue import Catalogue, Kind
from exporter.simulator.errors import ApiError, SimulatorError
from exporter.simulator.scenarios import Poison, Share
from exporter.simulator.tasks import Plan, Status, Submission, default_units

Seconds = Annotated[float, Field(ge=0, le=30 * 86400, allow_inf_nan=False)]

CANCEL_RATIO = 0.03
"""The share of tasks that their user cancels (invented)."""

NAMED_RATIO = 0.5
"""The share of tasks that carry an ``out_task_id`` (invented)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """``count`` tasks, all submitted now.

    Their latencies are spread evenly from ``latency_seconds`` to ``latency_seconds + spread_seconds``.
    ``eta_seconds`` is what each shows as its estimate (null and 0 are allowed); ``"latency"`` is its own latency.
    Without a model it is the first image or video model, without a key the account's first, without an account the
    first. With ``out_task_id_prefix`` the tasks carry an ``out_task_id``: the prefix and a number from 0.
    ``poison`` is a fault that sticks to each of them, ``tag`` the name under which the books sum them up.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    count: Annotated[int, Field(ge=1, le=10_000)]
    account: str = ""
    key: str = ""
    model: str = ""
    latency_seconds: Seconds = 10.0
    spread_seconds: Seconds = 0.0
    eta_seconds: Annotated[int, Field(ge=0, le=30 * 86400)] | Literal["latency"] | None = "latency"
    failure_ratio: Share = 0.0
    cancel_ratio: Share = 0.0
    error_code: Annotated[str, Field(min_length=1, max_length=100)] = "content_policy_violation"
    out_task_id_prefix: Annotated[str, Field(max_length=200)] = ""
    poison: Poison | None = None
    tag: Annotated[str, Field(max_length=100)] = ""


def caller_of(batch: Batch, keyring: Keyring) -> Caller:
    """Whose tasks they are; raises SimulatorError."""
    caller = keyring.named(batch.key) if batch.key else keyring.first_of(batch.account)
    if batch.account not in ("", caller.account.name):
        raise SimulatorError(f"key {batch.key!r} does not belong to account {batch.account!r}")
    return caller


def plan(batch: Batch, catalogue: Catalogue, rng: Random) -> Iterator[tuple[Submission, Plan]]:
    """What each task asks for and how it is to go; raises SimulatorError before the first one."""
    slug = _slug(batch, catalogue)
    model = catalogue[slug]
    for number in range(batch.count):
        name = f"{batch.out_task_id_prefix}{number}" if batch.out_task_id_prefix else None
        yield Submission(slug, model, default_units(model), out_task_id=name), _plan(batch, number, rng)


class Load:
    """A stream of submissions: models by their weight, any key as likely as the other."""

    def __init__(self, backend: Backend, keyring: Keyring, *, seed: int) -> None:
        self._backend = backend
        self._callers = keyring.callers
        self._rng = Random(f"{seed}/load")
        self._slugs = [slug for slug, model in backend.catalogue.items() if model.kind is not Kind.TEXT]
        self._weights = [backend.catalogue[slug].weight for slug in self._slugs]
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
        submission, caller = self._submission(), self._rng.choice(self._callers)
        cancelled, progress = self._rng.random() < CANCEL_RATIO, self._rng.random()
        with suppress(ApiError):
            if not cancelled:
                self._backend.submit(caller, submission, now)
            else:
                plan = _cut_short(self._backend.plan(caller, submission), progress)
                self._backend.insert(caller, submission, plan, now)

    def _submission(self) -> Submission:
        [slug] = self._rng.choices(self._slugs, self._weights)
        self._count += 1
        model = self._backend.catalogue[slug]
        name = f"load-{self._count:06d}" if self._rng.random() < NAMED_RATIO else None
        return Submission(slug, model, default_units(model), out_task_id=name)


def _slug(batch: Batch, catalogue: Catalogue) -> str:
    fit = [slug for slug, model in catalogue.items() if model.kind is not Kind.TEXT]
    slug = batch.model or fit[0]
    if slug not in fit:
        raise SimulatorError(f"no image or video model is named {slug!r}; there are: {', '.join(fit)}")
    return slug


def _plan(batch: Batch, number: int, rng: Random) -> Plan:
    share = number / (batch.count - 1) if batch.count > 1 else 0.0
    latency = batch.latency_seconds + batch.spread_seconds * share
    outcome = _outcome(batch, rng.random())
    eta = round(latency) if batch.eta_seconds == "latency" else batch.eta_seconds
    error_code = batch.error_code if outcome is Status.FAILED else None
    poison = batch.poison and batch.poison.of_task(number)
    return Plan(latency, eta, outcome, error_code, poison, batch.tag)


def _outcome(batch: Batch, chance: float) -> Status:
    if chance < batch.failure_ratio:
        return Status.FAILED
    return Status.CANCELLED if chance < batch.failure_ratio + batch.cancel_ratio else Status.COMPLETED


def _cut_short(plan: Plan, progress: float) -> Plan:
    return replace(plan, latency=plan.latency * progress, outcome=Status.CANCELLED, error_code=None)
