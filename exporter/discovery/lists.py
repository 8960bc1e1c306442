"""From the bytes of a list to items: one set of formats, rules and limits for all sources, that of ``static_configs``.

A list is read (YAML, JSON, or plain text with one id a line), its items are checked and become targets, and each id of
a target becomes an item that is followed. That is done item by item, so that a long list takes little more room than
its tasks. All of it blocks, for seconds where there are hundreds of thousands, but no step of it keeps the interpreter
from other threads for long.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self

from exporter.discovery.items import Items
from exporter.discovery.written import MAX_IDS, Format, Written, read_written
from exporter.settings.errors import ConfigError, Fault, in_order
from exporter.settings.model import GroupSettings, TargetSettings
from exporter.settings.reader import MAX_BYTES, decode
from exporter.settings.targets import KnownSecrets, NoSecrets, TargetReader
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels

BYTES_A_TASK = 128
"""A list that may name more tasks than usual may have so many bytes for each."""

MAX_FAULTS = 1000
"""After so many in one list no more are looked for."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a group says of its items: model and labels, where they say nothing, and the label names declared."""

    model: str
    labels: tuple[tuple[str, str], ...]
    declared: frozenset[str]
    secrets: KnownSecrets = field(default=NoSecrets(), compare=False)

    @classmethod
    def of(cls, group: GroupSettings, declared: Sequence[str], secrets: KnownSecrets | None = None) -> Self:
        """Those of a group; ``declared`` are the names in ``global.labels``."""
        return cls(group.model, group.labels, frozenset(declared), secrets or NoSecrets())


@dataclass(frozen=True, slots=True)
class ListParser:
    """Makes items of the lists of one group; equal parsers make the same items of the same list."""

    account: str
    group: str
    defaults: Defaults
    max_tasks: int | None = None
    max_bytes: int | None = None

    @property
    def longest(self) -> int:
        """How many bytes a list may have."""
        return self.max_bytes or max_bytes(self.max_tasks)

    @classmethod
    def of(cls, group: GroupSettings, declared: Sequence[str], secrets: KnownSecrets | None = None) -> Self:
        """That of a group; ``declared`` are the names in ``global.labels``."""
        return cls(group.account, group.name, Defaults.of(group, declared, secrets))

    def parse(self, content: bytes, form: Format, *, name: str) -> Items:
        """The items of a list, as ``parse_list``."""
        self.defaults.secrets.refresh()  # what the list holds may be a key that has just been written
        text = decode(content, file=name, max_bytes=self.longest)
        targets = _parsed(text, form, name=name, defaults=self.defaults, max_tasks=self.max_tasks)
        return Items(_items(targets, account=self.account, group=self.group))


def parse_list(
    content: bytes, form: Format, *, name: str, defaults: Defaults, max_tasks: int | None = None
) -> tuple[TargetSettings, ...]:
    """The targets of a list; ``name`` says in faults where it is from.

    Raises ConfigError with every fault: of YAML and text with its line, of JSON with its path.
    """
    text = decode(content, file=name, max_bytes=max_bytes(max_tasks))
    return tuple(_parsed(text, form, name=name, defaults=defaults, max_tasks=max_tasks))


def parse_items(items: Sequence[object], *, name: str, defaults: Defaults) -> tuple[TargetSettings, ...]:
    """The targets of items that are JSON values, one each; raises ConfigError with every fault."""
    return tuple(_targets(Written.of(iter(items), name=name), defaults, MAX_IDS))


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


def _parsed(
    text: str, form: Format, *, name: str, defaults: Defaults, max_tasks: int | None
) -> Iterator[TargetSettings]:
    most = MAX_IDS if max_tasks is None else max_tasks
    return _targets(read_written(text, form, name=name, most=most), defaults, most)


def _targets(written: Written, defaults: Defaults, most: int) -> Iterator[TargetSettings]:
    """The targets of the items, one each; ConfigError, at the end if there is a fault anywhere."""
    inherited = TargetSettings(model=defaults.model, labels=defaults.labels)
    reader = TargetReader(inherited, defaults.declared, secrets=defaults.secrets)
    faults: list[Fault] = []
    more: list[Fault] = []
    ids = 0
    for at, item in enumerate(written.items):
        ids += _ids(item)
        if at >= most or ids > most:
            raise ConfigError([written.fault((), f"has more than {most} items or ids, the most that is allowed")])
        if more:
            continue  # what is no list at all shows at its end
        target = reader.read(item, at=at, most_faults=MAX_FAULTS + 1)
        if isinstance(target, TargetSettings):
            yield target
            continue
        faults += (written.fault(*complaint) for complaint in target)
        if len(faults) > MAX_FAULTS:
            more = [written.fault((at,), f"more than {MAX_FAULTS} faults; no more are looked for")]
    if faults := [*written.faults, *faults[:MAX_FAULTS]]:
        raise ConfigError([*in_order(faults), *more])


def _ids(item: object) -> int:
    """How many ids an item names, before it is known to be one."""
    lists = (item.get("task_ids"), item.get("out_task_ids")) if isinstance(item, dict) else ()
    return sum(len(ids) for ids in lists if isinstance(ids, list))
