"""Overview: is it up and fresh, how do tasks end, how long do they take, what do they cost, and why do they fail."""

import sys

from dashboards._board import Board, Row
from dashboards._look import (
    BAD,
    GOOD,
    SEVERITIES,
    UP_OR_DOWN,
    bad_above,
    bad_below,
    worse_above,
    worse_below,
)
from dashboards._panels import FULL, THIRD, stat
from dashboards._promql import NOW, OPEN, api, quantile, success, total
from dashboards._tables import Column, table
from dashboards._thresholds import ANSWER_AGE, LASTS_SECONDS, LATE, OVERDUE_SHARE, OVERDUE_TASKS, SUCCESS
from dashboards._trends import CREDITS, ERRORS, LATENCY, OUTCOMES
from monitoring.thresholds import OBJECTIVE

ALERTS = 'ALERTS{alertname=~"ByteSpike.+", alertstate="firing", severity=~"critical|warning"}'
FIRING = (
    f'count by (severity, alert, account, group) (label_replace({ALERTS}, "alert", "$1", "alertname", "ByteSpike(.+)"))'
)
PLACE = ("account", "group", "model")
ANSWERED = f"0 * {total(f'bytespike_tasks{OPEN}', *PLACE)} + on (account) group_left () ({api('account')})"
"""What is known of a group is as old as its account's last answer."""

WIDTHS = {
    "Model": 150,
    "API": 70,
    "Open": 60,
    "Overdue": 80,
    "Ended": 65,
    "Failed": 65,
    "Success": 80,
    "Took / ETA": 95,
    "Credits": 75,
}

STATE = Row(
    "Is it up, is it fresh, is it well?",
    [
        stat(
            "API",
            "UP when the last poll of every account got a valid answer. "
            "DOWN when it did not for at least one that has open tasks: the table below tells which, the dashboard "
            "Exporter and API why. IDLE when there is nothing to ask about.",
            api(),
            unit="short",
            mappings=[UP_OR_DOWN],
            thresholds=bad_below(1),
            empty="NO EXPORTER",
            empty_colour=BAD,
            filled=True,
        ),
        stat(
            "Last answer",
            "How long ago the API last gave a valid answer, for the account that waits longest. "
            "Accounts without open tasks are not polled and do not count.",
            "max(time() - bytespike_api_last_success_timestamp_seconds and on (job, instance, account) "
            f"sum by (job, instance, account) (bytespike_tasks{OPEN}) > 0)",
            unit="s",
            decimals=0,
            thresholds=worse_above(*ANSWER_AGE),
        ),
        stat(
            "Alerts firing",
            "Alerts of this exporter that fire now, whatever is chosen above. Runbooks, at the top, says what to do.",
            f"count({FIRING})",
            unit="short",
            thresholds=bad_above(1),
            empty="none",
            empty_colour=GOOD,
        ),
        stat(
            "Success, 1 h",
            f"Completed / completed and failed tasks of the last hour; the objective is {OBJECTIVE:.0%}. "
            "Cancelled and lost tasks do not count.",
            success(NOW),
            unit="percentunit",
            decimals=1,
            thresholds=worse_below(*SUCCESS),
            empty="none ended",
        ),
        stat(
            "Open tasks",
            "Tasks that have not ended: pending, running, or in a status that is not known.",
            f"sum(bytespike_tasks{OPEN})",
            unit="short",
        ),
        stat(
            "Overdue",
            "Share of the open tasks that are older than overdue_factor (3 by default) times the API's estimate.",
            f"sum(bytespike_tasks_overdue) / (sum(bytespike_tasks{OPEN}) > 0)",
            unit="percentunit",
            decimals=0,
            thresholds=worse_above(*OVERDUE_SHARE),
        ),
        stat(
            "Credits, 1 h",
            "Credits billed in the last hour, as the API gives them: of the size of USD in every published example.",
            f"sum(increase(bytespike_tasks_credits_used_total[{NOW}]))",
            unit="short",
            decimals=2,
        ),
        stat(
            "Quota lasts",
            "How long the quota of the key that is nearest to its end lasts at the rate of the last hour.",
            f"min(bytespike_api_quota_remaining_credits / (-deriv(bytespike_api_quota_remaining_credits[{NOW}]) > 0))",
            unit="s",
            decimals=0,
            thresholds=worse_below(*LASTS_SECONDS),
            empty="-",
        ),
    ],
)

WHERE = Row(
    "Where?",
    [
        table(
            "Groups and models, last hour",
            "What each group and model did in the last hour, whether the API answers its account, and how long "
            "half of the tasks took at most against their estimates. "
            "The most failures stand first; what did nothing is left out.",
            Column("API", ANSWERED, thresholds=bad_below(1), mappings=[UP_OR_DOWN]),
            Column("Open", total(f"bytespike_tasks{OPEN}", *PLACE), "short"),
            Column(
                "Overdue", total("bytespike_tasks_overdue", *PLACE), "short", thresholds=worse_above(*OVERDUE_TASKS)
            ),
            Column("Ended", total(f"increase(bytespike_tasks_finished_total[{NOW}])", *PLACE), "short", decimals=0),
            Column(
                "Failed",
                total('increase(bytespike_tasks_finished_total{status="failed"}[' + NOW + "])", *PLACE),
                "short",
                decimals=0,
            ),
            Column("Success", success(NOW, *PLACE), "percentunit", decimals=1, thresholds=worse_below(*SUCCESS)),
            Column(
                "Took / ETA",
                quantile(0.5, "bytespike_tasks_eta_ratio", NOW, *PLACE),
                "none",
                decimals=1,
                thresholds=worse_above(*LATE),
            ),
            Column(
                "Credits",
                total(f"increase(bytespike_tasks_credits_used_total[{NOW}])", *PLACE),
                "short",
                decimals=2,
            ),
            labels={"account": "Account", "group": "Group", "model": "Model"},
            sort_by="Failed",
            empty="No task is open, and none ended.",
            idle=("Open", "Ended"),
            widths=WIDTHS,
            width=FULL - THIRD,
        ),
        table(
            "Firing alerts",
            "Critical and warning alerts that fire now, whatever is chosen above; none is good news.",
            Column("", FIRING),
            labels={"severity": "Severity", "alert": "Alert", "account": "Account", "group": "Group"},
            sort_by="Severity",
            descending=False,
            empty="None fires.",
            colours={"Severity": SEVERITIES},
            widths={"Severity": 80, "Alert": 220},
            width=THIRD,
        ),
    ],
)

BOARD = Board(
    uid="bytespike-overview",
    title="ByteSpike / Overview",
    description="Whether ByteSpike's generation tasks are well, and where they are not: from freshness to error codes.",
    rows=(STATE, WHERE, OUTCOMES, LATENCY, CREDITS, ERRORS),
)

if __name__ == "__main__":
    sys.stdout.write(BOARD.json())
