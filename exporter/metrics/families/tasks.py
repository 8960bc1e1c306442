"""All tasks of one set of labels: ``bytespike_tasks…``."""

from exporter.metrics.family import Counter, Gauge, Histogram, Scope, each
from exporter.tasks.observation import TERMINAL, Status

OUTPUT_TYPES = ("video", "image", "audio")
"""The values of ``type`` that are told apart; whatever else there is becomes ``other``."""

TIMED = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)
"""The ends that have a duration: a task that is not found was never seen to end."""

GENERATION_BUCKETS = (5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200, 1800, 3600, 7200)
ETA_RATIO_BUCKETS = (0.25, 0.5, 0.75, 0.9, 1, 1.1, 1.25, 1.5, 2, 3, 5, 10)

AS_GIVEN = "as the API gives them; USD-sized in every published example"

BY_STATUS = Gauge(
    "bytespike_tasks",
    scope=Scope.TASKS,
    labels=("status",),
    unit="tasks",
    starts=each(Status),
    help="Followed tasks by last observed status, a finished one until its retention ends; from the API.",
)

FOLLOWED = Counter(
    "bytespike_tasks_followed_total",
    scope=Scope.TASKS,
    unit="tasks",
    starts=((),),
    help="Tasks that came to be followed, each once, from the first answer that told of it; from the ledger.",
)

FINISHED = Counter(
    "bytespike_tasks_finished_total",
    scope=Scope.TASKS,
    labels=("status",),
    unit="tasks",
    starts=each(sorted(TERMINAL)),
    help="Tasks that reached a terminal status, each once, across restarts; from the ledger.",
)

FAILED = Counter(
    "bytespike_tasks_failed_total",
    scope=Scope.TASKS,
    labels=("error_code",),
    unit="tasks",
    starts=each(["content_policy_violation"]),
    is_announced=True,
    help='Tasks that failed, by the API\'s error code, "other" beyond the bound; from the ledger.',
)

CREDITS_USED = Counter(
    "bytespike_tasks_credits_used_total",
    scope=Scope.TASKS,
    labels=("status",),
    unit="credits",
    starts=each(TIMED),
    later=each([Status.NOT_FOUND]),
    help=f"Credits billed for tasks that ended, in every terminal status that carries them; {AS_GIVEN}.",
)

CREDITS_ESTIMATED = Counter(
    "bytespike_tasks_credits_estimated_total",
    scope=Scope.TASKS,
    unit="credits",
    starts=((),),
    help=f"Last estimate, in credits, of the tasks that completed; {AS_GIVEN}.",
)

CREDITS_USED_WITH_ESTIMATE = Counter(
    "bytespike_tasks_credits_used_with_estimate_total",
    scope=Scope.TASKS,
    unit="credits",
    starts=((),),
    help=f"Credits billed for those completed tasks whose estimate was seen: what to hold against it; {AS_GIVEN}.",
)

OUTSTANDING_CREDITS = Gauge(
    "bytespike_tasks_outstanding_credits",
    scope=Scope.TASKS,
    unit="credits",
    starts=((),),
    help=f"Estimates, in credits, of the tasks that are still pending or running; {AS_GIVEN}.",
)

DURATION = Histogram(
    "bytespike_tasks_duration_seconds",
    scope=Scope.TASKS,
    labels=("status",),
    unit="seconds",
    buckets=GENERATION_BUCKETS,
    starts=each(TIMED),
    help="Seconds from submission to the terminal status, as observed by polling.",
)

QUEUE_DURATION = Histogram(
    "bytespike_tasks_queue_duration_seconds",
    scope=Scope.TASKS,
    unit="seconds",
    buckets=GENERATION_BUCKETS,
    starts=((),),
    help="Seconds from submission to the first answer that showed the task running, as observed.",
)

ETA_RATIO = Histogram(
    "bytespike_tasks_eta_ratio",
    scope=Scope.TASKS,
    unit="ratio",
    buckets=ETA_RATIO_BUCKETS,
    starts=((),),
    help="Observed duration of completed tasks / the API's estimated_seconds, as a ratio.",
)

OVERDUE = Gauge(
    "bytespike_tasks_overdue",
    scope=Scope.TASKS,
    unit="tasks",
    starts=((),),
    help="Open tasks older than overdue_factor x their estimated_seconds; from the API's estimates.",
)

OLDEST_SUBMIT = Gauge(
    "bytespike_tasks_oldest_submit_timestamp_seconds",
    scope=Scope.TASKS,
    labels=("status",),
    unit="seconds",
    later=each([Status.PENDING, Status.RUNNING]),
    help="Unix seconds of the oldest pending or running task's submission; from source, ULID or first sight.",
)

OUTPUTS = Counter(
    "bytespike_tasks_outputs_total",
    scope=Scope.TASKS,
    labels=("type",),
    unit="outputs",
    starts=each(OUTPUT_TYPES),
    later=each(["other"]),
    help='Items in the output of completed tasks, by type ("other" for types not known); from the ledger.',
)

OUTPUT_VIDEO_SECONDS = Counter(
    "bytespike_tasks_output_video_seconds_total",
    scope=Scope.TASKS,
    unit="seconds",
    starts=((),),
    help="Seconds of video in the output of completed tasks, as the API's duration_seconds gives them.",
)
