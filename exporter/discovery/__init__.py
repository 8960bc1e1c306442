"""Where tasks come from: every source turns what it reads into the same items."""

from collections.abc import Sequence

from exporter.discovery.file_sd import file_sources
from exporter.discovery.http_sd import http_sources
from exporter.discovery.lists import ListParser
from exporter.discovery.source import Source
from exporter.settings.model import GroupSettings
from exporter.settings.targets import KnownSecrets


def configured_sources(
    group: GroupSettings, declared: Sequence[str], secrets: KnownSecrets | None = None
) -> list[Source]:
    """Every source of a group that runs by itself, each once, in the order of the configuration.

    ``declared`` are the label names of ``global.labels``; none of the ``secrets`` becomes a task. A new kind of source
    is a new file beside these, and a line here.
    """
    parser = ListParser.of(group, declared, secrets)
    sources: list[Source] = [
        *file_sources(group.file_sd_configs, parser),
        *http_sources(group.http_sd_configs, parser),
    ]
    first: dict[str, Source] = {}
    for source in sources:
        first.setdefault(source.name, source)
    return list(first.values())
