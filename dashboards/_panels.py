"""The kinds of panels there are, each a function that says in a few words what is drawn and how it reads.

Sizes are in Grafana's grid: 24 columns wide, a row of height 1 is 30 pixels. Units are Grafana's ids.
"""

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders import bargauge as bargauge_builder
from grafana_foundation_sdk.builders import stat as stat_builder
from grafana_foundation_sdk.builders import statetimeline as statetimeline_builder
from grafana_foundation_sdk.builders import timeseries as timeseries_builder
from grafana_foundation_sdk.builders.common import (
    GraphThresholdsStyleConfig,
    ReduceDataOptions,
    StackingConfig,
    VizLegendOptions,
    VizTextDisplayOptions,
    VizTooltipOptions,
)
from grafana_foundation_sdk.builders.dashboard import FieldColor, ThresholdsConfig
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue, FieldColorModeId, ValueMapping

from dashboards._links import Link
from dashboards._look import PLAIN, nothing_is, plain, words
from dashboards._query import Query

DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")

STAT_HEIGHT = 3
GRAPH_HEIGHT = 8
BAR_HEIGHT = 34
"""Of a ranking, with its name, in pixels: six fit."""

THIRD, HALF, FULL = 8, 12, 24

NOT_YET = "no data yet"

FEW = 5
"""Failures a minute that would look like many on an axis of their own."""


def stat(
    title: str,
    description: str,
    expr: str,
    *,
    unit: str,
    thresholds: ThresholdsConfig | None = None,
    mappings: Sequence[ValueMapping] = (),
    links: Sequence[Link],
    empty: str = NOT_YET,
    empty_colour: str = PLAIN,
    decimals: int | None = None,
    width: int = 4,
    filled: bool = False,
) -> stat_builder.Panel:
    """One number, as it is now. ``empty`` stands where there is none; a filled one asks to be looked at first.

    Where there is none nothing is known, so it is neither good nor bad unless ``empty_colour`` says otherwise.
    """
    panel = (
        stat_builder.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .with_target(_target(Query(expr)).instant())
        .unit(unit)
        .thresholds(thresholds or plain())
        .color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .mappings([*mappings, nothing_is(empty, empty_colour)])
        .no_value(empty)
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
        .color_mode(common.BigValueColorMode.BACKGROUND_SOLID if filled else common.BigValueColorMode.VALUE)
        .graph_mode(common.BigValueGraphMode.NONE)
        .height(STAT_HEIGHT)
        .span(width)
        .override_by_regexp(".*", [linked(*links)])
    )
    return panel if decimals is None else panel.decimals(decimals)


def lines(
    title: str,
    description: str,
    *queries: Query,
    unit: str,
    thresholds: ThresholdsConfig | None = None,
    colours: Mapping[str, str] | None = None,
    least: float | None = 0,
    most: float | None = None,
    step: str = "",
    empty: str = NOT_YET,
    links: Sequence[Link] = (),
    width: int = THIRD,
    height: int = GRAPH_HEIGHT,
) -> timeseries_builder.Panel:
    """Values over time. Thresholds are drawn as dashed lines; ``least`` and ``most`` bound the axis softly.

    Where events are rare, a ``step`` no shorter than the time between them keeps the line in one piece: the rate
    interval follows it. ``empty`` says why there may be nothing to draw.
    """
    panel = _over_time(title, description, queries, unit=unit, colours=colours, width=width, height=height)
    panel = _completed(panel, step=step, empty=empty, links=links)
    panel = panel.line_width(2).fill_opacity(0)
    if thresholds is not None:
        style = GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)
        panel = panel.thresholds(thresholds).thresholds_style(style)
    if least is not None:
        panel = panel.axis_soft_min(least)
    return panel if most is None else panel.axis_soft_max(most)


def stack(
    title: str,
    description: str,
    *queries: Query,
    unit: str,
    colours: Mapping[str, str] | None = None,
    bars: bool = False,
    most: float | None = None,
    step: str = "",
    empty: str = NOT_YET,
    links: Sequence[Link] = (),
    width: int = THIRD,
    height: int = GRAPH_HEIGHT,
) -> timeseries_builder.Panel:
    """Parts that add up to a whole over time: as areas where they are amounts, as bars where they are events.

    ``most`` bounds the axis softly: few events stay small.
    """
    panel = _over_time(title, description, queries, unit=unit, colours=colours, width=width, height=height)
    panel = _completed(panel, step=step, empty=empty, links=links)
    panel = panel.stacking(StackingConfig().mode(common.StackingMode.NORMAL)).axis_soft_min(0)
    if most is not None:
        panel = panel.axis_soft_max(most)
    if bars:
        return panel.draw_style(common.GraphDrawStyle.BARS).fill_opacity(80).line_width(0)
    # without a line: that of a part that is 0 would be drawn over the others
    return panel.fill_opacity(60).line_width(0)


def ranking(
    title: str,
    description: str,
    query: Query,
    *,
    unit: str,
    links: Sequence[Link],
    thresholds: ThresholdsConfig | None = None,
    empty: str = NOT_YET,
    decimals: int | None = None,
    width: int = THIRD,
    height: int = GRAPH_HEIGHT,
) -> bargauge_builder.Panel:
    """The largest first, as they are now: the query sorts them."""
    panel = (
        bargauge_builder.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .with_target(_target(query).instant())
        .unit(unit)
        .min(0)
        .thresholds(thresholds or plain())
        .color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .mappings([nothing_is(empty, PLAIN)])
        .no_value(empty)
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
        .orientation(common.VizOrientation.HORIZONTAL)
        .display_mode(common.BarGaugeDisplayMode.BASIC)
        .name_placement(common.BarGaugeNamePlacement.TOP)
        # else a single bar fills the panel
        .sizing(common.BarGaugeSizing.MANUAL)
        .min_viz_height(16)
        .max_viz_height(BAR_HEIGHT)
        .text(VizTextDisplayOptions().title_size(12).value_size(16))
        .height(height)
        .span(width)
        .override_by_regexp(".*", [linked(*links)])
    )
    return panel if decimals is None else panel.decimals(decimals)


def timeline(
    title: str,
    description: str,
    query: Query,
    *,
    states: Mapping[str, str],
    empty: str,
    links: Sequence[Link],
    width: int = FULL,
    height: int = GRAPH_HEIGHT,
) -> statetimeline_builder.Panel:
    """A bar a series, whose colour is its state. The query's values number the states, from 1, in their order."""
    numbers = {str(number): state for number, state in enumerate(states.items(), start=1)}
    return (
        statetimeline_builder.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .with_target(_target(query).range())
        .unit("short")
        .mappings([words(numbers)])
        .color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .show_value(common.VisibilityMode.NEVER)
        .merge_values(True)
        .row_height(0.8)
        .per_page(25)
        .legend(_legend())
        .no_value(empty)
        .height(height)
        .span(width)
        .override_by_regexp(".*", [linked(*links)])
    )


def _over_time(
    title: str,
    description: str,
    queries: Sequence[Query],
    *,
    unit: str,
    colours: Mapping[str, str] | None,
    width: int,
    height: int,
) -> timeseries_builder.Panel:
    panel = (
        timeseries_builder.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .color_scheme(FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC))
        .show_points(common.VisibilityMode.AUTO)
        .point_size(4)
        .tooltip(VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING))
        .legend(_legend())
        .height(height)
        .span(width)
    )
    for query in queries:
        panel = panel.with_target(_target(query).range())
    for name, colour in (colours or {}).items():
        panel = panel.override_by_name(name, [_fixed(colour)])
    return panel


def _completed(
    panel: timeseries_builder.Panel, *, step: str, empty: str, links: Sequence[Link]
) -> timeseries_builder.Panel:
    panel = panel.no_value(empty)
    if step:
        panel = panel.interval(step)
    return panel.override_by_regexp(".*", [linked(*links)]) if links else panel


def linked(*links: Link) -> DynamicConfigValue:
    """Where a click on a value leads."""
    return DynamicConfigValue(id_val="links", value=[link.json() for link in links])


def _legend() -> VizLegendOptions:
    return (
        VizLegendOptions()
        .show_legend(True)
        .display_mode(common.LegendDisplayMode.LIST)
        .placement(common.LegendPlacement.BOTTOM)
    )


def _fixed(colour: str) -> DynamicConfigValue:
    return DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": colour})


def _target(query: Query) -> Dataquery:
    legend = query.legend or "__auto"
    return Dataquery().datasource(DATASOURCE).expr(query.expr).legend_format(legend).exemplar(query.exemplars)
