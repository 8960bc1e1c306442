"""From the bytes of a list to items: one set of formats, rules and limits for all sources, that of ``static_configs``.

A list is read (YAML, JSON, or plain text with one id a line), its items are checked and become targets, and each id of
a target becomes an item that is followed. All of it blocks: 16 MiB, the most that is taken where a
source allows no more tasks than usual, need some seconds.
"""

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath
from typing import Self

from exporter.settings.errors import ConfigError, Fault, KeyPath, dotted, shown
from exporter.settings.load import parse_targets
from exporter.settings.model import GroupSettings, TargetSettings
from exporter.settings.reader import MAX_BYTES, decode, read_list
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels

MAX_IDS = 100_000
"""What one list may hold where nothing else is said; it may have as many items."""

BYTES_A_TASK = 128
"""A list that may name more tasks than usual may have so many bytes for each."""

MAX_FAULTS = 1000
"""After so many in one list no more are looked for."""

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
class Defaults:
    """What a group says of its items: model and labels, where they say nothing, and the label names declared."""

    model: str
    labels: tuple[tuple[str, str], ...]
    declared: frozenset[str]

    @classmethod
    def of(cls, group: GroupSettings, declared: Sequence[str]) -> Self:
        """Those of a group; ``declared`` are the names in ``global.labels``."""
        return cls(group.model, group.labels, frozenset(declared))


@dataclass(frozen=True, slots=True)
class ListParser:
    """Makes items of the lists of one group; equal parsers make the same items of the same list."""

    account: str
    group: str
    defaults: Defaults
    max_tasks: int | None = None

    @classmethod
    def of(cls, group: GroupSettings, declared: Sequence[str]) -> Self:
        """That of a group; ``declared`` are the names in ``global.labels``."""
        return cls(group.account, group.name, Defaults.of(group, declared))

    def parse(self, content: bytes, form: Format, *, name: str) -> tuple[Item, ...]:
        """The items of a list, as ``parse_list``."""
        targets = parse_list(content, form, name=name, defaults=self.defaults, max_tasks=self.max_tasks)
        return tuple(_items(targets, account=self.account, group=self.group))


def parse_list(
    content: bytes, form: Format, *, name: str, defaults: Defaults, max_tasks: int | None = None
) -> tuple[TargetSettings, ...]:
    """The targets of a list; ``name`` says in faults where it is from.

    Raises ConfigError with every fault: of YAML and text with its line, of JSON with its path.
    """
    most = MAX_IDS if max_tasks is None else max_tasks
    text = decode(content, file=name, max_bytes=max_bytes(max_tasks))
    return _targets(read_written(text, form, name=name, most=most), defaults, most)


def parse_items(items: Sequence[object], *, name: str, defaults: Defaults) -> tuple[TargetSettings, ...]:
    """The targets of items that are JSON values, one each; raises ConfigError with every fault."""
    return _targets(Written.of(items, name=name), defaults, MAX_IDS)


def max_bytes(max_tasks: int | None, *, least: int = MAX_BYTES) -> int:
    """How long a list may be that may name so many tasks: a limit that its group raises raises this one, too."""
    return least if max_tasks is None or max_tasks <= MAX_IDS else max(least, BYTES_A_TASK * max_tasks)


def items_of(group: GroupSettings, targets: Iterable[TargetSettings]) -> tuple[Item, ...]:
    """One item for each id of the targets, in their order."""
    return tuple(_items(targets, account=group.account, group=group.name))


def target_labels(group: GroupSettings, target: TargetSettings) -> TaskLabels:
    """The labels of the tasks of one target."""
    return TaskLabels(account=group.account, group=group.name, model=target.model, user=target.labels)


# ---- from targets to items -------------------------------------------------------------------------------------------


def _items(targets: Iterable[TargetSettings], *, account: str, group: str) -> Iterator[Item]:
    known: dict[object, TaskLabels] = {}  # thousands share a few label sets
    for each in targets:
        said = (each.model, each.labels)
        labels = known.get(said) or known.setdefault(said, TaskLabels(account, group, *said))
        for task_id in each.task_ids:
            yield Item(TaskRef(account, task_id=task_id), labels, each.submitted_at)
        for out_task_id in each.out_task_ids:
            yield Item(TaskRef(account, out_task_id=out_task_id), labels, each.submitted_at)


# ---- from what is written to targets ---------------------------------------------------------------------------------


def _targets(written: "Written", defaults: Defaults, most: int) -> tuple[TargetSettings, ...]:
    if len(written.items) > most or sum(map(_ids, written.items)) > most:
        raise ConfigError([written.fault((), f"has more than {most} items or ids, the most that is allowed")])
    return parse_targets(
        written.items,
        TargetSettings(model=defaults.model, labels=defaults.labels),
        declared=defaults.declared,
        fault=written.fault,
        faults=written.faults,
        most_faults=MAX_FAULTS,
    )


def _ids(item: object) -> int:
    """How many ids an item names, before it is known to be one."""
    lists = (item.get("task_ids"), item.get("out_task_ids")) if isinstance(item, Mapping) else ()
    return sum(len(ids) for ids in lists if isinstance(ids, list))


# ---- from bytes to what is written -----------------------------------------------------------------------------------


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


def read_written(text: str, form: Format, *, name: str, most: int = MAX_IDS) -> Written:
    """Read a text; ConfigError where it is not in this format. What has more than ``most`` need not be read whole."""
    match form:
        case Format.YAML:
            return _yaml(text, name)
        case Format.JSON:
            return _json(text, name)
        case Format.TEXT:
            return _text(text, name, most)


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
    members: dict[str, object] = {}
    for key, value in pairs:
        if key in members:
            raise _NotAllowedError(f"{shown(key)} stands twice in one object; keep one")
        members[key] = value
    return members


def _no_constant(name: str) -> object:
    raise _NotAllowedError(f"{name} is no number")


def _text(text: str, name: str, most: int) -> Written:
    """A line that stands twice counts once: a script that appends need not look first."""
    lines: dict[str, int] = {}
    # line by line, since millions at once would be made without a pause for other threads
    for number, line in enumerate(io.StringIO(text, newline="\n"), start=1):
        if (word := line.strip()) and not word.startswith("#"):
            lines.setdefault(word, number)
        if len(lines) > most:
            break  # it is refused
    ids: dict[str, list[str]] = {}
    for word in lines:
        ids.setdefault("task_ids" if word.startswith(API_PREFIX) else "out_task_ids", []).append(word)

    def fault(path: KeyPath, message: str) -> Fault:
        match path:
            case (_, str(key), int(at)):
                return Fault(name, lines[ids[key][at]], "", message)
        return Fault(name, 0, "", message)

    return Written([ids] if ids else [], fault)
