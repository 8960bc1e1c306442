"""All tasks of one set of labels: ``bytespike_tasks…``."""

from exporter.metrics.family import Family, Scope, Type, each
from exporter.tasks.observation import TERMINAL, Status

OUTPUT_TYPES = ("video", "image", "audio")
"""The values of ``type`` that are told apart; whatever else there is becomes ``other``."""

TIMED = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)
"""The ends that have a duration: a task that is not found was never seen to end."""

GENERATION = (5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200, 1800, 3600, 7200)
ETA_RATIO = (0.25, 0.5, 0.75, 0.9, 1, 1.1, 1.25, 1.5, 2, 3, 5, 10)

AS_GIVEN = "as the API gives them; USD-sized in every published example"

FAMILIES: tuple[Family, ...] = (
    Family(
        "bytespike_tasks",
        type=Type.GAUGE,
        scope=Scope.TASKS,
        labels=("status",),
        unit="tasks",
        starts=each(Status),
        help="Followed tasks by last observed status, a finished one until its retention ends; from the API.",
    ),
    Family(
        "bytespike_tasks_finished_total",
        type=Type.COUNTER,
        scope=Scope.TASKS,
        labels=("status",),
        unit="tasks",
        starts=each(sorted(TERMINAL)),
        help="Tasks that reached a terminal status, each once, across restarts; from the ledger.",
    ),
    Family(
        "bytespike_tasks_failed_total",
        type=Type.COUNTER,
        scope=Scope.TASKS,
        labels=("error_code",),
        unit="tasks",
        starts=each(["content_policy_violation"]),
        help='Tasks that failed, by the API\'s error code, "other" beyond the bound; from the ledger.',
    ),
    Family(
        "bytespike_tasks_credits_used_total",
        type=Type.COUNTER,
        scope=Scope.TASKS,
        labels=("status",),
        unit="credits",
        starts=each(TIMED),
        help=f"Credits billed for tasks that ended, in every terminal status that carries them; {AS_GIVEN}.",
    ),
    Family(
        "bytespike_tasks_credits_estimated_total",
        type=Type.COUNTER,
        scope=Scope.TASKS,
        unit="credits",
        starts=((),),
        help=f"Last estimate, in credits, of the tasks that completed; {AS_GIVEN}.",
    ),
    Family(
        "bytespike_tasks_credits_used_with_estimate_total",
        type=Type.COUNTER,
        scope=Scope.TASKS,
        unit="credits",
        starts=((),),
        help=f"Credits billed for those completed tasks whose estimate was seen: what to hold against it; {AS_GIVEN}.",
    ),
    Family(
        "bytespike_tasks_outstanding_credits",
        type=Type.GAUGE,
        scope=Scope.TASKS,
        unit="credits",
        starts=((),),
        help=f"Estimates, in credits, of the tasks that are still pending or running; {AS_GIVEN}.",
    ),
    Family(
        "bytespike_tasks_duration_seconds",
        type=Type.HISTOGRAM,
        scope=Scope.TASKS,
        labels=("status",),
        unit="seconds",
        buckets=GENERATION,
        starts=each(TIMED),
        help="Seconds from submission to the terminal status, as observed by polling.",
    ),
    Family(
        "bytespike_tasks_queue_duration_seconds",
        type=Type.HISTOGRAM,
        scope=Scope.TASKS,
        unit="seconds",
        buckets=GENERATION,
        starts=((),),
        help="Seconds from submission to the first answer that showed the task running, as observed.",
    ),
    Family(
        "bytespike_tasks_eta_ratio",
        type=Type.HISTOGRAM,
        scope=Scope.TASKS,
        unit="ratio",
        buckets=ETA_RATIO,
        starts=((),),
        help="Observed duration of completed tasks / the API's estimated_seconds, as a ratio.",
    ),
    Family(
        "bytespike_tasks_overdue",
        type=Type.GAUGE,
        scope=Scope.TASKS,
        unit="tasks",
        starts=((),),
        help="Open tasks older than overdue_factor x their estimated_seconds; from the API's estimates.",
    ),
    Family(
        "bytespike_tasks_oldest_submit_timestamp_seconds",
        type=Type.GAUGE,
        scope=Scope.TASKS,
        labels=("status",),
        unit="seconds",
        help="Unix seconds of the oldest pending or running task's submission; from source, ULID or first sight.",
    ),
    Family(
        "bytespike_tasks_outputs_total",
        type=Type.COUNTER,
        scope=Scope.TASKS,
        labels=("type",),
        unit="outputs",
        starts=each(OUTPUT_TYPES),
        help='Items in the output of completed tasks, by type ("other" for types not known); from the ledger.',
    ),
    Family(
        "bytespike_tasks_output_video_seconds_total",
        type=Type.COUNTER,
        scope=Scope.TASKS,
        unit="seconds",
        starts=((),),
        help="Seconds of video in the output of completed tasks, as the API's duration_seconds gives them.",
    ),
)
