"""Task explorer: single tasks, for those who keep per-task series on."""

import sys

from dashboards._board import Board, Row
from dashboards._links import EXPORTER, GROUP_AND_MODEL, OVERVIEW, TASKS, of_row, of_series, to
from dashboards._look import CODES, ENDS, OPEN_STATES, notice_above, worse_above
from dashboards._panels import FEW, FULL, HALF, lines, stack, stat, timeline
from dashboards._promql import ANSWERED, OPEN, RATE, quantile
from dashboards._query import Query
from dashboards._tables import Column, table
from dashboards._thresholds import LATE, OVERDUE_TASKS

PLACE = ("account", "group", "model", "task_id", "out_task_id")
BY = f"by ({', '.join(PLACE)})"
PLACE_HEADINGS = {
    "task_id": "Task",
    "out_task_id": "Own id",
    "account": "Account",
    "group": "Group",
    "model": "Model",
}
OF_TASK = [
    to(TASKS, of_row(account="Account", group="Group", model="Model", task_id="Task")),
    to(GROUP_AND_MODEL, of_row(account="Account", group="Group", model="Model")),
]
HEADINGS = {**PLACE_HEADINGS, "status": "Status"}
WIDTHS = {"Task": 305, "Own id": 210, "Model": 180, "Error code": 220}
ROWS = 200
"""Of a table: more is slow to draw, and nobody reads on."""

OFF = "no task has series of its own (global.task_series.limit is 0)."
STATUSES = {**OPEN_STATES, **ENDS}
"""In the order in which the timeline numbers them, from 1."""


def _chosen(status: str) -> str:
    """The tasks of a table: those in one of these statuses, the longest if there are too many."""
    in_status = f"max {BY} (bytespike_task_status{{{status}}} == 1)"
    return f"topk({ROWS}, max {BY} (bytespike_task_elapsed_seconds) and {in_status})"


def _statuses(status: str) -> str:
    """Their statuses, as a label."""
    now = f"max {BY[:-1]}, status) (bytespike_task_status{{{status}}} == 1)"
    return f"{now} and on ({', '.join(PLACE)}) {_chosen(status)}"


def _of_those(expr: str, status: str) -> str:
    """A number of each."""
    return f"max {BY} ({expr}) and {_chosen(status)}"


def _numbered() -> str:
    """One series a task, whose value says its status: what a timeline can draw."""
    numbered = (
        f'{number} * (bytespike_task_status{{status="{status}"}} == 1)'
        for number, status in enumerate(STATUSES, start=1)
    )
    return f"max by (task_id, out_task_id) ({' or '.join(numbered)})"


IN_HAND = OPEN.strip("{}")
ENDED = 'status=~"completed|failed|cancelled|not_found"'
FAILED = 'status="failed"'

STATE = Row(
    "How much of it is shown here?",
    [
        stat(
            "Open tasks",
            "Tasks that have not ended, whether they have series of their own or not.",
            f"sum(bytespike_tasks{OPEN})",
            unit="short",
            width=6,
            links=[to(OVERVIEW), to(GROUP_AND_MODEL)],
        ),
        stat(
            "Tasks with own series",
            "Tasks that the tables below can show: the open ones, and those that ended within global.retention.",
            'count(bytespike_task_status{status="completed"})',
            unit="short",
            empty="none, or series off",
            width=6,
            links=[to(EXPORTER)],
        ),
        stat(
            "Tasks beyond series limit",
            "Followed tasks that the tables below do not show, for global.task_series.limit is reached. "
            "All other dashboards count them.",
            "sum(bytespike_exporter_task_series_dropped)",
            unit="short",
            thresholds=notice_above(1),
            width=6,
            links=[to(EXPORTER)],
        ),
        stat(
            "Overdue",
            "Open tasks older than overdue_factor (3 by default) times the API's estimate. Of accounts that are "
            "answered: of others it is not known.",
            f"sum(bytespike_tasks_overdue and {ANSWERED})",
            unit="short",
            thresholds=worse_above(*OVERDUE_TASKS),
            empty="not known",
            width=6,
            links=[to(GROUP_AND_MODEL), to(OVERVIEW)],
        ),
    ],
)

OPEN_TASKS = Row(
    "Which tasks are open?",
    [
        table(
            "Open tasks",
            f"The {ROWS} oldest. Age / ETA above 1: it takes longer than the API's estimate.",
            Column("", _statuses(IN_HAND)),
            Column("Age", _chosen(IN_HAND), "dthms"),
            Column("ETA", _of_those("bytespike_task_eta_seconds", IN_HAND), "dthms"),
            Column(
                "Age / ETA",
                _of_those("bytespike_task_elapsed_seconds / (bytespike_task_eta_seconds > 0)", IN_HAND),
                "none",
                decimals=1,
                thresholds=worse_above(*LATE),
            ),
            Column("Estimated", _of_those("bytespike_task_credits_estimated", IN_HAND), decimals=2),
            labels=HEADINGS,
            sort_by="Age",
            colours={"Status": STATUSES},
            empty=f"None is open, or: {OFF}",
            widths=WIDTHS,
            height=9,
            links=OF_TASK,
        ),
    ],
)

ENDED_TASKS = Row(
    "Which ended, and how?",
    [
        table(
            "Failed tasks",
            f"Tasks that failed within global.retention, {ROWS} at most, with the API's error code.",
            Column("", f"topk({ROWS}, max {BY[:-1]}, error_code) (bytespike_task_error_info))"),
            Column("Took", _chosen(FAILED), "dthms"),
            labels={**PLACE_HEADINGS, "error_code": "Error code"},
            sort_by="Error code",
            descending=False,
            empty=f"None failed lately, or: {OFF}",
            widths=WIDTHS,
            links=OF_TASK,
        ),
        table(
            "Ended tasks",
            f"The {ROWS} longest of those that ended within global.retention and whose duration is known.",
            Column("", _statuses(ENDED)),
            Column("Took", _chosen(ENDED), "dthms"),
            Column("Credits", _of_those("bytespike_task_credits_used", ENDED), decimals=2),
            labels=HEADINGS,
            sort_by="Took",
            colours={"Status": STATUSES},
            empty=f"None ended lately, or: {OFF}",
            widths=WIDTHS,
            links=OF_TASK,
        ),
    ],
)

EXEMPLARS = Row(
    "All tasks, with exemplars",
    [
        lines(
            "Duration of ended tasks, p99",
            "The points are single tasks: their task_id stands in the tooltip, and in the link of a data source that "
            "has one for exemplars.",
            Query(
                f"{quantile(0.99, 'bytespike_tasks_duration_seconds', RATE, 'status')} >= 0",
                "{{status}}",
                exemplars=True,
            ),
            empty="None ended.",
            unit="dthms",
            colours=ENDS,
            step="2m",
            width=HALF,
            links=[to(GROUP_AND_MODEL)],
        ),
        stack(
            "Failed tasks a minute, by error code",
            "The points are single tasks that failed, with their task_id.",
            Query(
                f"60 * sum by (error_code) (rate(bytespike_tasks_failed_total[{RATE}])) > 0",
                "{{error_code}}",
                exemplars=True,
            ),
            unit="short",
            colours=CODES,
            bars=True,
            most=FEW,
            step="1m",
            empty="None failed.",
            width=HALF,
            links=[to(GROUP_AND_MODEL)],
        ),
    ],
)

TIMELINE = Row(
    "Timeline (asks for every status of every task: choose a group first)",
    [
        timeline(
            "Status of each task",
            "What was last observed of each task, over time.",
            Query(_numbered(), "{{task_id}} {{out_task_id}}"),
            states=STATUSES,
            empty=f"No task is followed, or: {OFF}",
            width=FULL,
            height=16,
            links=[to(TASKS, of_series("task_id"))],
        ),
    ],
    folded=True,
)

BOARD = Board(
    uid=TASKS,
    title="ByteSpike / Task explorer",
    description="Single tasks: those that are open, those that ended and why, and the way from a spike to its tasks.",
    rows=(STATE, OPEN_TASKS, ENDED_TASKS, EXEMPLARS, TIMELINE),
    variables=("account", "group", "model", "task_id"),
)

if __name__ == "__main__":
    sys.stdout.write(BOARD.json())
