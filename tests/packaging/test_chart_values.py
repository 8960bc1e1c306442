"""The table of the chart's values, from the comments above them."""

import json

import yaml

from scripts.chart_values import VALUES, filled, table

TEXT = """\
# -- how many
replicas: 1
image:
  # -- where it is
  repository: somewhere
  # no word for the table
  pullPolicy: Always
# -- a long one
resources: {requests: {cpu: 100m, memory: 192Mi}, limits: {memory: 512Mi, ephemeral-storage: 256Mi}}
# -- none
labels: {}
"""


def test_a_row_for_each_value_that_has_a_meaning() -> None:
    assert table(TEXT).splitlines()[2:] == [
        "| `replicas` | `1` | how many |",
        '| `image.repository` | `"somewhere"` | where it is |',
        "| `resources` | see `values.yaml` | a long one |",
        "| `labels` |  | none |",
    ]


def test_the_table_stands_between_its_marks_and_takes_the_place_of_the_last_one() -> None:
    page = "before\n<!-- values -->\n<!-- /values -->\nafter\n"
    once = filled(page, "| a |")
    assert once == "before\n<!-- values -->\n\n| a |\n\n<!-- /values -->\nafter\n"
    assert filled(once, "| b |") == once.replace("| a |", "| b |")


def test_every_meaning_of_the_chart_is_in_the_table() -> None:
    text = VALUES.read_text()
    rows = table(text).splitlines()[2:]
    assert len(rows) == text.count("# -- ") > 30
    assert json.dumps(yaml.safe_load(text)["image"]["repository"]) in rows[1]
