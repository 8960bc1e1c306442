"""What can go wrong on demand: faults of requests and of tasks, and the schedule that says which are on.

The published pages describe some of these answers (429, 5xx, 401, 402, 403); when and how often they come is invented.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from random import Random
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar, get_args

from pydantic import ConfigDict, Field

from exporter.simulator.errors import SimulatorError
from exporter.simulator.files import checked

Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=86400)]

MAX_PLANNED = 100


BrokenKind = Literal["http_500", "not_an_object", "closed", "redirect", "cut_json"]
PoisonKind = Literal[BrokenKind, "slow"]

BROKEN: tuple[BrokenKind, ...] = get_args(BrokenKind)


@dataclass(frozen=True, slots=True)
class Poison:
    """A fault that sticks to one task: whoever asks for it meets it, for ever.

    ``mixed`` stands for the broken kinds in turn. ``envelope`` is whether an ``http_500`` comes in the API's envelope,
    ``seconds`` are how late a ``slow`` answer is, which then is a good one.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    kind: Literal[PoisonKind, "mixed"] = "mixed"
    envelope: bool = True
    seconds: Seconds = 30.0

    @property
    def hides(self) -> bool:
        """Whether the task's record never comes through."""
        return self.kind != "slow"

    def of_task(self, number: int) -> Self:
        """The poison of the task of that number: a mixed one is one of the broken kinds."""
        return replace(self, kind=BROKEN[number % len(BROKEN)]) if self.kind == "mixed" else self


@dataclass(frozen=True, slots=True)
class Effect:
    """What every kind has: the share of tasks or requests it hits, and the account it is limited to (empty: all)."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    ratio: Share = 1.0
    account: str = ""


@dataclass(frozen=True, slots=True)
class FailureWave(Effect):
    """Tasks submitted meanwhile fail."""

    ratio: Share = 0.8
    error_code: Annotated[str, Field(min_length=1, max_length=100)] = "sim_upstream_error"


@dataclass(frozen=True, slots=True)
class SlowWave(Effect):
    """Tasks submitted meanwhile take ``factor`` times as long as their estimate says."""

    factor: Annotated[float, Field(gt=0, le=1000)] = 5.0


@dataclass(frozen=True, slots=True)
class PoisonWave(Effect):
    """Tasks submitted meanwhile are poisoned for ever; ``mixed`` draws a broken kind for each."""

    kind: Literal[PoisonKind, "mixed"] = "mixed"
    envelope: bool = True
    seconds: Seconds = 30.0

    def draw(self, rng: Random) -> Poison | None:
        """The poison of one task, None where it is spared."""
        hit, which = rng.random() < self.ratio, rng.randrange(len(BROKEN))
        return Poison(self.kind, self.envelope, self.seconds).of_task(which) if hit else None


@dataclass(frozen=True, slots=True)
class RateLimitStorm(Effect):
    """Requests get 429; with ``retry_after`` (seconds) they are told when to come again."""

    code: Literal["concurrency_limit", "spend"] = "concurrency_limit"
    retry_after: Annotated[int, Field(ge=0, le=86400)] | None = None


@dataclass(frozen=True, slots=True)
class Outage(Effect):
    """Requests get a 5xx."""

    status: Annotated[int, Field(ge=500, le=599)] = 503


@dataclass(frozen=True, slots=True)
class KeyRevoked(Effect):
    """Requests with the key (empty: any) get 401."""

    key: str = ""


@dataclass(frozen=True, slots=True)
class PaymentRequired(Effect):
    """Requests get 402."""

    code: Literal["insufficient_balance", "quota_exceeded"] = "quota_exceeded"


@dataclass(frozen=True, slots=True)
class Forbidden(Effect):
    """Requests get 403."""

    code: Literal["permission_denied", "model_not_in_group"] = "permission_denied"


@dataclass(frozen=True, slots=True)
class SlowAnswers(Effect):
    """Requests are answered after so many seconds more."""

    seconds: Seconds = 5.0


SchemaKind = Literal[
    "unknown_status",
    "renamed_field",
    "missing_field",
    "mistyped_field",
    "numeric_strings",
    "extra_field",
    "legacy_shape",
]
GarbageKind = Literal["html", "empty", "array", "scalar", "cut_json", "huge", "redirect", "truncated"]


@dataclass(frozen=True, slots=True)
class SchemaChange(Effect):
    """Task records come in another shape; ``mixed`` draws one for each answer."""

    kind: Literal[SchemaKind, "mixed"] = "mixed"


@dataclass(frozen=True, slots=True)
class Garbage(Effect):
    """Requests get something that is no API answer; ``mixed`` draws one for each answer."""

    kind: Literal[GarbageKind, "mixed"] = "mixed"


E = TypeVar("E", bound=Effect)

KINDS: Mapping[str, type[Effect]] = {
    "failure_wave": FailureWave,
    "slow_wave": SlowWave,
    "poison": PoisonWave,
    "rate_limit_storm": RateLimitStorm,
    "outage": Outage,
    "key_revoked": KeyRevoked,
    "payment_required": PaymentRequired,
    "forbidden": Forbidden,
    "slow_answers": SlowAnswers,
    "schema_change": SchemaChange,
    "garbage": Garbage,
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """An effect and when it holds: from ``start`` (Unix seconds) to before ``end``, for ever where that is None."""

    name: str
    effect: Effect
    start: float
    end: float | None

    def holds(self, now: float) -> bool:
        return self.start <= now and not self.is_over(now)

    def is_over(self, now: float) -> bool:
        return self.end is not None and now >= self.end

    def as_json(self, now: float) -> dict[str, Any]:
        params = asdict(self.effect)
        return {"name": self.name, "active": self.holds(now), "start": self.start, "end": self.end, "params": params}


class Schedule:
    """The scenarios that are on or planned. Of several that answer a request, the first one switched on wins."""

    def __init__(self) -> None:
        self._scenarios: list[Scenario] = []

    def switch_on(
        self,
        name: str,
        *,
        now: float,
        after: float = 0.0,
        duration: float | None = None,
        params: Mapping[str, object] | None = None,
    ) -> Scenario:
        """Plan a scenario from ``after`` seconds on, for ``duration`` seconds; raises SimulatorError."""
        self._scenarios = self.planned(now)
        if name not in KINDS:
            raise SimulatorError(f"no scenario is named {name!r}; there are: {', '.join(KINDS)}")
        if len(self._scenarios) >= MAX_PLANNED:
            raise SimulatorError(f"at most {MAX_PLANNED} scenarios can be on or planned")
        effect = _effect(name, params or {})
        start = now + after
        scenario = Scenario(name, effect, start, None if duration is None else start + duration)
        self._scenarios.append(scenario)
        return scenario

    def switch_off(self, name: str) -> bool:
        """End every scenario of that name; say whether there was one."""
        kept = [scenario for scenario in self._scenarios if scenario.name != name]
        found = len(kept) < len(self._scenarios)
        self._scenarios = kept
        return found

    def planned(self, now: float) -> list[Scenario]:
        """What is on or still to come."""
        return [scenario for scenario in self._scenarios if not scenario.is_over(now)]

    def effects(self, account: str, now: float) -> Iterator[Effect]:
        """What holds for an account now, in the order of switching on."""
        for scenario in self._scenarios:
            if scenario.holds(now) and scenario.effect.account in ("", account):
                yield scenario.effect

    def effect(self, kind: type[E], account: str, now: float) -> E | None:
        """The first effect of one kind that holds for an account now."""
        return next((effect for effect in self.effects(account, now) if isinstance(effect, kind)), None)


def _effect(name: str, params: Mapping[str, object]) -> Effect:
    known = [field.name for field in fields(KINDS[name])]
    if unknown := [param for param in params if param not in known]:
        raise SimulatorError(f"{name} has no parameter {unknown[0]!r}; there are: {', '.join(known)}")
    return checked(KINDS[name], dict(params), of=name)
