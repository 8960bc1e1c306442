"""What goes on inside the exporter: polling, ledger, sources, process."""

from dashboards._board import Row
from dashboards._look import BAD, SPREAD, UP_OR_DOWN, bad_below, line_at
from dashboards._panels import FEW, FULL, HALF, lines, stack
from dashboards._promql import RATE, of_exporters, spread, total
from dashboards._query import Query
from dashboards._tables import Column, table

POLLING = Row(
    "Is polling keeping up?",
    [
        lines(
            "Poll lag",
            "From the time a poll was due to the time it was sent.",
            *spread("bytespike_exporter_poll_lag_seconds"),
            empty="Nothing was polled.",
            unit="s",
            colours=SPREAD,
        ),
        lines(
            "Budget asked for, by account",
            "Request rate that the followed tasks ask for / the rate that may be sent. The dashed line is all of it.",
            Query("max by (account) (bytespike_exporter_request_budget_ratio)", "{{account}}"),
            unit="percentunit",
            thresholds=line_at(1),
            most=1,
        ),
        lines(
            "Due and in flight",
            "Tasks whose poll is due and not sent, and requests that are not answered yet.",
            Query("sum by (account) (bytespike_exporter_tasks_due)", "{{account}}, due"),
            Query("sum by (account) (bytespike_exporter_requests_in_flight)", "{{account}}, in flight"),
            unit="short",
        ),
        lines(
            "Observation gap",
            "From the last answer that showed a task open to the one that showed it ended: "
            "no duration is known more exactly than this.",
            *spread("bytespike_exporter_observation_gap_seconds"),
            empty="No task ended.",
            unit="s",
            colours=SPREAD,
            step="2m",
            width=HALF,
        ),
        lines(
            "Best mean interval",
            "The shortest mean interval at which all open tasks could be polled within the account's limits.",
            Query("max by (account) (bytespike_exporter_attainable_interval_seconds)", "{{account}}"),
            unit="s",
            width=HALF,
        ),
    ],
)

LEDGER = Row(
    "Does the ledger hold?",
    [
        lines(
            "Time of a commit",
            "How long one commit to the ledger takes.",
            *spread("bytespike_exporter_ledger_commit_duration_seconds"),
            empty="Nothing was committed.",
            unit="s",
            colours=SPREAD,
        ),
        lines(
            "Waiting for the ledger",
            "Records that wait to be committed, and attempts that failed, a minute.",
            Query("sum(bytespike_exporter_ledger_pending)", "waiting"),
            Query(f"60 * sum(rate(bytespike_exporter_ledger_failures_total[{RATE}]))", "failed a minute"),
            unit="short",
            colours={"waiting": "blue", "failed a minute": BAD},
        ),
        lines(
            "Last commit",
            "How long ago the ledger last took something. It grows while nothing happens, too.",
            Query(
                "time() - min by (instance) (bytespike_exporter_ledger_last_commit_timestamp_seconds)", "{{instance}}"
            ),
            unit="s",
            empty="Nothing was committed since the start.",
        ),
    ],
)

SOURCES = Row(
    "Are tasks found, and do the limits hold?",
    [
        stack(
            "Failed refreshes a minute",
            "Refreshes of task sources that failed: files, HTTP or the like. What they had told before stays.",
            Query(
                f"60 * sum by (group, mechanism) (rate(bytespike_exporter_sd_refresh_failures_total[{RATE}])) > 0",
                "{{group}}, {{mechanism}}",
            ),
            unit="short",
            bars=True,
            most=FEW,
            step="1m",
            empty="None failed.",
        ),
        lines(
            "Last good refresh",
            "How long ago each source of tasks was last read.",
            Query(
                "time() - max by (group, mechanism) (bytespike_exporter_sd_last_refresh_timestamp_seconds)",
                "{{group}}, {{mechanism}}",
            ),
            unit="s",
            empty="No group has a source that is refreshed.",
        ),
        lines(
            "At the limits",
            "Tasks without series of their own, labels that became other (a minute, by limit), and tasks named twice.",
            Query("sum(bytespike_exporter_task_series_dropped)", "without series"),
            Query(f"60 * sum by (limit) (rate(bytespike_exporter_label_values_overflowed_total[{RATE}]))", "{{limit}}"),
            Query("sum(bytespike_exporter_duplicate_tasks)", "named twice"),
            unit="short",
        ),
    ],
)

PROCESS = Row(
    "What does it take?",
    [
        lines(
            "CPU",
            "Share of one core.",
            Query(of_exporters(f"rate(process_cpu_seconds_total[{RATE}])"), "{{instance}}"),
            unit="percentunit",
        ),
        lines(
            "Memory",
            "Resident memory.",
            Query(of_exporters("process_resident_memory_bytes"), "{{instance}}"),
            unit="bytes",
        ),
        lines(
            "Open files",
            "Open file descriptors / the most that are allowed.",
            Query(of_exporters("process_open_fds / process_max_fds"), "{{instance}}"),
            unit="percentunit",
            most=0.1,
        ),
        table(
            "Exporters",
            "What runs where.",
            Column(
                "State",
                f"min by (job, instance) ({of_exporters('up')})",
                thresholds=bad_below(1),
                mappings=[UP_OR_DOWN],
            ),
            Column(
                "Running for",
                f"time() - {total(of_exporters('process_start_time_seconds'), 'job', 'instance')}",
                "s",
                decimals=0,
            ),
            Column("", "max by (job, instance, version, revision, python_version) (bytespike_exporter_build_info)"),
            Column("Scrape takes", total(of_exporters("scrape_duration_seconds"), "job", "instance"), "s", decimals=3),
            Column("Series", total(of_exporters("scrape_samples_scraped"), "job", "instance")),
            labels={
                "job": "Job",
                "instance": "Instance",
                "version": "Version",
                "revision": "Revision",
                "python_version": "Python",
            },
            sort_by="Instance",
            descending=False,
            width=FULL,
            height=5,
        ),
    ],
)
