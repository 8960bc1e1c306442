"""Who comes to the exporter itself, and what passes through its sidecar."""

from dashboards._board import Row
from dashboards._links import EXPORTER, OVERVIEW, RUNBOOK_INDEX, TASKS, of_series, to
from dashboards._look import SPREAD
from dashboards._panels import FEW, HALF, lines, stack
from dashboards._promql import RATE, spread
from dashboards._query import Query

OF_INSTANCE = [to(EXPORTER, of_series("job", "instance"))]

WEB = Row(
    "Who comes to the exporter?",
    [
        lines(
            "Connections",
            "Connections to each exporter's web server, and how many there may be before idle ones make room.",
            Query("sum by (job, instance) (bytespike_exporter_http_connections)", "{{instance}}"),
            Query("sum by (job, instance) (bytespike_exporter_http_connections_limit)", "{{instance}}, limit"),
            unit="short",
            width=HALF,
            links=OF_INSTANCE,
        ),
        stack(
            "Connections closed a minute, by reason",
            "Connections that the exporter closed on their other end: too slow, not HTTP, or one too many.",
            Query(
                f"60 * sum by (reason) (rate(bytespike_exporter_http_connections_closed_total[{RATE}])) > 0",
                "{{reason}}",
            ),
            unit="short",
            bars=True,
            most=FEW,
            step="1m",
            empty="None was closed.",
            width=HALF,
            links=[RUNBOOK_INDEX],
        ),
        stack(
            "Wrong credentials a minute",
            "Requests with a wrong token, callback secret or password. Repeated ones are answered later and later.",
            Query(f"60 * sum by (kind) (rate(bytespike_exporter_credentials_refused_total[{RATE}])) > 0", "{{kind}}"),
            unit="short",
            bars=True,
            most=FEW,
            step="1m",
            empty="None was wrong.",
            links=[RUNBOOK_INDEX],
        ),
        stack(
            "Steps of the clock",
            "How often each exporter's wall clock was set to another time within an hour. "
            "What was open then is in no histogram of durations.",
            Query("sum by (job, instance) (increase(bytespike_exporter_clock_steps_total[1h])) > 0", "{{instance}}"),
            unit="short",
            bars=True,
            most=FEW,
            step="1h",
            empty="It has not stepped.",
            links=OF_INSTANCE,
        ),
        stack(
            "Lines of the log dropped a minute",
            "Lines that each exporter could not write, for whoever reads its log is too slow or has stopped.",
            Query(
                f"60 * sum by (job, instance) (rate(bytespike_exporter_log_lines_dropped_total[{RATE}])) > 0",
                "{{instance}}",
            ),
            unit="short",
            bars=True,
            most=FEW,
            step="1m",
            empty="None was dropped.",
            links=OF_INSTANCE,
        ),
    ],
)

SIDECAR = Row(
    "What passes through the sidecar?",
    [
        stack(
            "Submissions a minute, by status",
            "Submissions of applications that passed, by the HTTP status of the answer; none: there was no answer.",
            Query(
                f'60 * sum by (code) (rate(bytespike_proxy_requests_total{{endpoint="submit"}}[{RATE}])) > 0',
                "{{code}}",
            ),
            unit="short",
            bars=True,
            most=FEW,
            step="1m",
            empty="Nothing was submitted.",
            width=HALF,
            links=[to(TASKS)],
        ),
        stack(
            "Refused submissions a minute, by code",
            "Submissions that the API refused, by its own error code or else by what it comes to.",
            Query(
                f"60 * sum by (error_code) (rate(bytespike_proxy_submissions_failed_total[{RATE}])) > 0",
                "{{error_code}}",
            ),
            unit="short",
            bars=True,
            most=FEW,
            step="1m",
            empty="None was refused.",
            width=HALF,
            links=[to(OVERVIEW)],
        ),
        lines(
            "Duration of what passes",
            "From the head of a request to the end of its answer, as the application waits for it.",
            *spread("bytespike_proxy_request_duration_seconds"),
            empty="Nothing passed.",
            unit="s",
            colours=SPREAD,
            width=HALF,
            links=[to(OVERVIEW)],
        ),
        stack(
            "Unanswered by the upstream a minute, by reason",
            "Requests that the upstream did not answer, or not to the end. The application got an answer of the "
            "sidecar's own, or one that broke off.",
            Query(
                f"60 * sum by (reason) (rate(bytespike_proxy_upstream_failures_total[{RATE}])) > 0",
                "{{reason}}",
            ),
            unit="short",
            bars=True,
            most=FEW,
            step="1m",
            empty="All were answered.",
            width=HALF,
            links=[to(OVERVIEW)],
        ),
        lines(
            "Time to first poll",
            "From the answer to a submission to the first answer on its task, in the mean, by who asked: the "
            "application itself or the exporter.",
            Query(
                f"sum by (by) (rate(bytespike_proxy_time_to_first_poll_seconds_sum[{RATE}]))"
                f" / (sum by (by) (rate(bytespike_proxy_time_to_first_poll_seconds_count[{RATE}])) > 0)",
                "{{by}}",
            ),
            empty="Nothing was submitted.",
            unit="s",
            width=HALF,
            links=[to(TASKS)],
        ),
        lines(
            "Passing, learnt, not understood",
            "Requests that are passing now; tasks that came to be followed since they passed, exchanges with the tasks "
            "API that taught nothing, and clients that were not taken, a minute.",
            Query("sum(bytespike_proxy_requests_in_flight)", "passing now"),
            Query(f"60 * sum(rate(bytespike_proxy_tasks_learnt_total[{RATE}]))", "learnt a minute"),
            Query(f"60 * sum(rate(bytespike_proxy_not_understood_total[{RATE}]))", "not understood a minute"),
            Query(
                f"60 * sum by (reason) (rate(bytespike_proxy_clients_refused_total[{RATE}])) > 0",
                "not taken a minute: {{reason}}",
            ),
            empty="There is no sidecar.",
            unit="short",
            width=HALF,
            links=[to(TASKS)],
        ),
    ],
)
