"""The sources that a group's configuration asks for, besides the tasks that it names itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from exporter.discovery.file_sd import FileSource
from exporter.discovery.http_sd import HttpSource
from exporter.discovery.parse import Defaults
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
        """What its items are made of: of the group it is the account, and what the source itself holds."""
        return (self.group.account, self.source)


def source_name(group: str, mechanism: Mechanism, number: int = 0) -> str:
    """What the tracker calls a source."""
    return f"{group}/{mechanism}/{number}"


def configured_sources(group: GroupSettings, declared: Sequence[str]) -> Iterator[Configured]:
    """Every source of a group that runs by itself; ``declared`` are the label names of ``global.labels``.

    A source is a frozen value: equal settings are one source.
    """
    defaults = Defaults.of(group, declared)
    found: dict[Mechanism, tuple[Source, ...]] = {
        Mechanism.FILE: tuple(FileSource(settings, defaults) for settings in group.file_sd_configs),
        Mechanism.HTTP: tuple(HttpSource(settings, defaults) for settings in group.http_sd_configs),
    }
    for mechanism, sources in found.items():
        for number, source in enumerate(sources):
            yield Configured(source_name(group.name, mechanism, number), group, mechanism, source)
