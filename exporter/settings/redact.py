"""The effective configuration for people: the file's own shape, every default filled in, and no secret.

Settings hold names of variables and paths of files, never what is in them. What is left are the queries of URLs,
which may carry a token: their type writes them back hidden.
"""

from typing import Any, get_args

import yaml

from exporter.settings.fields import TaskId, Written
from exporter.settings.model import Part, Settings, TargetSettings, annotations


def as_yaml(settings: Settings, *, ids: int = 100) -> str:
    """The settings as YAML that loads again, but for hidden queries and lists of more ids or targets than that."""
    return yaml.safe_dump(_part(settings, ids), sort_keys=False, allow_unicode=True, width=120)


def _part(part: Part, ids: int) -> dict[str, object]:
    """A part as a mapping; no value and empty text, which no key takes, stand for a key that is left out."""
    values = ((key, getattr(part, key.attribute)) for key in part.declared())
    return {key.name: _value(value, key.hint, ids) for key, value in values if value is not None and value != ""}


def _value(value: Any, hint: Any, ids: int) -> object:
    if isinstance(value, Part):
        return _part(value, ids)
    for annotation in annotations(hint):
        if isinstance(annotation, Written):
            return annotation.back(value)
    return _list(value, hint, ids) if isinstance(value, tuple) else value


def _list(members: tuple[Any, ...], hint: Any, ids: int) -> list[object]:
    inner = get_args(get_args(hint)[0])[0]
    most = ids if inner in (TaskId, TargetSettings) else len(members)
    rest = [f"(and {len(members) - most} more)"] if len(members) > most else []
    return [*(_value(member, inner, ids) for member in members[:most]), *rest]
