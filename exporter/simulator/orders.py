"""What a request body says, read by the published rules; anything else is 400 ``invalid_param``."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from exporter.simulator.catalogue import Catalogue, Kind, Model
from exporter.simulator.errors import ApiError

MAX_ID_LENGTH = 256
MAX_URL_LENGTH = 2048


@dataclass(frozen=True, slots=True)
class Order:
    """One submission. ``units`` are seconds of video or images; the fingerprint stands for model and params."""

    slug: str
    model: Model
    units: int
    fingerprint: bytes = b""
    out_task_id: str | None = None
    callback_url: str | None = None


@dataclass(frozen=True, slots=True)
class Name:
    """How a request names its task: exactly one of the two is set."""

    task_id: str | None = None
    out_task_id: str | None = None


def parse_body(body: bytes) -> dict[str, Any]:
    """The JSON object of a body."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ApiError.invalid_param("The body must be a JSON object.")
    return value


def parse_name(body: Mapping[str, Any]) -> Name:
    """Exactly one of ``task_id`` and ``out_task_id``; an empty one counts as not sent."""
    task_id, out_task_id = _text(body, "task_id", MAX_ID_LENGTH), _text(body, "out_task_id", MAX_ID_LENGTH)
    if bool(task_id) == bool(out_task_id):
        raise ApiError.invalid_param("Exactly one of task_id or out_task_id is required.")
    return Name(task_id or None, out_task_id or None)


def parse_cancel(body: bytes, path_id: str | None) -> Name:
    """The task to cancel: the path's id beats a body's ``task_id``, an ``out_task_id`` beside it is one too many."""
    said = parse_body(body) if body.strip() or path_id is None else {}
    return parse_name({**said, "task_id": path_id} if path_id is not None else said)


def parse_order(body: Mapping[str, Any], catalogue: Catalogue) -> Order:
    """A submission. Length limits and the ranges of ``duration_seconds`` and ``n`` are invented."""
    slug, params = _text(body, "model", MAX_ID_LENGTH), body.get("params")
    if not slug:
        raise ApiError.invalid_param("model is required.")
    if not isinstance(params, dict):
        raise ApiError.invalid_param("params is required and must be an object.")
    if not isinstance(body.get("stream", False), bool):
        raise ApiError.invalid_param("stream must be a boolean.")
    out_task_id, callback_url = _text(body, "out_task_id", MAX_ID_LENGTH), _text(body, "callback_url", MAX_URL_LENGTH)
    model = _model(slug, catalogue)
    units = _units(model, params)
    return Order(slug, model, units, _fingerprint(slug, params), out_task_id or None, callback_url or None)


def default_units(model: Model) -> int:
    """The size of a task that names none: one clip or one image."""
    return min(model.clip_seconds, model.max_seconds) if model.kind is Kind.VIDEO else 1


def _model(slug: str, catalogue: Catalogue) -> Model:
    model = catalogue.get(slug)
    if model is None:
        raise ApiError(400, "invalid_request_error", "model_not_found", "No such model.")
    if model.kind is Kind.TEXT:
        raise ApiError.invalid_param("Tasks are for image and video models only.")
    return model


def _units(model: Model, params: Mapping[str, Any]) -> int:
    field, limit = ("duration_seconds", model.max_seconds) if model.kind is Kind.VIDEO else ("n", model.max_images)
    return _count(params, field, default_units(model), limit)


def _count(params: Mapping[str, Any], field: str, default: int, limit: int) -> int:
    value = params.get(field, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= limit:
        raise ApiError.invalid_param(f"{field} must be an integer from 1 to {limit}.")
    return value


def _text(body: Mapping[str, Any], field: str, limit: int) -> str:
    value = body.get(field)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > limit:
        raise ApiError.invalid_param(f"{field} must be a string of at most {limit} characters.")
    return value


def _fingerprint(slug: str, params: Mapping[str, Any]) -> bytes:
    try:
        return sha256(json.dumps([slug, params], sort_keys=True).encode()).digest()
    except RecursionError:
        raise ApiError.invalid_param("params is nested too deep.") from None
