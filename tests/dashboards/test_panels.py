"""What the few kinds of panels promise beyond what Grafana's builders give."""

import json
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards._look import ENDS, OPEN_STATES, REASONS, bad_above, bad_below, worse_above, worse_below
from dashboards._panels import stat
from dashboards._promql import mean, named, of_exporters, quantile, success
from dashboards._tables import Column, table
from exporter.dispatcher.answer import Reason
from exporter.tasks.observation import Status


@pytest.mark.parametrize(
    ("thresholds", "steps"),
    [
        (worse_above(1, 2), [(None, "green"), (1, "orange"), (2, "red")]),
        (worse_below(2, 1), [(None, "red"), (1, "orange"), (2, "green")]),
        (bad_above(1), [(None, "green"), (1, "red")]),
        (bad_below(1), [(None, "red"), (1, "green")]),
    ],
)
def test_steps_ascend_from_nothing(thresholds: Any, steps: list[tuple[float | None, str]]) -> None:
    assert [(step.value, step.color) for step in thresholds.build().steps] == steps


def test_every_reason_and_every_status_has_its_colour() -> None:
    assert set(REASONS) == set(Reason)
    assert set(OPEN_STATES) | set(ENDS) == set(Status)


def test_where_there_is_no_number_its_word_has_a_colour_of_its_own() -> None:
    panel = stat(
        "Title", "Text.", "up", unit="s", thresholds=bad_below(1), empty="ABSENT", empty_colour="red", links=[]
    ).build()
    assert panel.field_config is not None
    written = json.loads(json.dumps(panel.field_config.defaults.mappings, cls=JSONEncoder))
    assert written == [
        {"type": "special", "options": {"match": "null+nan", "result": {"text": "ABSENT", "color": "red"}}}
    ]


def organised(*columns: Column, labels: dict[str, str]) -> dict[str, Any]:
    panel = table("Title", "Text.", *columns, labels=labels, sort_by="One", links=[]).build()
    (options,) = [one.options for one in panel.transformations or [] if one.id_val == "organize"]
    assert isinstance(options, dict)
    return options


def test_columns_follow_labels_under_names_for_people() -> None:
    options = organised(Column("One", "up"), Column("", "up"), Column("Two", "up"), labels={"job": "Job"})
    assert options["renameByName"] == {"job": "Job", "Value #A": "One", "Value #B": "", "Value #C": "Two"}
    assert options["indexByName"] == {"job": 0, "Value #A": 1, "Value #B": 2, "Value #C": 3}
    assert options["excludeByName"] == {"Time": True, "Value #B": True}


def test_a_single_column_has_no_letter() -> None:
    assert organised(Column("One", "up"), labels={})["renameByName"] == {"Value": "One"}


def overrides(*columns: Column, **options: Any) -> dict[str, dict[str, Any]]:
    """The properties of each column of a table, by their ids."""
    panel = table("Title", "Text.", *columns, labels={"status": "Status"}, sort_by="One", links=[], **options)
    config = json.loads(json.dumps(panel.build().field_config, cls=JSONEncoder))
    return {"defaults": config["defaults"]} | {
        override["matcher"]["options"]: {entry["id"]: entry["value"] for entry in override["properties"]}
        for override in config["overrides"]
    }


def test_a_number_that_is_missing_has_no_colour() -> None:
    (mapping,) = overrides(Column("One", "up", thresholds=bad_below(1)))["One"]["mappings"]
    assert mapping == {"type": "special", "options": {"match": "null+nan", "result": {"text": "-", "color": "text"}}}


def test_a_table_without_rows_says_why_and_a_cell_does_not() -> None:
    found = overrides(empty="None fires.")
    assert found["defaults"]["noValue"] == "None fires."
    assert found[".*"] == {"noValue": "-"}


def test_words_have_their_colours() -> None:
    (mapping,) = overrides(colours={"Status": {"failed": "red"}})["Status"]["mappings"]
    assert mapping == {"type": "value", "options": {"failed": {"text": "failed", "color": "red"}}}


@pytest.mark.parametrize("idle", [(), ("One", "Two")])
def test_rows_are_left_out_where_nothing_happened(idle: tuple[str, ...]) -> None:
    panel = table("Title", "Text.", labels={}, sort_by="One", links=[], idle=idle).build()
    filters = [one.options for one in panel.transformations or [] if one.id_val == "filterByValue"]
    assert len(filters) == bool(idle)
    for options in filters:
        assert isinstance(options, dict)
        assert (options["type"], options["match"]) == ("exclude", "all")
        assert [one["fieldName"] for one in options["filters"]] == list(idle)


def test_shared_expressions() -> None:
    assert named("up", "model") == (
        'label_replace(label_replace(up, "name", "$1", "model", "(.+)"), "name", "(no model)", "model", "")'
    )
    assert of_exporters("up").startswith("up and on (job, instance) ")
    assert quantile(0.9, "h", "1h", "model", matchers='{a="b"}') == (
        'histogram_quantile(0.9, sum by (model, le) (increase(h_bucket{a="b"}[1h])))'
    )
    assert mean("h", "$__rate_interval") == (
        "sum(rate(h_sum[$__rate_interval])) / (sum(rate(h_count[$__rate_interval])) > 0)"
    )
    assert success("1h", "model").startswith("sum by (model) (increase(bytespike_tasks_finished_total{")
