"""Ids that come in a path, a query or a callback."""

from typing import TypeGuard

from pydantic import TypeAdapter, ValidationError

from exporter.settings.fields import TaskId

_TASK_ID: TypeAdapter[str] = TypeAdapter(TaskId)


def is_task_id(value: object) -> TypeGuard[str]:
    """Whether this may be the id of a task, by the rules of the configuration."""
    if not isinstance(value, str):
        return False
    try:
        _TASK_ID.validate_python(value)
    except ValidationError:
        return False
    return True
