"""What goes on inside the exporter: polling, ledger, sources, process."""

from collections.abc import Sequence

from grafana_foundation_sdk.builders import stat as stat_builder

from dashboards._board import Row
from dashboards._links import EXPORTER, GROUP_AND_MODEL, OVERVIEW, RUNBOOK_INDEX, TASKS, Link, of_row, of_series, to
from dashboards._look import BAD, SPREAD, UP_OR_DOWN, bad_above, bad_below, line_at, worse_above
from dashboards._panels import FEW, FULL, THIRD, lines, stack, stat
from dashboards._promql import ANSWERED, HOUR, RATE, longest_due, of_exporters, spread, total
from dashboards._query import Query
from dashboards._tables import Column, table
from dashboards._thresholds import WAITING

OF_ACCOUNT = [to(OVERVIEW, of_series("account")), to(EXPORTER, of_series("account"))]
OF_INSTANCE = [to(EXPORTER, of_series("job", "instance"))]


def longest_due_stat(title: str, *, width: int, links: Sequence[Link]) -> stat_builder.Panel:
    """How long a poll waits at most, for the first row of a dashboard."""
    return stat(
        title,
        "How long the poll that is due the longest has been waiting to be sent. It grows while the API does not "
        "answer, and where more tasks are followed than the limits let through.",
        longest_due(),
        unit="s",
        decimals=0,
        thresholds=worse_above(*WAITING),
        width=width,
        links=links,
    )


POLLING = Row(
    "Is polling keeping up?",
    [
        lines(
            "Poll lag",
            "From the time a poll was due to the time it was sent.",
            *spread("bytespike_exporter_poll_lag_seconds"),
            empty="Nothing was polled.",
            unit="suffix:s",
            colours=SPREAD,
            links=[to(TASKS)],
        ),
        lines(
            "Longest-due poll",
            "How long each account's longest-due poll has been waiting to be sent. While the API does not answer it "
            "climbs, though the polls that are sent are hardly late.",
            Query(longest_due("account"), "{{account}}"),
            unit="dthms",
            links=OF_ACCOUNT,
        ),
        lines(
            "Polls asked / allowed",
            "Polls that the followed tasks ask for / those that the account's limits allow. Above 100 %, the dashed "
            "line, tasks are polled less often than their ETAs ask for; nothing is lost. "
            "Not known while an account is not answered.",
            Query(f"max by (account) (bytespike_exporter_request_budget_ratio and {ANSWERED})", "{{account}}"),
            unit="percentunit",
            links=OF_ACCOUNT,
            thresholds=line_at(1),
            most=1,
        ),
        lines(
            "Due and in flight",
            "Tasks whose poll is due and not sent, and requests that are not answered yet.",
            Query("sum by (account) (bytespike_exporter_tasks_due)", "{{account}}, due"),
            Query("sum by (account) (bytespike_exporter_requests_in_flight)", "{{account}}, in flight"),
            unit="short",
            links=OF_ACCOUNT,
        ),
        lines(
            "Observation gap",
            "From the last answer that showed a task open to the one that showed it ended: "
            "no duration is known more exactly than this.",
            *spread("bytespike_exporter_observation_gap_seconds"),
            empty="No task ended.",
            unit="suffix:s",
            links=[to(TASKS)],
            colours=SPREAD,
            step="2m",
        ),
        lines(
            "Best mean interval",
            "The shortest mean interval at which all open tasks could be polled within the account's limits.",
            Query("max by (account) (bytespike_exporter_attainable_interval_seconds)", "{{account}}"),
            unit="suffix:s",
            links=OF_ACCOUNT,
        ),
    ],
)

REPLICAS = Row(
    "Who owns what?",
    [
        table(
            "Owners",
            "Which exporter asks about each account. Of replicas that share a ledger one does, the others do not.",
            Column("Owners", "sum by (job, account) (bytespike_exporter_account_owned)", thresholds=bad_above(2)),
            Column("", "max by (job, instance, account) (bytespike_exporter_account_owned) == 1"),
            labels={"account": "Account", "instance": "Exporter", "job": "Job"},
            sort_by="Account",
            descending=False,
            empty="Nobody owns any account.",
            width=THIRD,
            links=[to(EXPORTER, of_row(account="Account"))],
        ),
        lines(
            "Accounts owned",
            "How many accounts each exporter asks about. Replicas have about as many each, an exporter alone has all.",
            Query("sum by (job, instance) (bytespike_exporter_account_owned)", "{{instance}}"),
            unit="short",
            links=OF_INSTANCE,
        ),
        table(
            "Configurations",
            "The configuration that is in force on each exporter, by its hash: replicas have the same one.",
            Column("", "max by (job, instance, sha256) (bytespike_exporter_config_info)"),
            labels={"instance": "Exporter", "sha256": "Configuration", "job": "Job"},
            sort_by="Exporter",
            descending=False,
            empty="No exporter is scraped.",
            width=THIRD,
            links=[to(EXPORTER, of_row(instance="Exporter"))],
        ),
    ],
)

LEDGER = Row(
    "Does the ledger hold?",
    [
        lines(
            "Commit duration",
            "How long one commit to the ledger takes.",
            *spread("bytespike_exporter_ledger_commit_duration_seconds"),
            empty="Nothing was committed.",
            unit="s",
            colours=SPREAD,
            links=[RUNBOOK_INDEX],
        ),
        lines(
            "Waiting for the ledger",
            "Records that wait to be committed, and attempts that failed, a minute.",
            Query("sum(bytespike_exporter_ledger_pending)", "waiting"),
            Query(f"60 * sum(rate(bytespike_exporter_ledger_failures_total[{RATE}]))", "failed a minute"),
            unit="short",
            colours={"waiting": "blue", "failed a minute": BAD},
            links=[RUNBOOK_INDEX],
        ),
        lines(
            "Commits a second",
            "Commits to each exporter's ledger. It is still while nothing happens.",
            Query(
                f"sum by (job, instance) (rate(bytespike_exporter_ledger_commit_duration_seconds_count[{RATE}]))",
                "{{instance}}",
            ),
            unit="short",
            links=OF_INSTANCE,
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
            links=[to(GROUP_AND_MODEL, of_series("group")), to(TASKS, of_series("group"))],
            bars=True,
            most=FEW,
            step="1m",
            empty="None failed.",
        ),
        table(
            "Sources of tasks",
            "Each source that is refreshed: how long ago it was last read, and how often that failed in an hour.",
            Column(
                "Last read",
                "time() - max by (group, mechanism) (bytespike_exporter_sd_last_refresh_timestamp_seconds)",
                "s",
                decimals=0,
            ),
            Column(
                "Failed, 1 h",
                f"sum by (group, mechanism) (increase(bytespike_exporter_sd_refresh_failures_total[{HOUR}]))",
                decimals=0,
                thresholds=bad_above(1),
            ),
            labels={"group": "Group", "mechanism": "Kind"},
            sort_by="Failed, 1 h",
            empty="No group has a source that is refreshed.",
            width=THIRD,
            links=[to(GROUP_AND_MODEL, of_row(group="Group")), to(TASKS, of_row(group="Group"))],
        ),
        lines(
            "At the limits",
            "Tasks beyond the limit of series, labels that became other (a minute, by limit), and duplicate tasks.",
            Query("sum(bytespike_exporter_task_series_dropped)", "series dropped"),
            Query(f"60 * sum by (limit) (rate(bytespike_exporter_label_values_overflowed_total[{RATE}]))", "{{limit}}"),
            Query("sum(bytespike_exporter_duplicate_tasks)", "duplicate tasks"),
            unit="short",
            links=[to(TASKS), RUNBOOK_INDEX],
        ),
    ],
)

PROCESS = Row(
    "What runs where?",
    [
        lines(
            "CPU",
            "Share of one core.",
            Query(of_exporters(f"rate(process_cpu_seconds_total[{RATE}])"), "{{instance}}"),
            links=OF_INSTANCE,
            unit="percentunit",
        ),
        lines(
            "Memory",
            "Resident memory.",
            Query(of_exporters("process_resident_memory_bytes"), "{{instance}}"),
            links=OF_INSTANCE,
            unit="bytes",
        ),
        lines(
            "Open files",
            "Open file descriptors / the most that are allowed.",
            Query(of_exporters("process_open_fds / process_max_fds"), "{{instance}}"),
            links=OF_INSTANCE,
            unit="percentunit",
            most=0.1,
        ),
        table(
            "Exporters",
            "What runs where, how long ago it last wrote something down, and what its scrapes take.",
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
            Column(
                "Last commit",
                "time() - max by (job, instance) (bytespike_exporter_ledger_last_commit_timestamp_seconds)",
                "s",
                decimals=0,
            ),
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
            links=[to(EXPORTER, of_row(job="Job", instance="Instance"))],
            descending=False,
            width=FULL,
            height=5,
        ),
    ],
)
