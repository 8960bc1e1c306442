"""What a rule is: recording or alerting, and the groups they are evaluated in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

RUNBOOKS: Final = "https://github.com/bytespike/bytespike-exporter/blob/main/docs/runbooks/"
"""Where the pages of docs/runbooks are read."""

VARIABLES: Final = ("instance", "account", "group")
"""The labels that dashboards have variables for."""


class Severity(StrEnum):
    """What an alert asks for: ``critical`` to get up, ``warning`` to look in working hours, ``info`` to know."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class Board(StrEnum):
    """The dashboard that tells most of what is wrong; a member's value is its ``uid``, and part of its address."""

    OVERVIEW = "bytespike-overview"
    CREDITS = "bytespike-credits"
    EXPORTER = "bytespike-exporter"


@dataclass(frozen=True, slots=True)
class Record:
    """One recording rule; ``name`` is ``level:metric:operations``."""

    name: str
    expr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alerting rule.

    ``summary`` is a fixed sentence, ``description`` a template with the value and the labels that matter. ``wait`` is
    how long the expression must hold, ``keep`` how long the alert stays after it has ceased to. ``board`` is where to
    look: its variables are set to those labels that the description names.
    """

    name: str
    severity: Severity
    expr: str
    wait: str
    summary: str
    description: str
    keep: str = ""
    board: Board = Board.OVERVIEW

    def annotations(self, grafana: str = "") -> Mapping[str, str]:
        """Its texts. ``grafana`` is what the path of the dashboard is appended to."""
        return {
            "summary": self.summary,
            "description": self.description,
            "runbook_url": f"{RUNBOOKS}{self.name}.md",
            "dashboard_url": f"{grafana.rstrip('/')}/d/{self.board}{self._variables()}",
        }

    def _variables(self) -> str:
        named = [label for label in VARIABLES if re.search(rf"\$labels\.{label}\b", self.description)]
        chosen = [f"var-{label}={{{{ $labels.{label} | urlquery }}}}" for label in named]
        return f"?{'&'.join(chosen)}" if chosen else ""


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated together, in their order; ``interval`` is empty for Prometheus' own."""

    name: str
    rules: tuple[Record | Alert, ...] = field(default=())
    interval: str = ""
