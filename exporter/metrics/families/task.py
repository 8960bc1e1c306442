"""One task: ``bytespike_task_…``."""

from exporter.metrics.families.tasks import AS_GIVEN
from exporter.metrics.family import Gauge, Info, Scope, StateSet, each
from exporter.tasks.observation import Status

STATUS = StateSet(
    "bytespike_task_status",
    scope=Scope.TASK,
    labels=("status",),
    later=each(Status),
    help="State set of one task: 1 for its last observed status, 0 for the others; from the API's answers.",
)

ELAPSED = Gauge(
    "bytespike_task_elapsed_seconds",
    scope=Scope.TASK,
    unit="seconds",
    help="Seconds since submission while the task is open, then its observed duration; absent where not known.",
)

ETA = Gauge(
    "bytespike_task_eta_seconds",
    scope=Scope.TASK,
    unit="seconds",
    help="The API's last estimated_seconds of the task, in seconds; absent when not reported.",
)

CREDITS_ESTIMATED = Gauge(
    "bytespike_task_credits_estimated",
    scope=Scope.TASK,
    unit="credits",
    help=f"Last estimated credits of the task, absent when not reported; {AS_GIVEN}.",
)

CREDITS_USED = Gauge(
    "bytespike_task_credits_used",
    scope=Scope.TASK,
    unit="credits",
    help=f"Credits billed for the task, absent when not reported; {AS_GIVEN}.",
)

ERROR_INFO = Info(
    "bytespike_task_error_info",
    scope=Scope.TASK,
    labels=("error_code",),
    help="Always 1: the error code of a failed task; from the API's answer.",
)
