"""A reload: who holds the settings in force, and how those that are wanted differ from them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from exporter.settings.model import AccountSettings, GroupSettings, Part, Settings

Named = TypeVar("Named", AccountSettings, GroupSettings)


class CurrentSettings:
    """Holds the settings in force, for everybody who must see a reload. The event loop alone replaces them.

    Whoever needs two settings that belong together reads ``value`` once: the settings themselves never change.
    """

    __slots__ = ("_value",)

    def __init__(self, value: Settings) -> None:
        self._value = value

    @property
    def value(self) -> Settings:
        """The settings in force now."""
        return self._value

    def replace(self, wanted: Settings) -> None:
        """Put others in force."""
        self._value = wanted


@dataclass(frozen=True, slots=True)
class Changes:
    """Names, by what happens to them; each tuple is in the order of its file."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.removed or self.changed)

    def as_json(self) -> dict[str, list[str]]:
        return {
            "added": list(self.added),
            "removed": list(self.removed),
            "changed": list(self.changed),
            "kept": list(self.kept),
        }


@dataclass(frozen=True, slots=True)
class TaskChanges:
    """How many tasks the file names in one group anew, and how many no more."""

    group: str
    added: int
    removed: int


@dataclass(frozen=True, slots=True)
class Difference:
    """What a reload changes; ``keys`` are those outside accounts and groups, as the file writes them."""

    accounts: Changes
    groups: Changes
    tasks: tuple[TaskChanges, ...] = ()
    keys: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return self.accounts.is_empty and self.groups.is_empty and not self.keys

    def as_json(self) -> dict[str, object]:
        """The difference as the reload answers with it."""
        return {
            "accounts": self.accounts.as_json(),
            "task_groups": self.groups.as_json(),
            "tasks": {task.group: {"added": task.added, "removed": task.removed} for task in self.tasks},
            "keys": list(self.keys),
        }


def diff(running: Settings, wanted: Settings) -> Difference:
    """What has to change so that the running settings become the wanted ones."""
    groups = _by_name(running.task_groups), _by_name(wanted.task_groups)
    before = dict(_keys(running))
    return Difference(
        accounts=_changes(_by_name(running.accounts), _by_name(wanted.accounts)),
        groups=_changes(*groups),
        tasks=tuple(_tasks(*groups)),
        keys=tuple(key for key, value in _keys(wanted) if value != before[key]),
    )


def refusals(running: Settings, wanted: Settings) -> tuple[str, ...]:
    """Why a reload cannot be applied while running; empty where it can be.

    The addresses are not repeated: a database's may hold a password.
    """
    firm = {
        "ledger.url": lambda settings: settings.ledger.url,
        "ledger.lease": lambda settings: settings.ledger.lease,
        "proxy.listen_address": _proxy_address,
    }
    return tuple(
        f"{key}: it cannot change while running; restart the exporter, or put the old one back"
        for key, of in firm.items()
        if of(running) != of(wanted)
    )


def _proxy_address(settings: Settings) -> str | None:
    return settings.proxy.listen_address if settings.proxy else None


def _by_name(members: Iterable[Named]) -> dict[str, Named]:
    return {member.name: member for member in members}


def _changes(running: Mapping[str, object], wanted: Mapping[str, object]) -> Changes:
    both = [name for name in wanted if name in running]
    return Changes(
        added=tuple(name for name in wanted if name not in running),
        removed=tuple(name for name in running if name not in wanted),
        changed=tuple(name for name in both if running[name] != wanted[name]),
        kept=tuple(name for name in both if running[name] == wanted[name]),
    )


def _tasks(running: Mapping[str, GroupSettings], wanted: Mapping[str, GroupSettings]) -> Iterable[TaskChanges]:
    for name in dict.fromkeys([*running, *wanted]):
        before, after = _ids(running.get(name)), _ids(wanted.get(name))
        if before != after:
            yield TaskChanges(name, added=len(after - before), removed=len(before - after))


def _ids(group: GroupSettings | None) -> frozenset[tuple[str, str, str]]:
    """The tasks of a group; the same id under another account is another task."""
    if group is None:
        return frozenset()
    known = {(group.account, "task_id", name) for target in group.static_configs for name in target.task_ids}
    named = {(group.account, "out_task_id", name) for target in group.static_configs for name in target.out_task_ids}
    return frozenset(known | named)


def _keys(part: Part, path: str = "") -> Iterator[tuple[str, object]]:
    """Every setting outside accounts and groups, by its key as the file writes it."""
    for key in part.declared():
        value = getattr(part, key.attribute)
        if isinstance(value, Part):
            yield from _keys(value, f"{path}{key.name}.")
        elif path:  # the lists of accounts and of groups alone stand at the top
            yield path + key.name, value
