"""What the first rows say in four states of the world, as promtool evaluates them: what is not known is not there."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from dashboards._look import OF_ACCOUNTS
from tests.dashboards.boards import BOARDS, panels, substituted
from tests.rules.promtool import run

TARGET = 'job="one", instance="one", account="one"'
TASKS = f'{TARGET}, group="one", model="one"'

# samples each 15 seconds; what goes wrong does so after ten minutes, and twenty have gone when it is looked at
BEFORE, AFTER = 40, 60
NOW = "20m"


def steady(value: float) -> str:
    return f"{value}x{BEFORE + AFTER}"


def turning(before: str, after: str) -> str:
    return f"{before}x{BEFORE - 1} {after}x{AFTER}"


def tasks(**counts: str) -> dict[str, str]:
    statuses = ("pending", "running", "unobserved", "unknown", "completed", "failed")
    return {f'bytespike_tasks{{{TASKS}, status="{status}"}}': counts.get(status, steady(0)) for status in statuses}


def lag(values: str) -> dict[str, str]:
    name = "bytespike_exporter_poll_lag_seconds_bucket"
    return {f'{name}{{{TARGET}, le="{bound}"}}': values for bound in ("1", "+Inf")}


HEALTHY = {
    f"bytespike_up{{{TARGET}}}": steady(1),
    f'bytespike_api_suspended{{{TARGET}, reason="server"}}': steady(0),
    f'bytespike_tasks_finished_total{{{TASKS}, status="completed"}}': f"0+1x{BEFORE + AFTER}",
    f'bytespike_tasks_finished_total{{{TASKS}, status="failed"}}': steady(0),
    f"bytespike_tasks_overdue{{{TASKS}}}": steady(3),
    f"bytespike_exporter_request_budget_ratio{{{TARGET}}}": steady(0.5),
    **tasks(running=steady(12)),
    f'bytespike_api_requests_total{{{TARGET}, endpoint="tasks/query"}}': f"0+30x{BEFORE + AFTER}",
    f"bytespike_exporter_observation_gap_seconds_sum{{{TARGET}}}": f"0+3x{BEFORE + AFTER}",
    f"bytespike_exporter_observation_gap_seconds_count{{{TARGET}}}": f"0+1x{BEFORE + AFTER}",
    **lag(f"0+4x{BEFORE + AFTER}"),
}
OUTAGE = HEALTHY | {
    f"bytespike_up{{{TARGET}}}": turning("1", "0"),
    f'bytespike_api_suspended{{{TARGET}, reason="server"}}': turning("0", "1"),
    f'bytespike_tasks_finished_total{{{TASKS}, status="completed"}}': f"0+1x{BEFORE} {BEFORE}x{AFTER}",
    f"bytespike_tasks_overdue{{{TASKS}}}": steady(0),
    f"bytespike_exporter_request_budget_ratio{{{TARGET}}}": turning("0.5", "1.78"),
    f"bytespike_exporter_oldest_due_timestamp_seconds{{{TARGET}}}": f"_x{BEFORE} 600x{AFTER}",
    **tasks(running=steady(4), unobserved=turning("0", "173")),
    **lag(f"0+4x{BEFORE} {4 * BEFORE}+1x{AFTER}"),
}
IDLE = HEALTHY | {
    f'bytespike_tasks_finished_total{{{TASKS}, status="completed"}}': steady(7),
    f"bytespike_tasks_overdue{{{TASKS}}}": steady(0),
    f"bytespike_exporter_request_budget_ratio{{{TARGET}}}": steady(0),
    f"bytespike_exporter_observation_gap_seconds_count{{{TARGET}}}": steady(9),
    **tasks(completed=steady(7)),
    **lag(steady(9)),
}
NEVER_ASKED = {
    f"bytespike_up{{{TARGET}}}": steady(0),
    f'bytespike_api_suspended{{{TARGET}, reason="server"}}': steady(0),
    **tasks(),
}
NO_EXPORTER: Mapping[str, str] = {}

STATES = {
    "healthy": HEALTHY,
    "outage": OUTAGE,
    "idle": IDLE,
    "never asked": NEVER_ASKED,
    "no exporter": NO_EXPORTER,
}

# None: nothing, which is grey
SAYS: Mapping[tuple[str, str], Mapping[str, float | None]] = {
    ("overview", "API"): {"healthy": 1, "outage": 0, "idle": 1, "never asked": 2},
    ("overview", "Tasks unanswered"): {"healthy": 0, "outage": 177, "idle": 0, "never asked": 0},
    ("overview", "Longest-due poll"): {"healthy": 0, "outage": 600, "idle": 0, "never asked": 0},
    ("overview", "Open tasks"): {"healthy": 12, "outage": 177, "idle": 0, "never asked": 0},
    ("overview", "Not asked yet"): {"healthy": 0, "outage": 173, "idle": 0, "never asked": 0},
    ("overview", "Overdue"): {"healthy": 0.25},
    ("overview", "Success, 5 min"): {"healthy": 1},
    ("overview", "Success, 1 h"): {"healthy": 1},
    ("exporter_and_api", "Poll lag p90"): {"healthy": 0.9},
    ("exporter_and_api", "Asked / allowed"): {"healthy": 0.5, "idle": 0},
    ("task_explorer", "Overdue"): {"healthy": 3, "idle": 0},
}


def exprs() -> dict[tuple[str, str], str]:
    return {
        (name, panel["title"]): substituted(panel["targets"][0]["expr"])
        for name, board in BOARDS.items()
        for panel in panels(board)
        if panel["type"] in ("stat", "state-timeline")
    }


def unit_test(series: Mapping[str, str], expected: Mapping[str, list[dict[str, object]]]) -> dict[str, object]:
    return {
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {"expr": expr, "eval_time": NOW, "exp_samples": samples} for expr, samples in expected.items()
        ],
    }


def agree(directory: Path, test: Mapping[str, object]) -> None:
    """Let promtool evaluate; what is otherwise than expected is an AssertionError."""
    file = directory / "test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [], "evaluation_interval": "1m", "tests": [test]}, sort_keys=False))
    found = run("test", "rules", file)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize("state", STATES)
def test_the_first_rows_say_what_is_known(state: str, tmp_path: Path) -> None:
    asked = exprs()
    expected = {
        asked[where]: [{"labels": "{}", "value": value}] if (value := says.get(state)) is not None else []
        for where, says in SAYS.items()
    }
    agree(tmp_path, unit_test(STATES[state], expected))


@pytest.mark.parametrize(("state", "share"), [("healthy", 0.5), ("idle", None), ("never asked", None)])
def test_what_the_cadence_saves(state: str, share: float | None, tmp_path: Path) -> None:
    """Twelve tasks for 15 minutes at a mean gap of 3 s: 3600 polls at a fixed interval, of which 1800 were sent."""
    samples: list[dict[str, object]] = [] if share is None else [{"labels": "{}", "value": share}]
    agree(tmp_path, unit_test(STATES[state], {exprs()["exporter_and_api", "Polls sent / fixed"]: samples}))


def test_an_expectation_that_is_wrong_is_found(tmp_path: Path) -> None:
    expr = exprs()["overview", "Tasks unanswered"]
    with pytest.raises(AssertionError, match=r"1\.77E"):
        agree(tmp_path, unit_test(OUTAGE, {expr: [{"labels": "{}", "value": 0}]}))


@pytest.mark.parametrize(
    ("state", "shown"),
    [("healthy", "answered"), ("outage", "unusable answers"), ("idle", "answered"), ("never asked", "idle")],
)
def test_the_timeline_of_accounts_names_their_state(state: str, shown: str, tmp_path: Path) -> None:
    expr = exprs()["exporter_and_api", "Accounts over time"]
    number = [*OF_ACCOUNTS].index(shown) + 1
    agree(tmp_path, unit_test(STATES[state], {expr: [{"labels": '{account="one"}', "value": number}]}))


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        ({}, []),
        ({'ALERTS{alertname="ByteSpikeWatchdog", alertstate="firing", severity="info"}': steady(1)}, [0]),
        (
            {
                'ALERTS{alertname="ByteSpikeWatchdog", alertstate="firing", severity="info"}': steady(1),
                'ALERTS{alertname="ByteSpikeUpstreamDown", alertstate="firing", severity="critical"}': steady(1),
            },
            [1],
        ),
    ],
    ids=["no rules", "none fires", "one fires"],
)
def test_that_no_alert_fires_is_said_only_where_there_are_rules(
    series: Mapping[str, str], expected: list[int], tmp_path: Path
) -> None:
    samples: list[dict[str, object]] = [{"labels": "{}", "value": value} for value in expected]
    agree(tmp_path, unit_test(series, {exprs()["overview", "Alerts firing"]: samples}))
