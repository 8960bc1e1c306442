"""The sources that a group's configuration asks for, besides the tasks that it names itself."""

from collections.abc import Iterator
from dataclasses import dataclass

from exporter.discovery.source import Mechanism, Source
from exporter.settings.model import GroupSettings


@dataclass(frozen=True, slots=True)
class Configured:
    """One source to be run: it is kept through a reload for as long as ``key`` stays the same."""

    name: str
    group: GroupSettings
    mechanism: Mechanism
    source: Source

    @property
    def key(self) -> object:
        return (self.group, self.source)


def source_name(group: str, mechanism: Mechanism, number: int = 0) -> str:
    """What the tracker calls a source."""
    return f"{group}/{mechanism}/{number}"


def configured_sources(group: GroupSettings) -> Iterator[Configured]:
    """Every source of a group that runs by itself. A source is a frozen value: equal settings are one source."""
    found: dict[Mechanism, tuple[Source, ...]] = {}
    for mechanism, sources in found.items():
        for number, source in enumerate(sources):
            yield Configured(source_name(group.name, mechanism, number), group, mechanism, source)
