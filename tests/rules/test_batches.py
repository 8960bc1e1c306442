"""Work that comes in batches calls nobody night after night, or hour after hour: all rules at once."""

from pathlib import Path
from typing import Any

import pytest

from tests.rules import promtool
from tests.rules.cases.money import WALLET, each_night
from tests.rules.cases.outcomes import outcomes
from tests.rules.series import Series, counted, raw, series, steady, together
from tests.support.servers import Servers

NIGHTS = 3 * 1440
HOURS = 9 * 60

START, MINUTES = 1200, 60
"""Of the day, when each night's batch begins; and how long it takes."""


def left_of(credits_: float, amount: float) -> str:
    """What is left, of which three nights take so much each."""
    text = []
    for left in (credits_, credits_ - amount, credits_ - 2 * amount):
        after = 1440 - START - MINUTES
        text += [steady((START, left)), f"{left:g}-{amount / MINUTES:g}x{MINUTES - 1}", steady((after, left - amount))]
    return " ".join(text)


def is_told_once(alert: str, minutes: int) -> str:
    """One series where it fires from one minute to another, and not again."""
    firing = f'ALERTS{{alertname="{alert}", alertstate="firing"}}'
    window = f"[{minutes}m:1m]"
    minutes_between = f"(max_over_time(timestamp({firing}){window}) - min_over_time(timestamp({firing}){window})) / 60"
    return f"count({minutes_between} + 1 == ignoring (alertstate) count_over_time({firing}{window}))"


def checked(series_: Series, *tests: dict[str, Any]) -> dict[str, Any]:
    inputs = [{"series": name, "values": values} for name, values in series_.items()]
    return {"interval": "1m", "input_series": inputs, "promql_expr_test": list(tests)}


@pytest.mark.long
def test_a_nightly_batch_is_no_news(servers: Servers, tmp_path: Path) -> None:
    batch = together(
        raw("up", steady((NIGHTS + 1, 1))),
        series("bytespike_tasks_credits_used_total", counted(*each_night(START, MINUTES, 1)), status="completed"),
        series(WALLET, left_of(1200, MINUTES)),
        outcomes(completed=each_night(START, MINUTES, 3), failed=((NIGHTS, 0),)),
        series("bytespike_tasks_followed_total", counted(*each_night(START, MINUTES, 3))),
    )
    ever = f'count by (alertname) (count_over_time(ALERTS{{alertname!="ByteSpikeWatchdog"}}[{NIGHTS}m]))'
    quiet = {"expr": ever, "eval_time": f"{NIGHTS}m", "exp_samples": []}
    promtool.check(tmp_path, promtool.rules(), [checked(batch, quiet)], servers=servers, evaluated="5m")


@pytest.mark.slow
def test_batches_that_fail_hour_after_hour_are_told_of_once_and_once_as_over(servers: Servers, tmp_path: Path) -> None:
    hourly = ((50, 0), (10, 4)) * 6
    failing = outcomes(completed=((HOURS, 0),), failed=(*hourly, (HOURS - 360, 0)))
    alert = "ByteSpikeSuccessBudgetBurningFast"
    once = {"expr": is_told_once(alert, HOURS), "eval_time": f"{HOURS}m", "exp_samples": [{"labels": "{}", "value": 1}]}
    over = {"expr": f'ALERTS{{alertname="{alert}"}}', "eval_time": f"{HOURS}m", "exp_samples": []}
    promtool.check(tmp_path, promtool.needed(alert), [checked(failing, once, over)], servers=servers)
