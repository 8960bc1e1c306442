"""A task as JSON: the published record, other shapes of it for the schema scenario, and the whole truth for admins."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from exporter.simulator.books import TaskQueries
from exporter.simulator.catalogue import Kind
from exporter.simulator.money import usd
from exporter.simulator.tasks import Status, Task

Record = dict[str, Any]


def record(task: Task, now: float) -> Record:
    """The record of ``POST /v1/tasks/query`` (G2): each status has its own set of fields."""
    status = task.status_at(now)
    ids: Record = {"task_id": task.task_id}
    if task.out_task_id:
        ids["out_task_id"] = task.out_task_id
    return {**ids, "status": str(status), **_details(task, status)}


def truth(task: Task, now: float, queries: TaskQueries) -> Record:
    """All there is to know of a task now, for ``/sim/tasks``; times are Unix seconds."""
    ended = task.ended_by(now)
    return {
        "task_id": task.task_id,
        "out_task_id": task.out_task_id,
        "account": task.account,
        "key": task.key,
        "model": task.model,
        "status": str(task.status_at(now)),
        "submitted_at": task.submitted_at,
        "estimated_seconds": task.eta,
        "estimated_credits": usd(task.estimate),
        "ended_at": task.lifecycle.end_at if ended else None,
        "credits_used": _usd(task.lifecycle.credits_used) if ended else None,
        "error_code": task.lifecycle.error_code if ended else None,
        "tag": task.tag,
        "poison": task.poison.kind if task.poison else None,
        "queries": queries.count,
        "max_queries_per_minute": queries.most_per_minute,
        "detection_seconds": queries.detection_seconds,
    }


def reshape(said: Record, task: Task, kind: str) -> Record:
    """The record in the shape that a ``schema_change`` of that kind gives it (all invented but the legacy one)."""
    return SHAPES[kind](said, task)


def _details(task: Task, status: Status) -> Record:
    estimates: Record = {"estimated_credits": usd(task.estimate), "estimated_seconds": task.eta}
    match status:
        case Status.COMPLETED:
            return {"credits_used": _usd(task.lifecycle.credits_used), "output": _output(task)}
        case Status.FAILED:
            return {"error_code": task.lifecycle.error_code, "error_message": _error_message(task.lifecycle.error_code)}
        case Status.CANCELLED if task.lifecycle.credits_used is not None:
            return {"estimated_seconds": task.eta, "credits_used": usd(task.lifecycle.credits_used)}
    return estimates


def _output(task: Task) -> list[Record]:
    size = {"width": task.size[0], "height": task.size[1]}
    if task.kind is Kind.VIDEO:
        return [{"type": "video", "url": _url(task, ".mp4"), "duration_seconds": task.units, **size}]
    # The shape of image items is invented.
    return [{"type": "image", "url": _url(task, f"-{n}.png"), **size} for n in range(task.units)]


def _url(task: Task, end: str) -> str:
    day = f"{datetime.fromtimestamp(task.submitted_at, UTC):%Y-%m-%d}"
    return f"https://cdn.bytespike.ai/multimodal/{task.model}/{day}/{task.task_id.removeprefix('task_')}{end}"


def _error_message(code: str | None) -> str:
    if code == "content_policy_violation":
        return "The prompt was rejected under content policy."
    return "The simulator made this task fail."


def _usd(amount: int | None) -> float | None:
    return None if amount is None else usd(amount)


def _unknown_status(said: Record, _task: Task) -> Record:
    return {**said, "status": "archived"}


def _renamed_field(said: Record, _task: Task) -> Record:
    return {"state" if field == "status" else field: value for field, value in said.items()}


def _missing_field(said: Record, _task: Task) -> Record:
    return {field: value for field, value in said.items() if field != "status"}


def _mistyped_field(said: Record, _task: Task) -> Record:
    wrong = {"estimated_credits": {"usd": 1}, "credits_used": [1.47], "estimated_seconds": True, "output": "none"}
    return {field: wrong.get(field, value) for field, value in said.items()}


def _numeric_strings(said: Record, _task: Task) -> Record:
    return {field: str(value) if isinstance(value, int | float) else value for field, value in said.items()}


def _extra_field(said: Record, _task: Task) -> Record:
    return {**said, "progress": 0.5, "queue": {"position": 3}}


def _legacy_shape(said: Record, task: Task) -> Record:
    """The per-model pages' shape (G1)."""
    names = {"credits_used": "credits"}
    kept = {names.get(field, field): value for field, value in said.items() if field not in ("output", "status")}
    kept["status"] = "queued" if said["status"] == Status.PENDING else said["status"]
    kept["submitted_at"] = _rfc3339(task.submitted_at)
    if said["status"] == Status.COMPLETED:
        kept["completed_at"] = _rfc3339(task.lifecycle.end_at)
        kept["result"] = {f"{task.kind}_url": said["output"][0]["url"]}
    return kept


def _rfc3339(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


SHAPES: Mapping[str, Callable[[Record, Task], Record]] = {
    "unknown_status": _unknown_status,
    "renamed_field": _renamed_field,
    "missing_field": _missing_field,
    "mistyped_field": _mistyped_field,
    "numeric_strings": _numeric_strings,
    "extra_field": _extra_field,
    "legacy_shape": _legacy_shape,
}
