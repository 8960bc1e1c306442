"""How a list of items is written: YAML, JSON, or plain text with one id a line."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath
from typing import Self

from exporter.settings.errors import ConfigError, Fault, KeyPath, dotted, shown
from exporter.settings.reader import read_list

API_PREFIX = "task_"
"""Where an id stands alone, one that begins so is the API's own; any other is the caller's."""


class Format(StrEnum):
    """How a list is written."""

    YAML = "yaml"
    JSON = "json"
    TEXT = "text"

    @classmethod
    def of(cls, path: PurePath) -> "Format":
        """The format of a file, by its suffix; what is neither YAML nor JSON is text."""
        suffixes = {".yml": cls.YAML, ".yaml": cls.YAML, ".json": cls.JSON}
        return suffixes.get(path.suffix, cls.TEXT)


@dataclass(frozen=True, slots=True)
class Written:
    """The items of a list, not yet checked; what is wrong with how it is written; and how to say where one stands."""

    items: Sequence[object]
    fault: Callable[[KeyPath, str], Fault]
    faults: tuple[Fault, ...] = ()

    @classmethod
    def of(cls, items: Sequence[object], *, name: str) -> Self:
        """Items that are JSON values: they stand on no line."""
        return cls(items, lambda path, message: Fault(name, 0, dotted(path), message))


def read_written(text: str, form: Format, *, name: str) -> Written:
    """Read a text; ConfigError where it is not in this format."""
    read = {Format.YAML: _yaml, Format.JSON: _json, Format.TEXT: _text}
    return read[form](text, name)


def _yaml(text: str, name: str) -> Written:
    document = read_list(text, file=name)
    return Written(document.root, document.fault, document.faults)


def _json(text: str, name: str) -> Written:
    try:
        items = json.loads(text, object_pairs_hook=_members, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise ConfigError([Fault(name, error.lineno, "", f"this is not JSON: {error.msg}")]) from None
    except RecursionError:
        raise ConfigError([Fault(name, 0, "", "this is not a list of items: it is nested too deep")]) from None
    except ValueError as error:
        problem = error if isinstance(error, _NotAllowedError) else "a number has too many digits"
        raise ConfigError([Fault(name, 0, "", f"this is not JSON: {problem}")]) from None
    if not isinstance(items, list):
        raise ConfigError([Fault(name, 0, "", "expected a list of items, as in static_configs")])
    return Written.of(items, name=name)


class _NotAllowedError(ValueError):
    """What Python's JSON takes, but the standard does not, or leaves open."""


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _NotAllowedError(f"{shown(max(keys, key=keys.count))} stands twice in one object; keep one")
    return members


def _no_constant(name: str) -> object:
    raise _NotAllowedError(f"{name} is no number")


def _text(text: str, name: str) -> Written:
    """A line that stands twice counts once: a script that appends need not look first."""
    lines: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if (word := line.strip()) and not word.startswith("#"):
            lines.setdefault(word, number)
    ids: dict[str, list[str]] = {}
    for word in lines:
        ids.setdefault("task_ids" if word.startswith(API_PREFIX) else "out_task_ids", []).append(word)

    def fault(path: KeyPath, message: str) -> Fault:
        match path:
            case (_, str(key), int(at)):
                return Fault(name, lines[ids[key][at]], "", message)
        return Fault(name, 0, "", message)

    return Written([ids] if ids else [], fault)
