"""What a rule is: recording or alerting, and the groups they are evaluated in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

RUNBOOKS: Final = "https://github.com/bytespike/bytespike-exporter/blob/main/docs/runbooks/"
"""Where the pages of docs/runbooks are read."""


class Severity(StrEnum):
    """What an alert asks for: ``critical`` to get up, ``warning`` to look in working hours, ``info`` to know."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Record:
    """One recording rule; ``name`` is ``level:metric:operations``."""

    name: str
    expr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alerting rule.

    ``summary`` is a fixed sentence, ``description`` a template with the value and the labels that matter. ``wait`` is
    how long the expression must hold, ``keep`` how long the alert stays after it has ceased to.
    """

    name: str
    severity: Severity
    expr: str
    wait: str
    summary: str
    description: str
    keep: str = ""

    @property
    def annotations(self) -> Mapping[str, str]:
        return {
            "summary": self.summary,
            "description": self.description,
            "runbook_url": f"{RUNBOOKS}{self.name}.md",
        }


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated together, in their order; ``interval`` is empty for Prometheus' own."""

    name: str
    rules: tuple[Record | Alert, ...] = field(default=())
    interval: str = ""
