"""From the schema's validation errors to sentences for people: what is wrong and what is allowed."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from exporter.settings.checks import Complaint
from exporter.settings.paths import Path, shown

_MESSAGES = {
    "list_type": "expected a list",
    "dict_type": "expected a mapping (key: value)",
    "model_type": "expected a mapping (key: value)",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "too_short": "needs at least {min_length} entry",
    "too_long": "has more entries than the {max_length} allowed",
}


def complaints(error: ValidationError, model: type[BaseModel]) -> Iterator[Complaint]:
    """Each error of validating the model as a complaint."""
    for detail in error.errors(include_url=False, include_input=False):
        path = tuple(detail["loc"])
        yield path, _message(detail, path, model)


def _message(detail: ErrorDetails, path: Path, model: type[BaseModel]) -> str:
    context = detail.get("ctx", {})
    match detail["type"]:
        case "value_error":
            return str(context["error"])
        case "extra_forbidden":
            return _unknown_key(str(path[-1]), _keys(_model_at(model, path[:-1])))
        case "missing":
            return f"is needed: {_description(_model_at(model, path[:-1]), str(path[-1]))}"
    return _MESSAGES.get(detail["type"], "{msg}").format(msg=detail["msg"], **context)


def _unknown_key(key: str, allowed: list[str]) -> str:
    close = get_close_matches(shown(key), allowed, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"unknown key; {hint}allowed: {', '.join(allowed)}"


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _description(model: type[BaseModel], key: str) -> str:
    return model.model_fields[key].description or ""


def _model_at(model: type[BaseModel], path: Path) -> type[BaseModel]:
    """The model of the mapping at a path; a field holds one kind of model at most, in a list or not."""
    for part in path:
        if isinstance(part, str):
            fields = {field.alias or name: field for name, field in model.model_fields.items()}
            model = next(_models_in(fields[part].annotation))
    return model


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
