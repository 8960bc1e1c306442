"""Tasks take too long."""

from tests.rules.case import Case, Clears, Fires, Quiet
from tests.rules.cases.outcomes import GROUP
from tests.rules.series import Series, counted, finished, histogram, series, steady, together

HOUR = 3600


def open_tasks(running: str, oldest: str) -> Series:
    """Running tasks and when the oldest of them was submitted."""
    return together(
        series("bytespike_tasks", running, status="running"),
        series("bytespike_tasks_oldest_submit_timestamp_seconds", oldest, status="running"),
    )


def late(running: tuple[tuple[int, float], ...], overdue: tuple[tuple[int, float], ...]) -> Series:
    return together(
        series("bytespike_tasks", steady(*running), status="running"),
        series("bytespike_tasks_overdue", steady(*overdue)),
    )


def queue(*phases: tuple[int, float, float]) -> Series:
    """So many minutes each with so many tasks a minute that waited so many seconds."""
    name = "bytespike_tasks_queue_duration_seconds"
    return together(
        series(f"{name}_count", counted(*((minutes, tasks) for minutes, tasks, _ in phases))),
        series(f"{name}_sum", counted(*((minutes, tasks * seconds) for minutes, tasks, seconds in phases))),
    )


def eta(*, near: tuple[tuple[int, float], ...], far: tuple[tuple[int, float], ...]) -> Series:
    """Tasks that took as long as their ETA said, and tasks that took three to five times as long."""
    both = tuple((minutes, few + many) for (minutes, few), (_, many) in zip(near, far, strict=True))
    counts = {"1": counted(*near), "3": counted(*near), "5": counted(*both), "+Inf": counted(*both)}
    return histogram("bytespike_tasks_eta_ratio", counts)


CASES = (
    Case(
        "ByteSpikeNothingFinishing",
        fires=Fires(
            at=36,
            series=together(open_tasks(steady((90, 4)), steady((90, 0))), finished()),
            labels=GROUP,
            description="4 tasks are open in group renders (account default), and none has finished for 30 minutes.",
        ),
        quiet=(
            Quiet(
                "one finishes now and then",
                90,
                together(
                    open_tasks(steady((90, 4)), steady((90, 0))), finished(completed=counted((15, 0.2), (75, 0.05)))
                ),
            ),
            Quiet(
                "tasks have only just come after a silence",
                85,
                together(open_tasks(steady((60, 0), (60, 4)), f"_x60 {steady((60, HOUR))}"), finished()),
            ),
            Quiet("two tasks alone", 90, together(open_tasks(steady((90, 2)), steady((90, 0))), finished())),
        ),
        clears=Clears(
            firing=59,
            over=61,
            series=together(
                open_tasks(steady((90, 4)), steady((90, 0))), finished(completed=counted((59, 0), (30, 1)))
            ),
        ),
    ),
    Case(
        "ByteSpikeTasksOverdue",
        fires=Fires(
            at=25,
            series=late(running=((90, 6),), overdue=((10, 0), (80, 4))),
            labels=GROUP,
            description="66.67% of the open tasks of group renders (account default) are overdue.",
        ),
        quiet=(
            Quiet("a third of a busy group", 60, late(running=((90, 30),), overdue=((10, 0), (80, 10)))),
            Quiet("one task alone", 60, late(running=((90, 1),), overdue=((10, 0), (80, 1)))),
        ),
        clears=Clears(firing=40, over=41, series=late(running=((90, 6),), overdue=((10, 0), (31, 4), (40, 1)))),
    ),
    Case(
        "ByteSpikeTaskStuck",
        fires=Fires(
            at=126,
            series=open_tasks(steady((200, 1)), steady((200, 0))),
            labels=GROUP,
            description=("The oldest open task of group renders (account default) was submitted 2h 6m 0s ago."),
        ),
        quiet=(Quiet("each is younger than the last", 200, open_tasks(steady((200, 9)), "0+40x200")),),
        clears=Clears(firing=150, over=151, series=open_tasks(steady((200, 1)), f"{steady((151, 0))} stale")),
    ),
    Case(
        "ByteSpikeQueueTimeGrowing",
        fires=Fires(
            at=134,
            series=queue((120, 2, 20), (60, 2, 200)),
            labels=GROUP,
            description="Tasks of group renders (account default) waited 3m 8s on average within 15 minutes.",
        ),
        quiet=(
            Quiet("they always wait so long", 150, queue((150, 2, 200))),
            Quiet("it is still short", 180, queue((120, 2, 2), (60, 2, 20))),
            Quiet("too few to tell", 180, queue((120, 2, 20), (60, 0.1, 200))),
        ),
        clears=Clears(firing=140, over=160, series=queue((120, 2, 20), (20, 2, 200), (60, 2, 20))),
    ),
    Case(
        "ByteSpikeETAOff",
        fires=Fires(
            at=40,
            series=eta(near=((90, 0),), far=((90, 1),)),
            labels=GROUP,
            description=(
                "Half of the tasks of group renders (account default) took more than 4.0 times their ETA within an "
                "hour, half took less."
            ),
        ),
        quiet=(
            Quiet("most are as they should be", 90, eta(near=((90, 2),), far=((90, 1),))),
            Quiet("too few to tell", 90, eta(near=((90, 0),), far=((90, 0.1),))),
        ),
        clears=Clears(firing=59, over=130, series=eta(near=((60, 0), (90, 2)), far=((60, 1), (90, 0)))),
    ),
)
