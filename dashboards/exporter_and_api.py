"""Exporter and API: is the exporter keeping up, does the API answer, and do ledger, discovery and limits hold."""

import sys

from dashboards._board import Board, Row
from dashboards._doors import SIDECAR, WEB
from dashboards._links import CREDITS, EXPORTER, OVERVIEW, RUNBOOK_INDEX, TASKS, of_row, of_series, to
from dashboards._look import (
    BAD,
    GOOD,
    HELD,
    OF_ACCOUNTS,
    REASONS,
    SPREAD,
    UP_OR_DOWN,
    bad_above,
    bad_below,
    line_at,
    notice_above,
    words,
    worse_above,
)
from dashboards._machinery import LEDGER, POLLING, PROCESS, REPLICAS, SOURCES, longest_due_stat
from dashboards._panels import FEW, HALF, lines, stack, stat, timeline
from dashboards._promql import (
    ANSWERED,
    ON_ACCOUNT,
    OPEN,
    RATE,
    RECENT,
    api,
    longest_due,
    of_exporters,
    quantile,
    spread,
    unanswered,
)
from dashboards._query import Query
from dashboards._tables import Column, table
from dashboards._thresholds import ANSWER_AGE, BUDGET, LAG, WAITING
from dashboards._tuning import TUNING
from monitoring.thresholds import DOWN_RATIO, SLOW_SECONDS

OF_ACCOUNT = [to(OVERVIEW, of_series("account")), to(EXPORTER, of_series("account"))]
HELD_FOR = (
    "max by (account, reason) (bytespike_api_suspended) == 1 or on (account) max by (account) (bytespike_api_suspended)"
)
"""Each account, with the reason where it is held back."""

REQUESTS = "increase(bytespike_api_requests_total[5m])"


def _numbered() -> str:
    """One series an account, whose value says its state: what a timeline can draw."""
    numbers = {state: number for number, state in enumerate(OF_ACCOUNTS, start=1)}
    held = [
        f'{numbers[name]} * (bytespike_api_suspended{{reason=~"{reasons}"}} == 1)'
        for name, (reasons, _) in HELD.items()
    ]
    has_tasks = f"{ON_ACCOUNT} sum by (job, instance, account) (bytespike_tasks{OPEN}) > 0"
    states = [
        f"{numbers['answered']} * (bytespike_up == 1)",
        f"{numbers['not answered']} + 0 * (bytespike_up == 0 and {has_tasks})",
        f"{numbers['idle']} + 0 * bytespike_up",
    ]
    return f"max by (account) ({' or '.join([*held, *states])})"


STATE = Row(
    "Is the exporter well?",
    [
        stat(
            "Exporter",
            "UP when Prometheus could scrape every exporter chosen above that it knew within the last day.",
            f"min({of_exporters('up')})",
            unit="short",
            mappings=[UP_OR_DOWN],
            thresholds=bad_below(1),
            empty="ABSENT",
            empty_colour=BAD,
            filled=True,
            width=3,
            links=[RUNBOOK_INDEX],
        ),
        stat(
            "Configuration",
            "Whether the last attempt to load the configuration succeeded. After a failure the old one stays in force.",
            "min(bytespike_exporter_config_last_reload_successful)",
            unit="short",
            mappings=[words({"1": ("loaded", GOOD), "0": ("REFUSED", BAD)})],
            thresholds=bad_below(1),
            width=3,
            links=[RUNBOOK_INDEX],
        ),
        stat(
            "Config age",
            "How long ago the configuration in force was loaded.",
            "time() - min(bytespike_exporter_config_last_reload_success_timestamp_seconds)",
            unit="s",
            decimals=0,
            width=3,
            links=[RUNBOOK_INDEX],
        ),
        longest_due_stat("Longest due", width=3, links=[to(TASKS), to(OVERVIEW)]),
        stat(
            "Poll lag p90",
            "How late polls were sent in the last 5 minutes, by the 90th percentile. Of accounts that are answered: "
            "a poll that was not sent has no lag yet.",
            f"{quantile(0.9, 'bytespike_exporter_poll_lag_seconds', RECENT, among=ANSWERED)} >= 0",
            unit="s",
            decimals=0,
            thresholds=worse_above(*LAG),
            empty="not known",
            width=3,
            links=[to(TASKS), to(OVERVIEW)],
        ),
        stat(
            "Ledger failures",
            "Attempts to commit to the ledger that failed in the last hour. Counters stand still meanwhile.",
            "sum(increase(bytespike_exporter_ledger_failures_total[1h]))",
            unit="short",
            decimals=0,
            thresholds=bad_above(1),
            width=3,
            links=[RUNBOOK_INDEX],
        ),
        stat(
            "Series dropped",
            "Followed tasks that have no series of their own, for global.task_series.limit is reached. "
            "They are in all totals.",
            "sum(bytespike_exporter_task_series_dropped)",
            unit="short",
            width=3,
            links=[to(TASKS), RUNBOOK_INDEX],
        ),
        stat(
            "Label overflows",
            'Labels that became "other" in the last day, for global.label_values.limit or global.label_sets.limit is '
            "reached.",
            "sum(increase(bytespike_exporter_label_values_overflowed_total[1d]))",
            unit="short",
            decimals=0,
            thresholds=notice_above(1),
            width=3,
            links=[RUNBOOK_INDEX],
        ),
    ],
)

ACCOUNTS = Row(
    "Which account?",
    [
        table(
            "Accounts",
            "Each account now: does the API answer it, is polling held back and why, which tasks wait for it, do its "
            "limits let enough polls through (not known while it is not answered), and how it answered in 5 minutes.",
            Column("API", api("account"), thresholds=bad_below(1), mappings=[UP_OR_DOWN]),
            Column(
                "Last answer",
                "time() - max by (account) (bytespike_api_last_success_timestamp_seconds)",
                "s",
                decimals=0,
                thresholds=worse_above(*ANSWER_AGE),
            ),
            Column("", HELD_FOR),
            Column("Unanswered", unanswered("account"), thresholds=bad_above(1)),
            Column("Longest due", longest_due("account"), "s", decimals=0, thresholds=worse_above(*WAITING)),
            Column("Due", "sum by (account) (bytespike_exporter_tasks_due)"),
            Column(
                "Asked / allowed",
                f"max by (account) (bytespike_exporter_request_budget_ratio and {ANSWERED})",
                "percentunit",
                decimals=0,
                thresholds=notice_above(BUDGET),
            ),
            Column(
                "Best interval",
                "max by (account) (bytespike_exporter_attainable_interval_seconds)",
                "s",
                decimals=1,
            ),
            Column(
                "Latency p95",
                quantile(0.95, "bytespike_api_request_duration_seconds", "5m", "account"),
                "s",
                decimals=1,
                thresholds=worse_above(SLOW_SECONDS / 2, SLOW_SECONDS),
            ),
            Column("Requests, 5 min", f"sum by (account) ({REQUESTS})", decimals=0),
            Column(
                "Failed, 5 min",
                "sum by (account) (increase(bytespike_api_request_failures_total[5m]))"
                f" / (sum by (account) ({REQUESTS}) > 0)",
                "percentunit",
                decimals=0,
                thresholds=worse_above(DOWN_RATIO / 10, DOWN_RATIO),
            ),
            labels={"account": "Account", "reason": "Held back for"},
            colours={"Held back for": REASONS},
            sort_by="API",
            descending=False,
            empty="No exporter is scraped.",
            height=6,
            links=[
                to(OVERVIEW, of_row(account="Account")),
                to(EXPORTER, of_row(account="Account")),
                to(CREDITS, of_row(account="Account")),
            ],
        ),
    ],
)

API = Row(
    "Does the API answer?",
    [
        stack(
            "Requests a minute",
            "Requests sent, whatever came of them.",
            Query(f"60 * sum by (account) (rate(bytespike_api_requests_total[{RATE}]))", "{{account}}"),
            unit="short",
            links=OF_ACCOUNT,
        ),
        stack(
            "Failed requests a minute, by reason",
            "Requests that got no valid answer.",
            Query(f"60 * sum by (reason) (rate(bytespike_api_request_failures_total[{RATE}])) > 0", "{{reason}}"),
            unit="short",
            colours=REASONS,
            bars=True,
            most=FEW,
            step="1m",
            empty="None failed.",
            links=[to(OVERVIEW)],
        ),
        lines(
            "Latency of the API",
            "From sending a request to the end of its answer. The dashed line is where it counts as slow.",
            *spread("bytespike_api_request_duration_seconds"),
            empty="No request was sent.",
            unit="s",
            thresholds=line_at(SLOW_SECONDS),
            links=[to(OVERVIEW)],
            colours=SPREAD,
        ),
        timeline(
            "Accounts over time",
            "Whether the last poll of each account was answered, and why polling was held back where it was: "
            "it is tried again by itself, at growing intervals.",
            Query(_numbered(), "{{account}}"),
            states=OF_ACCOUNTS,
            width=HALF,
            height=8,
            empty="No account is polled.",
            links=OF_ACCOUNT,
        ),
        stack(
            "Schema drift a minute",
            "Valid answers with an unknown status, or with fields that are missing, mistyped or of an older shape.",
            Query(f"60 * sum by (kind) (rate(bytespike_api_schema_drift_total[{RATE}])) > 0", "{{kind}}"),
            unit="short",
            bars=True,
            most=FEW,
            step="1m",
            width=HALF,
            empty="Answers are as documented.",
            links=[to(TASKS)],
        ),
    ],
)

BOARD = Board(
    uid=EXPORTER,
    title="ByteSpike / Exporter and API",
    description="The exporter's own health, and the API as it sees it: polling, answers, ledger, discovery, limits.",
    rows=(STATE, ACCOUNTS, API, POLLING, TUNING, REPLICAS, LEDGER, SOURCES, WEB, SIDECAR, PROCESS),
    variables=("account", "group"),
)

if __name__ == "__main__":
    sys.stdout.write(BOARD.json())
