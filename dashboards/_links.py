"""Where a click leads: to another dashboard, with the choices and the time range of this one."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from monitoring.rule import RUNBOOKS

OVERVIEW = "bytespike-overview"
GROUP_AND_MODEL = "bytespike-group-model"
CREDITS = "bytespike-credits"
TASKS = "bytespike-tasks"
EXPORTER = "bytespike-exporter"
"""The addresses of the dashboards: people keep links, so they never change."""

TITLES = {
    OVERVIEW: "Overview",
    GROUP_AND_MODEL: "Group and model",
    CREDITS: "Credits",
    TASKS: "Task explorer",
    EXPORTER: "Exporter and API",
}
ALWAYS = ("datasource", "job", "instance")
CARRIED = (*ALWAYS, "account", "group", "model")
"""The variables whose choice goes along, where nothing that was clicked says otherwise."""

CARRIES = re.compile(r"&\$\{(\w+):queryparam\}")


@dataclass(frozen=True, slots=True)
class Link:
    """One entry of the menu that a click opens."""

    title: str
    url: str
    new_tab: bool = False

    def json(self) -> dict[str, object]:
        """As Grafana has it."""
        return {"title": self.title, "url": self.url, "targetBlank": self.new_tab}


RUNBOOK_INDEX = Link("Runbooks", RUNBOOKS, new_tab=True)


def to(uid: str, picks: Mapping[str, str] | None = None) -> Link:
    """A dashboard; ``picks`` are the variables that the clicked thing chooses, with where their values come from."""
    picks = picks or {}
    chosen = [f"var-{name}={value}" for name, value in picks.items()]
    rest = [f"${{{name}:queryparam}}" for name in CARRIED if name not in picks]
    return Link(TITLES[uid], f"/d/{uid}?{'&'.join(['${__url_time_range}', *chosen, *rest])}")


def runbook(heading: str) -> Link:
    """The page about the alert that a row of a table names without its first word."""
    return Link("Runbook", f"{RUNBOOKS}ByteSpike{_cell(heading)}.md", new_tab=True)


def of_series(*labels: str) -> dict[str, str]:
    """What the labels of a series choose."""
    return {label: f"${{__field.labels.{label}:percentencode}}" for label in labels}


def of_row(**headings: str) -> dict[str, str]:
    """What the cells of a table's row choose: each variable with the heading of its column."""
    return {name: _cell(heading) for name, heading in headings.items()}


def carried(url: str, variables: Collection[str]) -> str:
    """The address without the choices that a dashboard with these variables does not offer."""
    known = (*ALWAYS, *variables)
    return CARRIES.sub(lambda found: found[0] if found[1] in known else "", url)


def _cell(heading: str) -> str:
    return f'${{__data.fields["{heading}"]:percentencode}}'
