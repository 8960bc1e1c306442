"""Every family there is, each declared once: collector, documentation and checks are driven by this table."""

from collections.abc import Mapping
from types import MappingProxyType

from exporter.metrics.families import api, own, task, tasks
from exporter.metrics.family import Family

FAMILIES: tuple[Family, ...] = (*tasks.FAMILIES, *task.FAMILIES, *api.FAMILIES, *own.FAMILIES)

BY_NAME: Mapping[str, Family] = MappingProxyType({family.name: family for family in FAMILIES})
