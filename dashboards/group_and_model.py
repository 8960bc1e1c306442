"""Group and model: the outcomes, latency and costs of the overview, compared side by side."""

import sys

from dashboards._board import Board, Row
from dashboards._links import CREDITS, GROUP_AND_MODEL, TASKS, of_series, to
from dashboards._look import line_at, plain, worse_above
from dashboards._panels import HALF, lines, ranking, stack
from dashboards._promql import HOUR, OPEN, RATE, RECENT, known, mean, named, quantile, success, total
from dashboards._query import Query
from monitoring.thresholds import OBJECTIVE

DURATION = "bytespike_tasks_duration_seconds"
COMPLETED = '{status="completed"}'
PLACE = ("account", "group", "model")
PLACE_LEGEND = "{{group}}, {{model}}"
OF_PLACE = [to(TASKS, of_series(*PLACE)), to(GROUP_AND_MODEL, of_series(*PLACE))]
BUDGET = 1 - OBJECTIVE
MOST = 6
"""Bars of a ranking."""


def _top(expr: str) -> str:
    return f"sort_desc(topk({MOST}, {expr} > 0))"


RANKINGS = Row(
    "Which stand out, in the last hour?",
    [
        ranking(
            "Highest failure ratio",
            f"Failed tasks / completed and failed ones, the {MOST} highest. The objective allows {BUDGET:.0%}.",
            Query(_top(f"1 - {success(HOUR, *PLACE)}"), PLACE_LEGEND),
            unit="percentunit",
            empty="none failed",
            links=OF_PLACE,
            decimals=1,
            thresholds=worse_above(BUDGET, 2 * BUDGET),
        ),
        ranking(
            "Longest duration, p90",
            f"The 90th percentile of the completed tasks' durations, the {MOST} highest.",
            Query(_top(quantile(0.9, DURATION, HOUR, *PLACE, matchers=COMPLETED)), PLACE_LEGEND),
            unit="dthms",
            empty="none completed",
            links=OF_PLACE,
            decimals=0,
        ),
        ranking(
            "Highest cost",
            f"Credits billed, the {MOST} highest.",
            Query(_top(total(f"increase(bytespike_tasks_credits_used_total[{HOUR}])", *PLACE)), PLACE_LEGEND),
            unit="short",
            empty="nothing was billed",
            links=[to(CREDITS, of_series(*PLACE)), *OF_PLACE],
            decimals=2,
        ),
    ],
)


def _compared(label: str) -> Row:
    """The same panels for groups and for models."""
    links = [to(TASKS, of_series(label)), to(GROUP_AND_MODEL, of_series(label))]

    def query(expr: str) -> Query:
        # with a bound, for what is idle has a name in the legend otherwise and nothing to show
        return Query(named(expr, label), "{{name}}")

    return Row(
        f"By {label}",
        [
            lines(
                "Success, 5 min",
                f"Completed / completed and failed in five minutes. The dashed line is the objective, {OBJECTIVE:.0%}.",
                query(known(success(RECENT, label))),
                empty="None completed or failed.",
                links=links,
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
                links=links,
            ),
            stack(
                "Ended a minute",
                "Tasks that ended, a minute, in whatever way.",
                query(f"60 * {total(f'rate(bytespike_tasks_finished_total[{RATE}])', label)} > 0"),
                unit="short",
                bars=True,
                step="1m",
                empty="None ended.",
                links=links,
            ),
            lines(
                "Duration p90",
                "The 90th percentile of the completed tasks' durations.",
                query(f"{quantile(0.9, DURATION, RATE, label, matchers=COMPLETED)} >= 0"),
                empty="None completed.",
                unit="dthms",
                step="2m",
                links=links,
            ),
            lines(
                "Duration / ETA p50",
                "How the API's estimate held, by the median; 1, the dashed line, is as estimated.",
                query(f"{quantile(0.5, 'bytespike_tasks_eta_ratio', RATE, label)} >= 0"),
                empty="None completed.",
                unit="none",
                thresholds=line_at(1, "text"),
                most=2,
                step="2m",
                links=links,
            ),
            lines(
                "Time in the queue, mean",
                "Mean time from submission to the first answer that showed the task running.",
                query(mean("bytespike_tasks_queue_duration_seconds", RATE, label)),
                empty="None began to run.",
                unit="dthms",
                step="2m",
                links=links,
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
            links=[to(TASKS, of_series("group", "model"))],
            width=HALF,
        ),
        ranking(
            "Oldest open task",
            f"Age of the oldest task that is pending or running, now, the {MOST} highest.",
            Query(
                _top("time() - min by (account, group, model) (bytespike_tasks_oldest_submit_timestamp_seconds)"),
                PLACE_LEGEND,
            ),
            unit="dthms",
            empty="none was seen open",
            width=HALF,
            links=OF_PLACE,
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
            empty="Nothing was made.",
            links=[to(TASKS)],
        ),
        stack(
            "Seconds of video a minute",
            "Seconds of video in the output of completed tasks, a minute.",
            Query(
                named(f"60 * sum by (model) (rate(bytespike_tasks_output_video_seconds_total[{RATE}])) > 0", "model"),
                "{{name}}",
            ),
            unit="suffix:s",
            bars=True,
            step="1m",
            links=[to(TASKS, of_series("model")), to(CREDITS, of_series("model"))],
            empty="No video was made.",
        ),
        ranking(
            "Credits a second of video",
            "Credits billed / seconds of video made, in the last hour.",
            Query(
                f"sort_desc(sum by (model) (increase(bytespike_tasks_credits_used_total[{HOUR}]))"
                f" / (sum by (model) (increase(bytespike_tasks_output_video_seconds_total[{HOUR}])) > 0))",
                "{{model}}",
            ),
            unit="none",
            empty="no video was made",
            links=[to(CREDITS, of_series("model")), to(TASKS, of_series("model"))],
            decimals=3,
            thresholds=plain(),
        ),
    ],
)

BOARD = Board(
    uid=GROUP_AND_MODEL,
    title="ByteSpike / Group and model",
    description="Groups and models side by side: which fails, which is slow, which costs most.",
    rows=(RANKINGS, _compared("group"), _compared("model"), LATE, OUTPUT),
)

if __name__ == "__main__":
    sys.stdout.write(BOARD.json())
