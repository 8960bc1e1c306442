"""One hash of what a configuration means, to tell whether replicas have the same one.

The order of keys, accounts, groups and ids means nothing, nor does it matter where each machine keeps the file and its
secrets: paths are taken relative to the file, and what leads to a secret, or may carry one, is left out.
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

from exporter.settings.fields import TaskId, Written
from exporter.settings.model import AccountSettings, GroupSettings, Part, Settings, annotations

UNORDERED = (AccountSettings, GroupSettings, TaskId)
"""The members of these lists may stand in any order."""


def fingerprint(settings: Settings, *, directory: Path) -> str:
    """64 hexadecimal digits. ``directory`` is where the file lies. It takes the longer the more tasks are named."""
    return sha256(json.dumps(_part(settings, str(directory)), sort_keys=True).encode()).hexdigest()


def _part(part: Part, directory: str) -> dict[str, object]:
    secrets = part.confidential()
    keys = (key for key in part.declared() if key.attribute not in secrets)
    return {key.name: _value(getattr(part, key.attribute), key.hint, directory) for key in keys}


def _value(value: Any, hint: Any, directory: str) -> object:
    if value is None:
        return None
    if isinstance(value, Part):
        return _part(value, directory)
    if isinstance(value, str) and value.startswith(f"{directory}/"):
        value = value.removeprefix(f"{directory}/")
    for annotation in annotations(hint):
        if isinstance(annotation, Written):
            return annotation.back(value)
    return _list(value, hint, directory) if isinstance(value, tuple) else value


def _list(members: tuple[Any, ...], hint: Any, directory: str) -> list[object]:
    inner = get_args(get_args(hint)[0])[0]
    written = [_value(member, inner, directory) for member in members]
    return sorted(written, key=lambda each: json.dumps(each, sort_keys=True)) if inner in UNORDERED else written
