"""What holds for every rule: names, labels, texts, windows, and that it reads only what the exporter exports."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from starlette.datastructures import QueryParams

from exporter.web.task_pages.query import TasksQuery
from monitoring import alerting, page, recording
from monitoring.document import tree
from monitoring.durations import seconds
from monitoring.rule import RUNBOOKS, Alert, Board, Record, Severity, Sites
from monitoring.thresholds import JOB
from tests.rules.promtool import ROOT
from tests.rules.recorded import RECORDS, labels_of, vocabulary
from tests.support.promql import check, parse, selectors

ALERTS = alerting.alerts()
EXPRESSIONS: dict[str, str] = {
    rule.get("record") or rule["alert"]: rule["expr"]
    for group in tree((*recording.groups(), *alerting.groups()))["groups"]
    for rule in group["rules"]
}

PROMETHEUS = yaml.safe_load((ROOT / "config" / "prometheus" / "prometheus.yml").read_text())

BOARDS = {board["uid"]: board for board in map(json.loads, map(Path.read_text, (ROOT / "dashboards").glob("*.json")))}

SHORT_WAITS = {
    "ByteSpikeSuccessBudgetBurningFast": "its windows have waited already",
    "ByteSpikeAPIKeyRejected": "the API never takes this answer back by itself",
    "ByteSpikeUpstreamDown": "an outage of eight minutes must call somebody in time",
    "ByteSpikeExporterRestarting": "its window has waited already",
    "ByteSpikeWatchdog": "it fires always",
}
"""Alerts that wait less than five minutes, and why they may."""


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_a_record_is_named_by_level_metric_and_operations_and_keeps_its_level(record: Record) -> None:
    assert re.fullmatch(r"[a-z_]+:bytespike_[a-z_]+:[a-z]+(95|90)?(_?[a-z]+)?\d*[mhd]?", record.name)
    assert check(EXPRESSIONS[record.name], vocabulary()) == labels_of(record)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_reads_only_what_there_is_and_its_texts_only_labels_that_it_has(alert: Alert) -> None:
    labels = check(EXPRESSIONS[alert.name], vocabulary())
    assert set(re.findall(r"\$labels\.(\w+)", alert.description)) <= labels
    assert not re.search(r"\$|{{", alert.summary), "a summary is fixed"


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_has_a_name_texts_and_a_page(alert: Alert) -> None:
    assert re.fullmatch(r"ByteSpike([A-Z][a-z]*)+", alert.name)
    assert re.fullmatch(r"[A-Z].*[^.]\.", alert.summary)
    assert alert.description.endswith(".")
    assert alert.annotations()["runbook_url"] == f"{RUNBOOKS}{alert.name}.md"
    assert RUNBOOKS.startswith("https://")


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_waits_five_minutes_unless_argued(alert: Alert) -> None:
    waits = seconds(alert.wait) if alert.wait else 0
    assert (waits < 300) == (alert.name in SHORT_WAITS)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_compares(alert: Alert) -> None:
    expr = EXPRESSIONS[alert.name]
    assert re.search(r"[<>]|==|absent\(", expr)
    assert not re.search(r"\b(topk|bottomk|irate)\b", expr)


def test_names_are_unique() -> None:
    assert len(EXPRESSIONS) == len(ALERTS) + len(RECORDS)


def test_few_alerts_wake_somebody() -> None:
    critical = [alert for alert in ALERTS if alert.severity is Severity.CRITICAL]
    assert len(critical) * 2 < len(ALERTS)


def test_every_record_is_used_or_says_what_a_dashboard_shows() -> None:
    used = {selector.name for expr in EXPRESSIONS.values() for selector in selectors(expr)}
    assert {record.name for record in RECORDS} - used == set()


def windows() -> Iterator[tuple[str, float]]:
    for name, expr in EXPRESSIONS.items():
        parse(expr)
        for window in re.findall(r"\[(\w+)\]", expr):
            yield name, seconds(window)


def test_every_window_has_at_least_four_scrapes() -> None:
    interval = seconds(PROMETHEUS["global"]["scrape_interval"])
    assert all(window >= 4 * interval for _, window in windows())
    assert len(list(windows())) > len(RECORDS) / 2


def test_a_window_in_a_name_is_the_window_of_the_expression() -> None:
    for name, window in windows():
        operation = re.search(r"rate(\d+[mhd])$", name)
        assert operation is None or seconds(operation[1]) == window


def test_long_windows_are_evaluated_each_minute_and_no_group_more_seldom() -> None:
    assert {group.interval for group in recording.groups()} == {"", "1m"}
    assert {group.interval for group in alerting.groups()} == {""}


def test_the_alerts_know_the_job_by_its_name() -> None:
    jobs = {scrape["job_name"]: scrape for scrape in PROMETHEUS["scrape_configs"]}
    assert {"sample_limit", "label_limit", "label_value_length_limit"} <= jobs[JOB].keys()


def test_the_table_links_every_alert() -> None:
    text = page.page()
    assert all(f"| [{alert.name}](runbooks/{alert.name}.md) | {alert.severity} |" in text for alert in ALERTS)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_leads_to_a_dashboard_and_chooses_only_what_that_has(alert: Alert) -> None:
    path, _, chosen = alert.annotations(Sites("https://grafana.example/"))["dashboard_url"].partition("?")
    board = BOARDS[path.removeprefix("https://grafana.example/d/")]
    variables = {variable["name"] for variable in board["templating"]["list"]}
    assert set(re.findall(r"var-(\w+)=", chosen)) <= variables
    assert set(re.findall(r"\$labels\.(\w+)", chosen)) <= check(EXPRESSIONS[alert.name], vocabulary())


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_leads_to_the_tasks_it_speaks_of_where_the_exporter_can_be_reached(alert: Alert) -> None:
    assert "tasks_url" not in alert.annotations()
    link = alert.annotations(Sites(exporter="https://exporter.example/x/")).get("tasks_url")
    if link is None:
        assert alert.board is not Board.OVERVIEW or alert.name == "ByteSpikeWatchdog", "it speaks of tasks"
        return
    assert set(re.findall(r"\$labels\.(\w+)", link)) <= check(EXPRESSIONS[alert.name], vocabulary())
    address, _, query = re.sub("{{.*?}}", "x", link).partition("?")
    assert address == "https://exporter.example/x/tasks"
    assert str(TasksQuery.of(QueryParams(query))), "the page understands it, and shows fewer than all"


def test_the_gauges_of_tasks_are_added_up_and_those_of_accounts_taken_once() -> None:
    for name, expr in EXPRESSIONS.items():
        assert not re.search(r"(?:max|min|avg) (?:without|by) \([^)]*\) \(\s*bytespike_tasks(?!_oldest)", expr), name
        assert not re.search(
            r"sum (?:without|by) \([^)]*\) \(\s*bytespike_(?:up|api_(?:suspended|\w*quota|rate))", expr
        ), name
