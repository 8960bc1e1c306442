"""Our writer beside the client library: the same bytes, whatever the labels and numbers are."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest as text
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics

from exporter.accounting.series import Exemplar, Series
from exporter.metrics.collector import SnapshotCollector
from exporter.metrics.exposition import render
from exporter.metrics.families import tasks
from exporter.metrics.snapshot import Snapshot
from exporter.tasks.item import TaskLabels
from tests.metrics.snapshots import NOW, after_overflow, busy, empty_start

ODD = st.sampled_from(["", '"', "\\", "\n", "a\\nb", "{}", "%s", "é", "雪", "\u2028", "\ud800"]) | st.text(max_size=8)
NUMBERS = st.floats(allow_nan=False) | st.sampled_from([0.0, -0.0, math.inf, -math.inf, 1e6, 123456789.0, 1e21, 1e-7])


def by_library(snapshot: Snapshot, *, as_openmetrics: bool) -> bytes:
    registry = CollectorRegistry(auto_describe=True)
    registry.register(SnapshotCollector(snapshot))
    encode: Callable[[CollectorRegistry], bytes] = openmetrics if as_openmetrics else text
    return encode(registry)


def assert_same(snapshot: Snapshot) -> None:
    assert render(snapshot).body == by_library(snapshot, as_openmetrics=False)
    assert render(snapshot, accept="application/openmetrics-text").body == by_library(snapshot, as_openmetrics=True)


@pytest.mark.parametrize("snapshot", [empty_start(), busy(), after_overflow()], ids=["empty", "busy", "overflow"])
def test_examples_are_written_as_the_library_does(snapshot: Snapshot) -> None:
    assert_same(snapshot)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(ODD, ODD, ODD, ODD, NUMBERS, NUMBERS)
def test_whatever_is_in_it_is_written_as_the_library_does(
    group: str, model: str, team: str, task_id: str, amount: float, credits_left: float
) -> None:
    base = busy()
    labels = TaskLabels("default", group, model, (("team", team),))
    stored = (("account", "default"), ("group", group), ("model", model), ("team", team))
    counter = Series(tasks.FOLLOWED.name, stored)
    bucket = Series(tasks.DURATION.name, (*stored, ("status", "completed")), "le:60")
    assert_same(
        replace(
            base,
            known=(*base.known, labels),
            totals={**base.totals, counter: amount, bucket: 3.0},
            exemplars={**base.exemplars, counter: Exemplar(amount, task_id, NOW), bucket: Exemplar(50.0, task_id, NOW)},
            census=replace(base.census, outstanding_credits={labels: credits_left}),
        )
    )


@pytest.mark.parametrize("escaping", ["underscores", "allow-utf-8", "dots", "values"])
def test_each_way_of_escaping_names_is_that_of_the_library(escaping: str) -> None:
    page = render(busy(), accept=f"application/openmetrics-text;version=1.0.0;escaping={escaping}")
    registry = CollectorRegistry(auto_describe=True)
    registry.register(SnapshotCollector(busy()))
    encode: Callable[..., bytes] = openmetrics
    assert page.body == encode(registry, escaping=escaping)
