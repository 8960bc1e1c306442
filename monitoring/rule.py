"""What a rule is: recording or alerting, and the groups they are evaluated in."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

RUNBOOKS: Final = "https://github.com/bytespike/bytespike-exporter/blob/main/docs/runbooks/"
"""Where the pages of docs/runbooks are read."""

VARIABLES: Final = ("instance", "account", "group")
"""The labels that dashboards have variables for."""

FILTERS: Final = ("account", "group", "model", "error_code")
"""The labels by which the exporter's own list of tasks is narrowed."""


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
class Sites:
    """What the links in an alert begin with: Grafana's address, and that of the exporter as a browser reaches it.

    Without a Grafana the link to a dashboard is a path. Without the exporter's address there is no link to its tasks:
    Prometheus knows where it scrapes an exporter, which is seldom where people reach it, and alerts are added up over
    exporters, so that they have no ``instance`` to make an address of.
    """

    grafana: str = ""
    exporter: str = ""


NOWHERE: Final = Sites()


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
    look: its variables are set to those labels that the description names. ``tasks`` is the query string of ``/tasks``
    that lists the tasks it speaks of, without those labels; empty where it speaks of none in particular.
    """

    name: str
    severity: Severity
    expr: str
    wait: str
    summary: str
    description: str
    keep: str = ""
    board: Board = Board.OVERVIEW
    tasks: str = ""

    def annotations(self, sites: Sites = NOWHERE) -> Mapping[str, str]:
        """Its texts, with links that begin with these."""
        texts = {
            "summary": self.summary,
            "description": self.description,
            "runbook_url": f"{RUNBOOKS}{self.name}.md",
            "dashboard_url": f"{sites.grafana.rstrip('/')}/d/{self.board}{self._variables()}",
        }
        if sites.exporter and self.tasks:
            texts["tasks_url"] = f"{sites.exporter.rstrip('/')}/tasks?{self._tasks()}"
        return texts

    def _variables(self) -> str:
        chosen = [f"var-{label}={_filled(label)}" for label in self._named(VARIABLES)]
        return f"?{'&'.join(chosen)}" if chosen else ""

    def _tasks(self) -> str:
        chosen = [f"{label}={_filled(label)}" for label in self._named(FILTERS)]
        return "&".join([*chosen, self.tasks])

    def _named(self, labels: Sequence[str]) -> Sequence[str]:
        """Those that the description names."""
        return [label for label in labels if re.search(rf"\$labels\.{label}\b", self.description)]


def _filled(label: str) -> str:
    return f"{{{{ $labels.{label} | urlquery }}}}"


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated together, in their order; ``interval`` is empty for Prometheus' own."""

    name: str
    rules: tuple[Record | Alert, ...] = field(default=())
    interval: str = ""
