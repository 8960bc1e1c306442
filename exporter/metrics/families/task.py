"""One task: ``bytespike_task_…``."""

from exporter.metrics.families.tasks import AS_GIVEN
from exporter.metrics.family import Family, Scope, Type

FAMILIES: tuple[Family, ...] = (
    Family(
        "bytespike_task_status",
        type=Type.STATESET,
        scope=Scope.TASK,
        labels=("status",),
        help="State set of one task: 1 for its last observed status, 0 for the others; from the API's answers.",
    ),
    Family(
        "bytespike_task_elapsed_seconds",
        type=Type.GAUGE,
        scope=Scope.TASK,
        unit="seconds",
        help="Seconds since submission while the task is open, then its observed duration; absent where not known.",
    ),
    Family(
        "bytespike_task_eta_seconds",
        type=Type.GAUGE,
        scope=Scope.TASK,
        unit="seconds",
        help="The API's last estimated_seconds of the task, in seconds; absent when not reported.",
    ),
    Family(
        "bytespike_task_credits_estimated",
        type=Type.GAUGE,
        scope=Scope.TASK,
        unit="credits",
        help=f"Last estimated credits of the task, absent when not reported; {AS_GIVEN}.",
    ),
    Family(
        "bytespike_task_credits_used",
        type=Type.GAUGE,
        scope=Scope.TASK,
        unit="credits",
        help=f"Credits billed for the task, absent when not reported; {AS_GIVEN}.",
    ),
    Family(
        "bytespike_task_error_info",
        type=Type.INFO,
        scope=Scope.TASK,
        labels=("error_code",),
        help="Always 1: the error code of a failed task; from the API's answer.",
    ),
)
