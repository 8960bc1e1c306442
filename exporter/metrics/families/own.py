"""The exporter itself: ``bytespike_exporter_…``."""

from exporter.metrics.family import Family, Scope, Stability, Type

LAG = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
GAP = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800)
COMMIT = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

FAMILIES: tuple[Family, ...] = (
    Family(
        "bytespike_exporter_poll_lag_seconds",
        type=Type.HISTOGRAM,
        scope=Scope.ACCOUNT,
        unit="seconds",
        buckets=LAG,
        starts=((),),
        help="Seconds from the time a poll was due to the time it was sent; measured by the exporter.",
    ),
    Family(
        "bytespike_exporter_observation_gap_seconds",
        type=Type.HISTOGRAM,
        scope=Scope.ACCOUNT,
        unit="seconds",
        buckets=GAP,
        starts=((),),
        help="Seconds from the last open to the terminal observation: the error bound of durations; as measured.",
    ),
    Family(
        "bytespike_exporter_tasks_due",
        type=Type.GAUGE,
        scope=Scope.ACCOUNT,
        unit="tasks",
        help="Tasks whose next poll is due and not yet sent; from the exporter's schedule.",
    ),
    Family(
        "bytespike_exporter_requests_in_flight",
        type=Type.GAUGE,
        scope=Scope.ACCOUNT,
        unit="requests",
        help="Requests sent to the API that are not answered yet, open streams among them; from the exporter.",
    ),
    Family(
        "bytespike_exporter_request_budget_ratio",
        type=Type.GAUGE,
        scope=Scope.ACCOUNT,
        unit="ratio",
        stability=Stability.EXPERIMENTAL,
        help="Request rate the followed tasks ask for / the rate that may be sent, as a ratio; from the schedule.",
    ),
    Family(
        "bytespike_exporter_attainable_interval_seconds",
        type=Type.GAUGE,
        scope=Scope.ACCOUNT,
        unit="seconds",
        stability=Stability.EXPERIMENTAL,
        help="Best mean interval in seconds at which all open tasks could be polled; from the account's limits.",
    ),
    Family(
        "bytespike_exporter_ledger_commit_duration_seconds",
        type=Type.HISTOGRAM,
        scope=Scope.EXPORTER,
        unit="seconds",
        buckets=COMMIT,
        starts=((),),
        help="Seconds that one commit to the ledger took; measured by the exporter.",
    ),
    Family(
        "bytespike_exporter_ledger_pending",
        type=Type.GAUGE,
        scope=Scope.EXPORTER,
        help="Records that wait to be committed to the ledger; from the exporter's queue.",
    ),
    Family(
        "bytespike_exporter_ledger_failures_total",
        type=Type.COUNTER,
        scope=Scope.EXPORTER,
        starts=((),),
        help="Attempts to commit to the ledger that failed; counted by the exporter.",
    ),
    Family(
        "bytespike_exporter_ledger_last_commit_timestamp_seconds",
        type=Type.GAUGE,
        scope=Scope.EXPORTER,
        unit="seconds",
        help="Unix seconds of the ledger's last good commit, absent before it; by the exporter's clock.",
    ),
    Family(
        "bytespike_exporter_sd_refresh_failures_total",
        type=Type.COUNTER,
        scope=Scope.SOURCE,
        starts=((),),
        help="Refreshes of a task source that failed, by group and mechanism; counted by the exporter.",
    ),
    Family(
        "bytespike_exporter_sd_last_refresh_timestamp_seconds",
        type=Type.GAUGE,
        scope=Scope.SOURCE,
        unit="seconds",
        help="Unix seconds of a task source's last good refresh, absent before it; by the exporter's clock.",
    ),
    Family(
        "bytespike_exporter_task_series_dropped",
        type=Type.GAUGE,
        scope=Scope.EXPORTER,
        unit="tasks",
        help="Followed tasks without series of their own, for task_series.limit is reached; from the exporter.",
    ),
    Family(
        "bytespike_exporter_label_values_overflowed_total",
        type=Type.COUNTER,
        scope=Scope.EXPORTER,
        starts=((),),
        help='Label values replaced by "other", for label_values.limit is reached; counted by the exporter.',
    ),
    Family(
        "bytespike_exporter_duplicate_tasks",
        type=Type.GAUGE,
        scope=Scope.EXPORTER,
        unit="tasks",
        help="Followed tasks that are named more than once, by two sources or under both ids; from the exporter.",
    ),
    Family(
        "bytespike_exporter_config_last_reload_successful",
        type=Type.GAUGE,
        scope=Scope.EXPORTER,
        help="1 when the last attempt to load the configuration succeeded, else 0; from the exporter.",
    ),
    Family(
        "bytespike_exporter_config_last_reload_success_timestamp_seconds",
        type=Type.GAUGE,
        scope=Scope.EXPORTER,
        unit="seconds",
        help="Unix seconds of the last good load of the configuration; by the exporter's clock.",
    ),
    Family(
        "bytespike_exporter_build_info",
        type=Type.INFO,
        scope=Scope.EXPORTER,
        labels=("version", "revision", "python_version"),
        help="Always 1: the exporter's version and revision and the Python that runs it; from the build.",
    ),
)
