"""The models that can be submitted to: what they cost, how long they take and how often they fail."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from exporter.simulator.errors import SimulatorError
from exporter.simulator.files import checked, parse_yaml, read_text
from exporter.simulator.money import Cents, cents

Positive = Annotated[float, Field(gt=0, le=1e6)]
Share = Annotated[float, Field(ge=0, le=1)]
PositiveInt = Annotated[int, Field(gt=0, le=100_000)]


class Kind(StrEnum):
    """What a model makes. Text models exist to be refused: tasks are for images and video."""

    VIDEO = "video"
    IMAGE = "image"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Model:
    """One model.

    ``usd`` is the price of a second of video or of one image. ``latency`` holds the 10th and the 90th percentile in
    seconds, for a clip of ``clip_seconds`` or one batch of images. ``refund_until`` is how far a running task may be
    (0 to 1) to be refunded when it is cancelled. ``weight`` is the share the load generator gives it.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    kind: Kind
    usd: Positive = 0.01
    latency: tuple[Positive, Positive] = (10.0, 30.0)
    clip_seconds: PositiveInt = 5
    max_seconds: PositiveInt = 10
    max_images: PositiveInt = 4
    width: PositiveInt = 1280
    height: PositiveInt = 720
    failure_ratio: Share = 0.03
    error_codes: tuple[Annotated[str, Field(min_length=1, max_length=100)], ...] = ("content_policy_violation",)
    refund_until: Share = 0.5
    weight: Annotated[float, Field(ge=0, le=1e6)] = 1.0

    def price(self, units: int) -> Cents:
        """The estimate for so many seconds or images; a task is never free."""
        return max(1, cents(self.usd * units))

    def stretch(self, units: int) -> float:
        """How much longer than the catalogue's latency a task of that size takes."""
        return units / self.clip_seconds if self.kind is Kind.VIDEO else 1.0


Catalogue = Mapping[str, Model]


def load_catalogue(path: Path | None = None) -> Catalogue:
    """The models of a YAML file, of the built-in one without it; raises SimulatorError."""
    text = read_text(path) if path else files("exporter.simulator").joinpath("models.yml").read_text(encoding="utf-8")
    name = str(path or "models.yml")
    catalogue = checked(dict[str, Model], parse_yaml(text, of=name), of=name)
    if not any(model.kind is not Kind.TEXT and model.weight for model in catalogue.values()):
        raise SimulatorError(f"{name}: no image or video model with a weight above 0")
    for slug, model in catalogue.items():
        _check(slug, model, of=name)
    return catalogue


def _check(slug: str, model: Model, *, of: str) -> None:
    if model.latency[0] > model.latency[1]:
        raise SimulatorError(f"{of}: {slug}.latency: the 10th percentile is greater than the 90th")
    if model.failure_ratio and not model.error_codes:
        raise SimulatorError(f"{of}: {slug}.error_codes: a model that fails needs at least one")
