"""Every query of every panel, variable and annotation asks for something that the exporter exports."""

import re

import pytest

from exporter.metrics.catalogue import FAMILIES
from tests.dashboards.boards import PROJECT, Asked, of_annotations, of_panels, of_variables, vocabulary
from tests.support.promql import check, names

VOCABULARY = vocabulary()
LABEL = re.compile(r"\{\{(\w+)\}\}")

# families that no dashboard and no rule shows, each with its reason
NOT_SHOWN: dict[str, str] = {}


def identified(asked: Asked) -> str:
    return f"{asked.board}: {asked.place}"


@pytest.mark.parametrize("asked", [*of_panels(), *of_variables(), *of_annotations()], ids=identified)
def test_a_query_is_sound_and_its_legend_names_labels_that_are_left(asked: Asked) -> None:
    labels = check(asked.expr, VOCABULARY)
    assert set(LABEL.findall(asked.legend)) <= labels


@pytest.mark.parametrize("asked", [*of_panels(), *of_annotations()], ids=identified)
def test_what_every_scraped_process_has_is_asked_of_exporters_only(asked: Asked) -> None:
    found = names(asked.expr)
    if any(name == "up" or name.startswith(("process_", "scrape_")) for name in found):
        assert "bytespike_exporter_build_info" in found


def test_every_family_is_shown_somewhere() -> None:
    shown = {VOCABULARY.series[name].family for asked in of_panels() for name in names(asked.expr)}
    assert {family.name for family in FAMILIES} - shown == set(NOT_SHOWN)


def test_every_family_is_documented() -> None:
    page = (PROJECT / "docs/metrics.md").read_text()
    assert [family.name for family in FAMILIES if f"| `{family.name}` |" not in page] == []
