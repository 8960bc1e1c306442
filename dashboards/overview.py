"""Overview: is it up and fresh, how do tasks end, how long do they take, what do they cost, and why do they fail."""

import sys

from dashboards._board import Board, Row
from dashboards._links import CREDITS as CREDITS_BOARD
from dashboards._links import EXPORTER, GROUP_AND_MODEL, OVERVIEW, RUNBOOK_INDEX, TASKS, of_row, runbook, to
from dashboards._look import (
    BAD,
    SEVERITIES,
    UP_OR_DOWN,
    bad_above,
    bad_below,
    worse_above,
    worse_below,
)
from dashboards._machinery import longest_due_stat
from dashboards._panels import FULL, THIRD, stat
from dashboards._promql import (
    ANSWERED,
    HOUR,
    OBSERVED,
    OPEN,
    RECENT,
    all_where_none,
    api,
    known,
    quantile,
    success,
    total,
    unanswered,
)
from dashboards._tables import Column, table
from dashboards._thresholds import ANSWER_AGE, LASTS_SECONDS, LATE, OVERDUE_SHARE, OVERDUE_TASKS, SUCCESS
from dashboards._trends import CREDITS, ERRORS, LATENCY, OUTCOMES
from monitoring.thresholds import OBJECTIVE

ALERTS = 'ALERTS{alertname=~"ByteSpike.+", alertstate="firing", severity=~"critical|warning"}'
WATCHDOG = 'ALERTS{alertname="ByteSpikeWatchdog", alertstate="firing"}'
"""It fires always: without it there are no rules, and that none fires says nothing."""

FIRING = (
    f'count by (severity, alert, account, group) (label_replace({ALERTS}, "alert", "$1", "alertname", "ByteSpike(.+)"))'
)
PLACE = ("account", "group", "model")
OF_ACCOUNT = f"0 * {total(f'bytespike_tasks{OPEN}', *PLACE)} + on (account) group_left () ({api('account')})"
"""What is known of a group is as old as its account's last answer."""

WIDTHS = {
    "Account": 80,
    "Model": 140,
    "API": 70,
    "Open": 60,
    "Overdue": 75,
    "Ended": 65,
    "Failed": 65,
    "5 min": 70,
    "1 h": 65,
    "ETA ratio": 90,
    "Credits": 70,
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
            links=[to(EXPORTER)],
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
            empty="none",
            links=[to(EXPORTER)],
        ),
        longest_due_stat("Longest-due poll", width=4, links=[to(EXPORTER)]),
        stat(
            "Tasks unanswered",
            "Open tasks of the accounts whose last poll got no valid answer: how they are is not known.",
            unanswered(),
            unit="short",
            thresholds=bad_above(1),
            links=[to(EXPORTER), to(TASKS)],
        ),
        stat(
            "Success, 5 min",
            "Completed / completed and failed tasks of the last five minutes: how it is now. Grey where none ended, "
            "and while no account is answered.",
            known(success(RECENT)),
            unit="percentunit",
            decimals=1,
            thresholds=worse_below(*SUCCESS),
            empty="not known",
            links=[to(GROUP_AND_MODEL), to(TASKS)],
        ),
        stat(
            "Success, 1 h",
            f"Completed / completed and failed tasks of the last hour; the objective is {OBJECTIVE:.0%}. "
            "Cancelled and lost tasks do not count. Grey where none ended, and while no account is answered.",
            known(success(HOUR)),
            unit="percentunit",
            decimals=1,
            thresholds=worse_below(*SUCCESS),
            empty="not known",
            links=[to(GROUP_AND_MODEL), to(TASKS)],
        ),
        stat(
            "Alerts firing",
            "Alerts of this exporter that fire now, whatever is chosen above. Without ByteSpikeWatchdog, which always "
            "fires, there are no rules.",
            f"count({FIRING}) or 0 * max({WATCHDOG})",
            unit="short",
            thresholds=bad_above(1),
            empty="no rules",
            links=[RUNBOOK_INDEX],
        ),
        stat(
            "Open tasks",
            "Tasks that have not ended: pending, running, not asked about yet, or in a status that was not understood.",
            f"sum(bytespike_tasks{OPEN})",
            unit="short",
            links=[to(TASKS), to(GROUP_AND_MODEL)],
        ),
        stat(
            "Not asked yet",
            "Open tasks that no answer has told of yet (unobserved). After a start or a burst they are many for a "
            "moment; during an outage they grow.",
            'sum(bytespike_tasks{status="unobserved"})',
            unit="short",
            links=[to(TASKS), to(EXPORTER)],
        ),
        stat(
            "Overdue",
            "Share of the open tasks that are older than overdue_factor (3 by default) times the API's estimate. "
            "Of tasks that were asked about, in accounts that are answered: of others it is not known.",
            f"sum(bytespike_tasks_overdue and {ANSWERED}) / (sum(bytespike_tasks{OBSERVED} and {ANSWERED}) > 0)",
            unit="percentunit",
            decimals=0,
            thresholds=worse_above(*OVERDUE_SHARE),
            empty="not known",
            links=[to(TASKS), to(GROUP_AND_MODEL)],
        ),
        stat(
            "Credits, 1 h",
            "Credits billed in the last hour, as the API gives them: of the size of USD in every published example.",
            f"sum(increase(bytespike_tasks_credits_used_total[{HOUR}]))",
            unit="short",
            decimals=2,
            links=[to(CREDITS_BOARD)],
        ),
        stat(
            "Quota lasts",
            "How long the quota of the key that is nearest to its end lasts at the rate of the last hour. "
            "Grey where nothing is spent, and where the API tells no quota.",
            f"min(bytespike_api_quota_remaining_credits / (-deriv(bytespike_api_quota_remaining_credits[{HOUR}]) > 0))",
            unit="s",
            decimals=0,
            thresholds=worse_below(*LASTS_SECONDS),
            empty="no end seen",
            links=[to(CREDITS_BOARD)],
        ),
    ],
)

WHERE = Row(
    "Where?",
    [
        table(
            "Groups and models, last hour",
            "What each group and model did in the last hour, whether the API answers its account, the share that "
            "succeeded in five minutes and in an hour, and the median of duration / ETA. "
            "The most failures stand first; what did nothing is left out.",
            Column("API", OF_ACCOUNT, thresholds=bad_below(1), mappings=[UP_OR_DOWN]),
            Column("Open", total(f"bytespike_tasks{OPEN}", *PLACE), "short"),
            Column(
                "Overdue",
                total(f"bytespike_tasks_overdue and {ANSWERED}", *PLACE),
                "short",
                thresholds=worse_above(*OVERDUE_TASKS),
            ),
            Column("Ended", total(f"increase(bytespike_tasks_finished_total[{HOUR}])", *PLACE), "short", decimals=0),
            Column(
                "Failed",
                total('increase(bytespike_tasks_finished_total{status="failed"}[' + HOUR + "])", *PLACE),
                "short",
                decimals=0,
            ),
            Column(
                "5 min",
                known(success(RECENT, *PLACE), "account"),
                "percentunit",
                decimals=0,
                thresholds=worse_below(*SUCCESS),
            ),
            Column(
                "1 h",
                known(success(HOUR, *PLACE), "account"),
                "percentunit",
                decimals=0,
                thresholds=worse_below(*SUCCESS),
            ),
            Column(
                "ETA ratio",
                quantile(0.5, "bytespike_tasks_eta_ratio", HOUR, *PLACE),
                "none",
                decimals=1,
                thresholds=worse_above(*LATE),
            ),
            Column(
                "Credits",
                total(f"increase(bytespike_tasks_credits_used_total[{HOUR}])", *PLACE),
                "short",
                decimals=2,
            ),
            labels={"account": "Account", "group": "Group", "model": "Model"},
            sort_by="Failed",
            empty="No task is open, and none ended.",
            idle=("Open", "Ended"),
            widths=WIDTHS,
            width=FULL - THIRD,
            links=[
                to(GROUP_AND_MODEL, of_row(account="Account", group="Group", model="Model")),
                to(TASKS, of_row(account="Account", group="Group", model="Model")),
                to(EXPORTER, of_row(account="Account")),
            ],
        ),
        table(
            "Firing alerts",
            "Critical and warning alerts that fire now, whatever is chosen above. A click leads to the runbook, or to "
            "the dashboards of what the alert is about.",
            Column("", all_where_none(all_where_none(FIRING, "account"), "group")),
            labels={"severity": "Severity", "alert": "Alert", "account": "Account", "group": "Group"},
            sort_by="Severity",
            descending=False,
            empty="None fires.",
            colours={"Severity": SEVERITIES},
            widths={"Severity": 80, "Alert": 200, "Account": 80},
            width=THIRD,
            links=[
                runbook("Alert"),
                to(OVERVIEW, of_row(account="Account", group="Group")),
                to(GROUP_AND_MODEL, of_row(account="Account", group="Group")),
                to(EXPORTER, of_row(account="Account")),
            ],
        ),
    ],
)

BOARD = Board(
    uid=OVERVIEW,
    title="ByteSpike / Overview",
    description="Whether ByteSpike's generation tasks are well, and where they are not: from freshness to error codes.",
    rows=(STATE, WHERE, OUTCOMES, LATENCY, CREDITS, ERRORS),
)

if __name__ == "__main__":
    sys.stdout.write(BOARD.json())
