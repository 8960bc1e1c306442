"""A whole dashboard: its variables, links and annotations, and the panels row by row."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import Dataquery
from grafana_foundation_sdk.models.table import Options as TableOptions

from dashboards._links import carried
from dashboards._panels import DATASOURCE
from dashboards._promql import of_exporters
from dashboards._query import narrowed
from monitoring.rule import RUNBOOKS

TAG = "bytespike"
FIRST_REF = ord("A")

# every exporter has it from the first scrape on, whatever is configured
EXPORTERS = "bytespike_exporter_build_info"
LABELS = {
    "job": (EXPORTERS, "Job", ".+"),
    "instance": (f'{EXPORTERS}{{job=~"$job"}}', "Instance", ".+"),
    "account": ('bytespike_up{job=~"$job", instance=~"$instance"}', "Account", ".+"),
    "group": ('bytespike_tasks{job=~"$job", instance=~"$instance", account=~"$account"}', "Group", ".+"),
    # a task whose model nobody told has none, and belongs to "All" like any other
    "model": ('bytespike_tasks{job=~"$job", instance=~"$instance", group=~"$group"}', "Model", ".*"),
    # neither has one a task that was named by its own id and not answered yet
    "task_id": (
        'bytespike_task_status{status="completed", job=~"$job", instance=~"$instance", group=~"$group"}',
        "Task",
        ".*",
    ),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A titled part of a dashboard. A folded one asks nothing of Prometheus until it is opened."""

    title: str
    panels: Sequence[Builder[models.Panel]]
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard. ``uid`` is part of its address and never changes; ``since`` is where its time range starts."""

    uid: str
    title: str
    description: str
    rows: Sequence[Row]
    variables: Sequence[str] = ("account", "group", "model")
    since: str = "now-1h"

    def json(self) -> str:
        """The text of the file that Grafana loads."""
        return json.dumps(self.build(), cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    def build(self) -> models.Dashboard:
        """The dashboard with everything that belongs to all of them."""
        board = (
            builders.Dashboard(self.title)
            .uid(self.uid)
            .description(self.description)
            .tags([TAG])
            .readonly()
            .timezone("browser")
            .tooltip(models.DashboardCursorSync.CROSSHAIR)
            .time(self.since, "now")
            .refresh("30s")
            .variables([_datasource(), *map(_variable, ("job", "instance", *self.variables))])
            .annotations([_alerts(), _reloads(), _restarts()])
            .links([_boards(), _runbooks()])
        )
        for row in self.rows:
            _place(board, row)
        return self._finished(board.build())

    def _finished(self, board: models.Dashboard) -> models.Dashboard:
        """Add what the builders leave out: ids, letters of queries; let queries and links follow the variables."""
        for number, panel in enumerate(_flat(board), start=1):
            panel.id_val = number
            for link in _links(panel):
                link["url"] = carried(link["url"], self.variables)
            for place, target in enumerate(_targets(panel)):
                target.ref_id = chr(FIRST_REF + place)
                target.expr = narrowed(target.expr, self.variables)
        _drop_what_is_not_in_the_schema(board)
        return board


def _drop_what_is_not_in_the_schema(board: models.Dashboard) -> None:
    """The builders give each variable what only interval variables have, and tables a footer of older versions."""
    for variable in board.templating.list_val or []:
        variable.auto = variable.auto_min = variable.auto_count = None
    for panel in _flat(board):
        if isinstance(panel, models.Panel) and isinstance(panel.options, TableOptions):
            panel.options.footer = None


def _place(board: builders.Dashboard, row: Row) -> None:
    title = builders.Row(row.title).collapsed(row.folded)
    if row.folded:
        for panel in row.panels:
            title.with_panel(panel)
    board.with_row(title)
    if not row.folded:
        for panel in row.panels:
            board.with_panel(panel)


def _flat(board: models.Dashboard) -> Iterator[models.Panel | models.RowPanel]:
    for panel in board.panels or []:
        yield panel
        if isinstance(panel, models.RowPanel):
            yield from panel.panels


def _targets(panel: models.Panel | models.RowPanel) -> Iterator[Dataquery]:
    if isinstance(panel, models.Panel):
        yield from (target for target in panel.targets or [] if isinstance(target, Dataquery))


def _links(panel: models.Panel | models.RowPanel) -> Iterator[dict[str, str]]:
    if isinstance(panel, models.Panel) and panel.field_config is not None:
        for override in panel.field_config.overrides:
            for one in override.properties:
                if one.id_val == "links" and isinstance(one.value, list):
                    yield from one.value


def _datasource() -> builders.DatasourceVariable:
    return builders.DatasourceVariable("datasource").label("Data source").type("prometheus")


def _variable(label: str) -> builders.QueryVariable:
    series, title, everything = LABELS[label]
    return (
        builders.QueryVariable(label)
        .label(title)
        .datasource(DATASOURCE)
        .query(f"label_values({series}, {label})")
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(everything)
        .current(models.VariableOption(text="All", value="$__all", selected=True))
    )


def _alerts() -> builders.AnnotationQuery:
    return (
        _annotation("Alerts", 'ALERTS{alertname=~"ByteSpike.+", alertstate="firing"}', colour="red")
        .title_format("{{alertname}}")
        .text_format("{{severity}} {{account}} {{group}} {{model}}")
    )


def _reloads() -> builders.AnnotationQuery:
    loaded = "bytespike_exporter_config_last_reload_success_timestamp_seconds"
    return _moment("Reloads", loaded, colour="blue").title_format("Configuration loaded")


def _restarts() -> builders.AnnotationQuery:
    return _moment("Restarts", of_exporters("process_start_time_seconds"), colour="orange").title_format(
        "Exporter started"
    )


def _moment(name: str, timestamp: str, *, colour: str) -> builders.AnnotationQuery:
    """A mark at the time that a gauge tells; Grafana wants milliseconds."""
    return _annotation(name, f"1000 * ({narrowed(timestamp, ())})", colour=colour).use_value_for_time(True)


def _annotation(name: str, expr: str, *, colour: str) -> builders.AnnotationQuery:
    query = builders.AnnotationQuery().name(name).datasource(DATASOURCE).enable(True).hide(False)
    return query.icon_color(colour).expr(expr).tag_keys("instance").step("30s")


def _boards() -> builders.DashboardLink:
    link = builders.DashboardLink("Dashboards").type(models.DashboardLinkType.DASHBOARDS).tags([TAG])
    return link.as_dropdown(True).include_vars(True).keep_time(True).icon("external link")


def _runbooks() -> builders.DashboardLink:
    link = builders.DashboardLink("Runbooks").type(models.DashboardLinkType.LINK).url(RUNBOOKS)
    return link.icon("doc").tooltip("What to do when an alert fires").target_blank(True)
