"""Tables: one query a column, joined by the labels that name a row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import table as table_builder
from grafana_foundation_sdk.builders.dashboard import FieldColor, ThresholdsConfig
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models.common import TableAutoCellOptions
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    ValueMapping,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards._links import Link
from dashboards._look import PLAIN, nothing_is, words
from dashboards._panels import DATASOURCE, FULL, GRAPH_HEIGHT, NOT_YET, linked

FIRST_REF = ord("A")
MIN_WIDTH = 80
"""Of a column, in pixels."""


@dataclass(frozen=True, slots=True)
class Column:
    """A number of each row. Thresholds colour its text. One without a name is not shown: it brings its labels."""

    name: str
    expr: str
    unit: str = "short"
    thresholds: ThresholdsConfig | None = None
    decimals: int | None = None
    mappings: Sequence[ValueMapping] = ()


def table(
    title: str,
    description: str,
    *columns: Column,
    labels: Mapping[str, str],
    sort_by: str,
    links: Sequence[Link],
    descending: bool = True,
    empty: str = NOT_YET,
    idle: Sequence[str] = (),
    colours: Mapping[str, Mapping[str, str]] | None = None,
    widths: Mapping[str, int] | None = None,
    width: int = FULL,
    height: int = GRAPH_HEIGHT,
) -> table_builder.Panel:
    """A row for each value of the labels, which are named with their headings; each query gives these labels.

    ``widths`` are pixels, for headings whose column needs more room than its share. ``empty`` says why there may be no
    row at all. ``links`` open from the labels of a row. A row is left out where all of the ``idle`` columns are 0.
    ``colours`` are those of words, by heading.
    """
    panel = (
        table_builder.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit("short")
        .no_value(empty)
        .override_by_regexp(".*", [_property("noValue", "-")])
        .color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .with_transformation(DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(_organised(columns, labels))
        .with_transformation(_sorted(sort_by, descending=descending))
        .min_width(MIN_WIDTH)
        .cell_options(TableAutoCellOptions())
        .height(height)
        .span(width)
    )
    if idle:
        panel = panel.with_transformation(_without(idle))
    for column in columns:
        panel = panel.with_target(_target(column))
        if column.name:
            panel = panel.override_by_name(column.name, _properties(column))
    for heading in labels.values():
        panel = panel.override_by_name(heading, [*_in_colours((colours or {}).get(heading, {})), linked(*links)])
    for heading, pixels in (widths or {}).items():
        panel = panel.override_by_name(heading, [_property("custom.width", pixels)])
    return panel


def _target(column: Column) -> Dataquery:
    return Dataquery().datasource(DATASOURCE).expr(column.expr).format(PromQueryFormat.TABLE).instant()


def _organised(columns: Sequence[Column], labels: Mapping[str, str]) -> DataTransformerConfig:
    """Labels first, then the numbers in the order of their queries, under names for people."""
    values = {_value_name(place, len(columns)): column.name for place, column in enumerate(columns)}
    names = {**labels, **values}
    order = {name: place for place, name in enumerate(names)}
    left_out = {name: True for name, heading in names.items() if not heading}
    options = {"excludeByName": {"Time": True, **left_out}, "indexByName": order, "renameByName": names}
    return DataTransformerConfig(id_val="organize", options=options)


def _sorted(heading: str, *, descending: bool) -> DataTransformerConfig:
    return DataTransformerConfig(id_val="sortBy", options={"sort": [{"field": heading, "desc": descending}]})


def _without(idle: Sequence[str]) -> DataTransformerConfig:
    zero = {"id": "equal", "options": {"value": 0}}
    filters = [{"fieldName": heading, "config": zero} for heading in idle]
    options = {"type": "exclude", "match": "all", "filters": filters}
    return DataTransformerConfig(id_val="filterByValue", options=options)


def _value_name(place: int, columns: int) -> str:
    """The name that Grafana gives to the values of a query: with its letter where there are several."""
    return f"Value #{chr(FIRST_REF + place)}" if columns > 1 else "Value"


def _properties(column: Column) -> list[DynamicConfigValue]:
    found: dict[str, object] = {"unit": column.unit}
    if column.decimals is not None:
        found["decimals"] = column.decimals
    if column.thresholds is not None:
        found["thresholds"] = column.thresholds.build()
    found["mappings"] = [*column.mappings, nothing_is("-", PLAIN)]
    properties = [_property(name, value) for name, value in found.items()]
    return properties if column.thresholds is None else [*properties, _coloured()]


def _in_colours(words_of: Mapping[str, str]) -> list[DynamicConfigValue]:
    if not words_of:
        return []
    return [_coloured(), _property("mappings", [words({word: (word, colour) for word, colour in words_of.items()})])]


def _coloured() -> DynamicConfigValue:
    return _property("custom.cellOptions", {"type": "color-text"})


def _property(name: str, value: object) -> DynamicConfigValue:
    return DynamicConfigValue(id_val=name, value=value)
