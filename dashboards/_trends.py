"""The overview's graphs: how tasks end, how long they take, what they cost, why they fail."""

from dashboards._board import Row
from dashboards._links import CREDITS as CREDITS_BOARD
from dashboards._links import EXPORTER, GROUP_AND_MODEL, TASKS, of_series, to
from dashboards._look import CODES, ENDS, IDLE, OPEN_STATES, REASONS, SPREAD, line_at
from dashboards._panels import FEW, HALF, lines, stack
from dashboards._promql import HOUR, OPEN, RATE, RECENT, known, named, spread, success
from dashboards._query import Query
from monitoring.thresholds import OBJECTIVE

OUTCOMES = Row(
    "How do tasks end?",
    [
        stack(
            "Open tasks",
            "Tasks that have not ended, by the last status observed: unobserved ones were not asked about yet, "
            "an unknown status was not understood.",
            Query(f"sum by (status) (bytespike_tasks{OPEN})", "{{status}}"),
            unit="short",
            colours=OPEN_STATES,
            links=[to(TASKS), to(GROUP_AND_MODEL)],
        ),
        stack(
            "Ended a minute",
            "Tasks that ended, a minute, by how they ended. Each is counted once, across restarts.",
            Query(f"60 * sum by (status) (rate(bytespike_tasks_finished_total[{RATE}]))", "{{status}}"),
            unit="short",
            colours=ENDS,
            bars=True,
            step="1m",
            links=[to(TASKS), to(GROUP_AND_MODEL)],
        ),
        lines(
            "Success",
            f"Completed / completed and failed tasks; the dashed line is the objective, {OBJECTIVE:.0%}. "
            "It ends while no account is answered.",
            Query(known(success(RECENT)), "5 min"),
            Query(known(success(HOUR)), "1 h"),
            unit="percentunit",
            thresholds=line_at(OBJECTIVE),
            empty="None completed or failed.",
            colours={"5 min": "blue", "1 h": IDLE},
            links=[to(GROUP_AND_MODEL), to(TASKS)],
            least=0.8,
            most=1,
        ),
    ],
)

LATENCY = Row(
    "How long do they take, against what was promised?",
    [
        lines(
            "Duration of completed tasks",
            "From submission to completion. The points are single tasks, with their task_id.",
            *spread("bytespike_tasks_duration_seconds", matchers='{status="completed"}', exemplars=True),
            empty="None completed.",
            unit="dthms",
            colours=SPREAD,
            step="2m",
            links=[to(TASKS), to(GROUP_AND_MODEL)],
        ),
        lines(
            "Time in the queue",
            "From submission to the first answer that showed the task running.",
            *spread("bytespike_tasks_queue_duration_seconds"),
            empty="None began to run.",
            unit="dthms",
            colours=SPREAD,
            step="2m",
            links=[to(TASKS), to(GROUP_AND_MODEL)],
        ),
        lines(
            "Duration / ETA",
            "How the API's estimate held: 1, the dashed line, is as estimated, 2 is twice as long.",
            *spread("bytespike_tasks_eta_ratio"),
            empty="None completed.",
            unit="none",
            thresholds=line_at(1, "text"),
            most=2,
            colours=SPREAD,
            step="2m",
            links=[to(TASKS), to(GROUP_AND_MODEL)],
        ),
    ],
)

CREDITS = Row(
    "What do they cost?",
    [
        stack(
            "Credits an hour",
            "Credits billed, at the rate of an hour, by model.",
            Query(
                named(f"3600 * sum by (model) (rate(bytespike_tasks_credits_used_total[{RATE}])) > 0", "model"),
                "{{name}}",
            ),
            unit="short",
            step="2m",
            links=[to(GROUP_AND_MODEL, of_series("model")), to(CREDITS_BOARD, of_series("model"))],
            empty="Nothing was billed.",
        ),
        lines(
            "Used / estimated",
            "Credits of completed tasks against their last estimates: above 100 %, the dashed line, they cost "
            "more; from one credit an hour on.",
            Query(
                "sum(increase(bytespike_tasks_credits_used_with_estimate_total[1h]))"
                " / (sum(increase(bytespike_tasks_credits_estimated_total[1h])) > 1)",
                "1 h",
            ),
            links=[to(CREDITS_BOARD)],
            unit="percentunit",
            empty="Nothing was billed.",
            thresholds=line_at(1, "text"),
            least=0.8,
            most=1.1,
        ),
        lines(
            "Credits left",
            "What is left of each key's quota and of the organisation's wallet, where the API tells.",
            Query("min by (account) (bytespike_api_quota_remaining_credits)", "{{account}}, key"),
            Query("min by (account) (bytespike_api_org_quota_remaining_credits)", "{{account}}, wallet"),
            unit="short",
            empty="The API tells no quota for these keys.",
            links=[to(CREDITS_BOARD, of_series("account"))],
        ),
    ],
)

ERRORS = Row(
    "Why do they fail?",
    [
        stack(
            "Failed tasks a minute, by error code",
            "Tasks that the API reports as failed, a minute. The points are single tasks, with their task_id.",
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
            links=[to(TASKS), to(GROUP_AND_MODEL)],
        ),
        stack(
            "Failed requests a minute, by reason",
            "Polls that got no valid answer, a minute: nothing is known then of how the tasks are.",
            Query(f"60 * sum by (reason) (rate(bytespike_api_request_failures_total[{RATE}])) > 0", "{{reason}}"),
            unit="short",
            colours=REASONS,
            bars=True,
            most=FEW,
            step="1m",
            empty="None failed.",
            width=HALF,
            links=[to(EXPORTER)],
        ),
    ],
)
