"""From a list of items to targets: one set of rules and limits for all sources, that of ``static_configs``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from exporter.discovery.written import Format, Written, read_written
from exporter.settings.errors import ConfigError
from exporter.settings.load import parse_targets
from exporter.settings.model import GroupSettings, TargetSettings
from exporter.settings.reader import decode

MAX_IDS = 100_000
"""What one list may hold; it may have as many items."""


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


def parse_list(content: bytes, form: Format, *, name: str, defaults: Defaults) -> tuple[TargetSettings, ...]:
    """The targets of a list; ``name`` says in faults where it is from.

    Raises ConfigError with every fault: of YAML and text with its line, of JSON with its path.
    It blocks: 16 MiB, the most that is taken, need some seconds.
    """
    return _targets(read_written(decode(content, file=name), form, name=name), defaults)


def parse_items(items: Sequence[object], *, name: str, defaults: Defaults) -> tuple[TargetSettings, ...]:
    """The targets of items that are JSON values, one each; raises ConfigError with every fault."""
    return _targets(Written.of(items, name=name), defaults)


def count_ids(targets: Sequence[TargetSettings]) -> int:
    """How many ids they name."""
    return sum(len(target.task_ids) + len(target.out_task_ids) for target in targets)


def _targets(written: Written, defaults: Defaults) -> tuple[TargetSettings, ...]:
    if len(written.items) > MAX_IDS or sum(map(_ids, written.items)) > MAX_IDS:
        raise ConfigError([written.fault((), f"has more than {MAX_IDS} items or ids, the most that is allowed")])
    return parse_targets(
        written.items,
        TargetSettings(model=defaults.model, labels=defaults.labels),
        declared=defaults.declared,
        fault=written.fault,
        faults=written.faults,
    )


def _ids(item: object) -> int:
    """How many ids an item names, before it is known to be one."""
    lists = (item.get("task_ids"), item.get("out_task_ids")) if isinstance(item, Mapping) else ()
    return sum(len(ids) for ids in lists if isinstance(ids, list))
