"""Group and model: the outcomes, latency and costs of the overview, compared side by side."""

import sys

from dashboards._board import Board, Row
from dashboards._look import line_at, plain, worse_above
from dashboards._panels import HALF, lines, ranking, stack
from dashboards._promql import NOW, OPEN, RATE, mean, named, quantile, success, total
from dashboards._query import Query
from monitoring.thresholds import OBJECTIVE

DURATION = "bytespike_tasks_duration_seconds"
COMPLETED = '{status="completed"}'
PLACE = ("account", "group", "model")
PLACE_LEGEND = "{{group}}, {{model}}"
BUDGET = 1 - OBJECTIVE
MOST = 6
"""Bars of a ranking."""


def _top(expr: str) -> str:
    return f"sort_desc(topk({MOST}, {expr} > 0))"


RANKINGS = Row(
    "Which stand out, in the last hour?",
    [
        ranking(
            "Failing most",
            f"Share of failed tasks of those that completed or failed, the {MOST} highest. "
            f"The objective allows {BUDGET:.0%}.",
            Query(_top(f"1 - {success(NOW, *PLACE)}"), PLACE_LEGEND),
            unit="percentunit",
            decimals=1,
            thresholds=worse_above(BUDGET, 2 * BUDGET),
        ),
        ranking(
            "Slowest",
            f"What 90 % of the completed tasks took at most, the {MOST} highest.",
            Query(_top(quantile(0.9, DURATION, NOW, *PLACE, matchers=COMPLETED)), PLACE_LEGEND),
            unit="s",
            decimals=0,
        ),
        ranking(
            "Dearest",
            f"Credits billed, the {MOST} highest.",
            Query(_top(total(f"increase(bytespike_tasks_credits_used_total[{NOW}])", *PLACE)), PLACE_LEGEND),
            unit="short",
            decimals=2,
        ),
    ],
)


def _compared(label: str) -> Row:
    """The same panels for groups and for models."""
    legend = f"{{{{{label}}}}}"

    def query(expr: str) -> Query:
        # with a bound, for what is idle has a name in the legend otherwise and nothing to show
        return Query(named(expr, label), legend)

    return Row(
        f"By {label}",
        [
            lines(
                "Success",
                f"Completed / completed and failed over an hour. The dashed line is the objective, {OBJECTIVE:.0%}.",
                query(success(NOW, label)),
                empty="None completed or failed.",
                unit="percentunit",
                thresholds=line_at(OBJECTIVE),
                least=0.8,
                most=1,
            ),
            stack(
                "Open tasks",
                "Tasks that have not ended.",
                query(f"{total(f'bytespike_tasks{OPEN}', label)} > 0"),
                unit="short",
                empty="No task is open.",
            ),
            stack(
                "Ended a minute",
                "Tasks that ended, a minute, in whatever way.",
                query(f"60 * {total(f'rate(bytespike_tasks_finished_total[{RATE}])', label)} > 0"),
                unit="short",
                bars=True,
                step="1m",
                empty="None ended.",
            ),
            lines(
                "Duration, 90 %",
                "What 90 % of the completed tasks took at most.",
                query(f"{quantile(0.9, DURATION, RATE, label, matchers=COMPLETED)} >= 0"),
                empty="None completed.",
                unit="s",
                step="2m",
            ),
            lines(
                "Duration / ETA, half",
                "How the API's estimate held for half of the tasks; 1, the dashed line, is as estimated.",
                query(f"{quantile(0.5, 'bytespike_tasks_eta_ratio', RATE, label)} >= 0"),
                empty="None completed.",
                unit="none",
                thresholds=line_at(1, "text"),
                most=2,
                step="2m",
            ),
            lines(
                "Time in the queue, mean",
                "Mean seconds from submission to the first answer that showed the task running.",
                query(mean("bytespike_tasks_queue_duration_seconds", RATE, label)),
                empty="None began to run.",
                unit="s",
                step="2m",
            ),
        ],
    )


LATE = Row(
    "Which are late?",
    [
        lines(
            "Overdue tasks",
            "Open tasks older than overdue_factor (3 by default) times the API's estimate.",
            Query(f"{total('bytespike_tasks_overdue', 'group', 'model')} > 0", PLACE_LEGEND),
            unit="short",
            empty="None is overdue.",
            width=HALF,
        ),
        lines(
            "Oldest open task",
            "Age of each group's oldest task that is pending or running.",
            Query(
                "time() - min by (group) (bytespike_tasks_oldest_submit_timestamp_seconds)",
                "{{group}}",
            ),
            unit="s",
            width=HALF,
            empty="No task is open.",
        ),
    ],
)

OUTPUT = Row(
    "What do they produce?",
    [
        stack(
            "Outputs a minute",
            "Videos, images and other items in the output of completed tasks, a minute.",
            Query(f"60 * sum by (type) (rate(bytespike_tasks_outputs_total[{RATE}]))", "{{type}}"),
            unit="short",
            bars=True,
            step="1m",
        ),
        stack(
            "Seconds of video a minute",
            "Seconds of video in the output of completed tasks, a minute.",
            Query(
                named(f"60 * sum by (model) (rate(bytespike_tasks_output_video_seconds_total[{RATE}])) > 0", "model"),
                "{{model}}",
            ),
            unit="s",
            bars=True,
            step="1m",
            empty="No video was made.",
        ),
        ranking(
            "Credits a second of video",
            "Credits billed / seconds of video made, in the last hour.",
            Query(
                f"sort_desc(sum by (model) (increase(bytespike_tasks_credits_used_total[{NOW}]))"
                f" / (sum by (model) (increase(bytespike_tasks_output_video_seconds_total[{NOW}])) > 0))",
                "{{model}}",
            ),
            unit="none",
            decimals=3,
            thresholds=plain(),
        ),
    ],
)

BOARD = Board(
    uid="bytespike-group-model",
    title="ByteSpike / Group and model",
    description="Groups and models side by side: which fails, which is slow, which is dear.",
    rows=(RANKINGS, _compared("group"), _compared("model"), LATE, OUTPUT),
)

if __name__ == "__main__":
    sys.stdout.write(BOARD.json())
