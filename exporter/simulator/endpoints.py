"""The endpoints of the API: what a request says by the published rules, and what it is answered.

Submit, query, cancel and the account are published. Of the stream the route alone is: it sends one event ``status``
with the query record on connecting and at each change, a comment every 15 seconds, and ends after the terminal one.
"""

import json
from collections.abc import AsyncIterator, Mapping
from hashlib import sha256
from typing import Any, get_args

from starlette.responses import Response

from exporter.simulator.answers import json_answer, poisoned
from exporter.simulator.catalogue import Catalogue, Kind, Model
from exporter.simulator.errors import ApiError
from exporter.simulator.gate import Call
from exporter.simulator.money import usd
from exporter.simulator.records import Record, record, reshape
from exporter.simulator.scenarios import SchemaChange, SchemaKind
from exporter.simulator.tasks import TERMINAL, Status, Submission, Task, TaskRef, default_units

LOW_BALANCE_USD = 5.0
MAX_ID_LENGTH = 256
MAX_URL_LENGTH = 2048
HEARTBEAT_SECONDS = 15
MAX_SLEEP_SECONDS = 0.25
"""A task may be cancelled at any time: a stream looks that often at least."""


async def submit(call: Call) -> Response:
    """``POST /v1/tasks/submit``: the record of the new task, or of the one that the submission repeats."""
    submission = parse_submission(parse_body(call.body), call.backend.catalogue)
    return json_answer(shown(call, call.backend.submit(call.caller, submission, call.now())))


async def query(call: Call) -> Response:
    """``POST /v1/tasks/query``: the record of one task, or what its poison makes of it."""
    task = await _asked_for(call, parse_ref(parse_body(call.body)))
    said = shown(call, task)
    if task.poison is not None and task.is_hidden:
        return poisoned(task.poison, said, call.simulator.options.error_shape)
    if not await call.has_left():
        _book_end(call, task, said)
    return json_answer(said)


async def cancel(call: Call) -> Response:
    """``POST /v1/tasks/cancel`` and ``…/cancel/{task_id}``: the record after it."""
    ref = parse_cancel(call.body, call.path_id)
    return json_answer(shown(call, call.backend.cancel(call.caller, ref, call.now())))


async def account(call: Call) -> Response:
    """``GET /api/v1/me/account``; who the user is is invented."""
    backend = call.backend
    backend.advance(call.now())
    wallet, name = backend.wallet(call.caller), call.caller.account.name
    available = usd(wallet.available)
    return json_answer(
        {
            "user": {"id": 1, "username": name, "created_at": "2026-01-04T07:11:00Z", "tier": "individual"},
            "balance": {
                "available_usd": available,
                "lifetime_topup_usd": usd(wallet.topped_up),
                "lifetime_spent_usd": usd(wallet.spent),
                "low_balance_threshold_usd": LOW_BALANCE_USD,
                "low_balance_flagged": available <= LOW_BALANCE_USD,
            },
            "allowed_models": [
                {"id": slug, "quota_used_usd": None, "quota_cap_usd": None}
                for slug in call.caller.key.models or backend.catalogue
            ],
            "org": {"id": 1, "name": name, "role": "member"} if call.caller.account.org else None,
        }
    )


async def stream(call: Call) -> Response:
    """``GET /v1/tasks/stream/{task_id}``: the states of one task as they come; 404 and poison as for a query."""
    # Importing sse_starlette patches uvicorn: leave that to those who stream.
    from sse_starlette import EventSourceResponse

    task = await _asked_for(call, TaskRef(task_id=call.path_id))
    if task.poison is not None and task.is_hidden:
        return poisoned(task.poison, shown(call, task), call.simulator.options.error_shape)
    return EventSourceResponse(_events(call, task.task_id), ping=HEARTBEAT_SECONDS)


def shown(call: Call, task: Task) -> Record:
    """The task's record now, in another shape while a ``schema_change`` hits."""
    simulator = call.simulator
    said = record(task, call.backend.now)
    effect = simulator.schedule.effect(SchemaChange, call.caller.account.name, call.backend.now)
    if effect is None or not simulator.hits(effect):
        return said
    return reshape(said, task, simulator.draw(get_args(SchemaKind)) if effect.kind == "mixed" else effect.kind)


async def _asked_for(call: Call, ref: TaskRef) -> Task:
    """The task as it stands when it is answered: a slow one only after a while."""
    task = call.backend.query(call.caller, ref, call.now())
    call.backend.books.queried(task, call.backend.now)
    if task.poison is not None and task.poison.kind == "slow":
        await call.simulator.clock.sleep(task.poison.seconds)
        call.backend.advance(call.now())
    return call.backend.task(task.task_id)


def _book_end(call: Call, task: Task, said: Record) -> None:
    """Book that an answer shows the end of its task; in some shapes of a schema change it does not."""
    if said.get("status") in TERMINAL:
        call.backend.books.told_end(task, call.backend.now)


async def _events(call: Call, task_id: str) -> AsyncIterator[dict[str, str]]:
    backend, last = call.backend, None
    while True:
        backend.advance(call.now())
        task = backend.task(task_id)
        status: Status = task.status_at(backend.now)
        if status is not last:
            last, said = status, shown(call, task)
            _book_end(call, task, said)
            yield {"event": "status", "data": json.dumps(said)}
        if task.ended_by(backend.now):
            return
        await call.simulator.clock.sleep(min(MAX_SLEEP_SECONDS, task.next_change(backend.now) - backend.now))


def parse_body(body: bytes) -> dict[str, Any]:
    """The JSON object of a body; this and the others raise ApiError 400 ``invalid_param``."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ApiError.invalid_param("The body must be a JSON object.")
    return value


def parse_ref(body: Mapping[str, Any]) -> TaskRef:
    """Exactly one of ``task_id`` and ``out_task_id``; an empty one counts as not sent."""
    task_id, out_task_id = _text(body, "task_id", MAX_ID_LENGTH), _text(body, "out_task_id", MAX_ID_LENGTH)
    if bool(task_id) == bool(out_task_id):
        raise ApiError.invalid_param("Exactly one of task_id or out_task_id is required.")
    return TaskRef(task_id or None, out_task_id or None)


def parse_cancel(body: bytes, path_id: str | None) -> TaskRef:
    """The task to cancel: the path's id beats a body's ``task_id``, an ``out_task_id`` beside it is one too many."""
    said = parse_body(body) if body.strip() or path_id is None else {}
    return parse_ref({**said, "task_id": path_id} if path_id is not None else said)


def parse_submission(body: Mapping[str, Any], catalogue: Catalogue) -> Submission:
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
    return Submission(slug, model, units, _fingerprint(slug, params), out_task_id or None, callback_url or None)


def _model(slug: str, catalogue: Catalogue) -> Model:
    model = catalogue.get(slug)
    if model is None:
        raise ApiError(400, "invalid_request_error", "model_not_found", "No such model.")
    if model.kind is Kind.TEXT:
        raise ApiError.invalid_param("Tasks are for image and video models only.")
    return model


def _units(model: Model, params: Mapping[str, Any]) -> int:
    field, limit = ("duration_seconds", model.max_seconds) if model.kind is Kind.VIDEO else ("n", model.max_images)
    value = params.get(field, default_units(model))
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
