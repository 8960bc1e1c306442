"""Exporter and API: is the exporter keeping up, does the API answer, and do ledger, discovery and limits hold."""

import sys

from dashboards._board import Board, Row
from dashboards._look import BAD, GOOD, REASONS, SPREAD, UP_OR_DOWN, bad_above, bad_below, line_at, words, worse_above
from dashboards._machinery import LEDGER, POLLING, PROCESS, SOURCES
from dashboards._panels import FEW, HALF, lines, stack, stat
from dashboards._promql import RATE, api, of_exporters, quantile, spread
from dashboards._query import Query
from dashboards._tables import Column, table
from dashboards._thresholds import ANSWER_AGE, BUDGET, LAG
from monitoring.thresholds import DOWN_RATIO, SLOW_SECONDS

HELD = (
    "max by (account, reason) (bytespike_api_suspended) == 1 or on (account) max by (account) (bytespike_api_suspended)"
)
"""Each account, with the reason where it is held back."""

REQUESTS = "increase(bytespike_api_requests_total[5m])"

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
        ),
        stat(
            "Configuration",
            "Whether the last attempt to load the configuration succeeded. After a failure the old one stays in force.",
            "min(bytespike_exporter_config_last_reload_successful)",
            unit="short",
            mappings=[words({"1": ("loaded", GOOD), "0": ("REFUSED", BAD)})],
            thresholds=bad_below(1),
        ),
        stat(
            "Loaded",
            "How long ago the configuration in force was loaded.",
            "time() - min(bytespike_exporter_config_last_reload_success_timestamp_seconds)",
            unit="s",
            decimals=0,
        ),
        stat(
            "Poll lag, 90 %",
            "How late 90 % of the polls were sent, at most, in the last 10 minutes.",
            quantile(0.9, "bytespike_exporter_poll_lag_seconds", "10m"),
            unit="s",
            thresholds=worse_above(*LAG),
        ),
        stat(
            "Budget asked for",
            "Request rate that the followed tasks ask for / the rate that may be sent, of the busiest account. "
            "Above 1 tasks are polled less often than they should be.",
            "max(bytespike_exporter_request_budget_ratio)",
            unit="percentunit",
            decimals=0,
            thresholds=worse_above(*BUDGET),
        ),
        stat(
            "Ledger failures",
            "Attempts to commit to the ledger that failed in the last hour. Counters stand still meanwhile.",
            "sum(increase(bytespike_exporter_ledger_failures_total[1h]))",
            unit="short",
            decimals=0,
            thresholds=bad_above(1),
        ),
        stat(
            "Without series",
            "Followed tasks that have no series of their own, for global.task_series.limit is reached. "
            "They are in all totals.",
            "sum(bytespike_exporter_task_series_dropped)",
            unit="short",
        ),
        stat(
            "Labels as other",
            'Labels that became "other" in the last day, for global.label_values.limit or global.label_sets.limit is '
            "reached.",
            "sum(increase(bytespike_exporter_label_values_overflowed_total[1d]))",
            unit="short",
            decimals=0,
            thresholds=worse_above(1, 1000),
        ),
    ],
)

ACCOUNTS = Row(
    "Which account?",
    [
        table(
            "Accounts",
            "Each account now: does the API answer it, is polling held back and why, is its request budget enough, and "
            "how long 95 % of the answers took at most in 5 minutes.",
            Column("API", api("account"), thresholds=bad_below(1), mappings=[UP_OR_DOWN]),
            Column(
                "Last answer",
                "time() - max by (account) (bytespike_api_last_success_timestamp_seconds)",
                "s",
                decimals=0,
                thresholds=worse_above(*ANSWER_AGE),
            ),
            Column("", HELD),
            Column("Due", "sum by (account) (bytespike_exporter_tasks_due)"),
            Column(
                "Budget asked for",
                "max by (account) (bytespike_exporter_request_budget_ratio)",
                "percentunit",
                decimals=0,
                thresholds=worse_above(*BUDGET),
            ),
            Column(
                "Best interval",
                "max by (account) (bytespike_exporter_attainable_interval_seconds)",
                "s",
                decimals=1,
            ),
            Column(
                "Takes, 95 %",
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
        ),
        lines(
            "Latency of the API",
            "From sending a request to the end of its answer. The dashed line is where it counts as slow.",
            *spread("bytespike_api_request_duration_seconds"),
            empty="No request was sent.",
            unit="s",
            thresholds=line_at(SLOW_SECONDS),
            colours=SPREAD,
        ),
        lines(
            "Held back",
            "Accounts whose polling is held back, by reason. It is tried again by itself, at growing intervals.",
            Query("max by (account, reason) (bytespike_api_suspended) == 1", "{{account}}, {{reason}}"),
            unit="bool_yes_no",
            most=1,
            width=HALF,
            empty="No account is held back.",
        ),
        stack(
            "Departures from the documentation, a minute",
            "Valid answers with an unknown status, or with fields that are missing, mistyped or of an older shape.",
            Query(f"60 * sum by (kind) (rate(bytespike_api_schema_drift_total[{RATE}])) > 0", "{{kind}}"),
            unit="short",
            bars=True,
            most=FEW,
            step="1m",
            width=HALF,
            empty="Answers are as documented.",
        ),
    ],
)

BOARD = Board(
    uid="bytespike-exporter",
    title="ByteSpike / Exporter and API",
    description="The exporter's own health, and the API as it sees it: polling, answers, ledger, discovery, limits.",
    rows=(STATE, ACCOUNTS, API, POLLING, LEDGER, SOURCES, PROCESS),
    variables=("account", "group"),
)

if __name__ == "__main__":
    sys.stdout.write(BOARD.json())
