"""Many tasks at once with given courses, as tests and demos need them."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from exporter.simulator.accounts import Caller, Keyring
from exporter.simulator.catalogue import Catalogue, Kind
from exporter.simulator.errors import SimulatorError
from exporter.simulator.fate import Course
from exporter.simulator.orders import Order, default_units
from exporter.simulator.task import Status

Seconds = Annotated[float, Field(ge=0, le=30 * 86400, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """``count`` tasks, all submitted now.

    Their latencies are spread evenly from ``latency_seconds`` to ``latency_seconds + spread_seconds``.
    ``eta_seconds`` is what each shows as its estimate (null and 0 are allowed); ``"latency"`` is its own latency.
    Without a model it is the first image or video model, without a key the account's first, without an account the
    first. With ``out_task_id_prefix`` the tasks carry an ``out_task_id``: the prefix and a number from 0.
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


def caller_of(batch: Batch, keyring: Keyring) -> Caller:
    """Whose tasks they are; raises SimulatorError."""
    caller = keyring.named(batch.key) if batch.key else keyring.first_of(batch.account)
    if batch.account not in ("", caller.account.name):
        raise SimulatorError(f"key {batch.key!r} does not belong to account {batch.account!r}")
    return caller


def plan(batch: Batch, catalogue: Catalogue, rng: Random) -> Iterator[tuple[Order, Course]]:
    """Each task's order and course; raises SimulatorError before the first one."""
    slug = _slug(batch, catalogue)
    model = catalogue[slug]
    for number in range(batch.count):
        name = f"{batch.out_task_id_prefix}{number}" if batch.out_task_id_prefix else None
        yield Order(slug, model, default_units(model), out_task_id=name), _course(batch, number, rng)


def _slug(batch: Batch, catalogue: Catalogue) -> str:
    fit = [slug for slug, model in catalogue.items() if model.kind is not Kind.TEXT]
    slug = batch.model or fit[0]
    if slug not in fit:
        raise SimulatorError(f"no image or video model is named {slug!r}; there are: {', '.join(fit)}")
    return slug


def _course(batch: Batch, number: int, rng: Random) -> Course:
    share = number / (batch.count - 1) if batch.count > 1 else 0.0
    latency = batch.latency_seconds + batch.spread_seconds * share
    outcome = _outcome(batch, rng.random())
    eta = round(latency) if batch.eta_seconds == "latency" else batch.eta_seconds
    return Course(latency, eta, outcome, batch.error_code if outcome is Status.FAILED else None)


def _outcome(batch: Batch, chance: float) -> Status:
    if chance < batch.failure_ratio:
        return Status.FAILED
    return Status.CANCELLED if chance < batch.failure_ratio + batch.cancel_ratio else Status.COMPLETED
