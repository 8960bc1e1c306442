"""One task as the API shows it. Times are RFC 3339 in UTC; what is not known is null."""

from datetime import UTC, datetime

from exporter.tasks.view import TaskView


def task_view(task: TaskView) -> dict[str, object]:
    """What a list shows of a task."""
    state, labels = task.state, task.labels
    return {
        "account": labels.account,
        "group": labels.group,
        "model": labels.model,
        "labels": dict(labels.user),
        "task_id": state.ref.task_id,
        "out_task_id": state.ref.out_task_id,
        "status": str(state.status),
        "submitted_at": moment(state.submitted_at),
        "observed_at": moment(state.observed_at),
        "finished_at": moment(state.finished_at),
        "estimated_seconds": state.eta_seconds,
        "credits_estimated": state.credits_estimated,
        "credits_used": state.credits_used,
        "error_code": state.error_code,
    }


def whole_view(task: TaskView) -> dict[str, object]:
    """Everything about a task; ``history`` is what this process has seen of it."""
    state = task.state
    return {
        **task_view(task),
        "first_seen_at": moment(state.first_seen_at),
        "running_at": moment(state.running_at),
        "duration_seconds": state.duration,
        "sources": list(task.sources),
        "history": [{"at": moment(change.at), "status": str(change.status)} for change in task.history],
    }


def moment(at: float | None) -> str | None:
    """Unix seconds as RFC 3339; None too where the calendar does not reach."""
    if at is None:
        return None
    try:
        return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return None
