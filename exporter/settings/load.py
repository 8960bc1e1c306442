"""Loading a configuration: every mistake at once, each as a sentence with its place, or the settings."""

import os
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from exporter.settings.checks import Complaint, check
from exporter.settings.confidential import NO_VARIABLES, known_secrets, misplaced
from exporter.settings.errors import ConfigError, Fault, KeyPath, in_order, shown
from exporter.settings.model import GroupSettings, Part, Settings, TargetSettings, parts_in
from exporter.settings.reader import MAX_BYTES, decode, read

AnyPart = TypeVar("AnyPart", bound=Part)

_SETTINGS = TypeAdapter(Settings)


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of a file; ConfigError with every mistake in it. It blocks while it reads."""
    return parse(_text(path), file=str(path), base=path.parent, environ=environ)


def parse(text: str, *, file: str, base: Path, environ: Mapping[str, str] = NO_VARIABLES) -> Settings:
    """The settings of a text; ``file`` names it in faults, relative paths start at ``base``.

    The secrets that it names are read, in files and in ``environ``: none of them may stand in the text itself.
    """
    document = read(text, file=file)
    wrong: list[Complaint] = []
    base = _absolute(base, file)
    secrets = known_secrets(document.root, base, environ)
    wrong += misplaced(document.root, secrets)
    settings = validated(_SETTINGS, Settings, document.root, wrong, base=base)
    wrong += check(document.root)
    if settings is None or wrong or document.faults:
        faults = [*document.faults, *(document.fault(*complaint) for complaint in wrong)]
        raise ConfigError([fault.without(secrets.mask) for fault in in_order(faults)])
    return _inherited(settings, document.root)


def _absolute(base: Path, file: str) -> Path:
    try:
        return base.absolute()
    except OSError:
        raise ConfigError([Fault(file, 0, "", "cannot be read: the working directory is gone")]) from None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise ConfigError([Fault(str(path), 0, "", f"cannot be read: {reason}")]) from None
    return decode(content, file=str(path))


# ---- what is inherited -----------------------------------------------------------------------------------------------


def _inherited(settings: Settings, root: Mapping[str, Any]) -> Settings:
    """The settings with what groups and targets leave out filled in; ``root`` tells which keys they name."""
    written = root.get("task_groups", ())
    groups = tuple(_group(group, settings, own) for group, own in zip(settings.task_groups, written, strict=True))
    return replace(settings, task_groups=groups)


def _group(group: GroupSettings, settings: Settings, written: Mapping[str, Any]) -> GroupSettings:
    own = {name: getattr(group.poll, name) for name in written.get("poll", ())}
    return replace(
        group,
        account=group.account or settings.accounts[0].name,
        poll=replace(settings.globals.poll, **own),
        static_configs=tuple(narrowed(target, group.model, group.labels) for target in group.static_configs),
    )


def narrowed(target: TargetSettings, model: str, labels: tuple[tuple[str, str], ...]) -> TargetSettings:
    """A target with the model and labels of its group where it says nothing."""
    merged = tuple(sorted({**dict(labels), **dict(target.labels)}.items()))
    return replace(target, model=target.model or model, labels=merged)


# ---- what is wrong, in sentences -------------------------------------------------------------------------------------

_MESSAGES = {
    "list_type": "expected a list",
    "tuple_type": "expected a list",
    "dict_type": "expected a mapping (key: value)",
    "dataclass_type": "expected a mapping (key: value)",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "too_short": "needs at least {min_length} entry",
    "too_long": "has more entries than the {max_length} allowed",
}


def validated(
    adapter: TypeAdapter[AnyPart],
    part: type[AnyPart],
    value: object,
    wrong: list[Complaint],
    *,
    path: KeyPath = (),
    base: Path | None = None,
) -> AnyPart | None:
    """The part that a value says; None where it says something ``wrong``, which is added there."""
    try:
        return adapter.validate_python(value, context=base)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        wrong += (((*path, *detail["loc"]), _message(detail, part)) for detail in details)
        return None


def _message(detail: ErrorDetails, part: type[Part]) -> str:
    path, context = detail["loc"], detail.get("ctx", {})
    match detail["type"]:
        case "value_error":
            return str(context["error"])
        case "unexpected_keyword_argument":
            return _unknown_key(str(path[-1]), [key.name for key in _part_at(part, path[:-1]).declared()])
        case "missing":
            return f"is needed: {_description(_part_at(part, path[:-1]), str(path[-1]))}"
    return _MESSAGES.get(detail["type"], "{msg}").format(msg=detail["msg"], **context)


def _unknown_key(name: str, allowed: list[str]) -> str:
    close = get_close_matches(shown(name), allowed, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"unknown key; {hint}allowed: {', '.join(allowed)}"


def _description(part: type[Part], name: str) -> str:
    return next(key.description for key in part.declared() if key.name == name)


def _part_at(part: type[Part], path: KeyPath) -> type[Part]:
    """The part at a path; a key holds one kind of part at most, in a list or not."""
    for name in path:
        if isinstance(name, str):
            part = next(found for key in part.declared() if key.name == name for found in parts_in(key.hint))
    return part
