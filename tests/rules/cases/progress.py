"""Tasks take too long."""

from tests.rules.case import Case, Clears, Fires, Quiet
from tests.rules.cases.outcomes import GROUP
from tests.rules.series import Series, counted, finished, histogram, series, steady, together


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


Phases = tuple[tuple[int, float], ...]


def traffic(*, followed: Phases, done: Phases, running: str, oldest: int) -> Series:
    """Tasks that come, end and run; ``oldest`` is the minute at which the oldest open one was submitted."""
    return together(
        series("bytespike_tasks_followed_total", counted(*followed)),
        finished(completed=counted(*done)),
        open_tasks(running, f"_x{oldest} {steady((600, 60 * oldest))}" if oldest else steady((601, 0))),
    )


CASES = (
    Case(
        "ByteSpikeNothingFinishing",
        fires=Fires(  # tasks come each minute all the time; the last one to finish does so after an hour
            at=97,
            series=traffic(followed=((200, 1),), done=((60, 1), (140, 0)), running="3+0x60 4+1x140", oldest=61),
            labels=GROUP,
            description=(
                "40 tasks are open in group renders (account default), some of them new, and none has finished for 30m."
            ),
        ),
        quiet=(
            Quiet(
                "one finishes now and then",
                300,
                traffic(followed=((300, 1),), done=((300, 0.05),), running=steady((301, 4)), oldest=0),
            ),
            Quiet(
                "tasks have only just come after a silence",
                85,
                traffic(followed=((59, 0), (1, 4), (60, 0)), done=((120, 0),), running="0+0x59 4+0x60", oldest=60),
            ),
            Quiet(
                "two tasks alone",
                300,
                traffic(followed=((1, 2), (300, 0)), done=((300, 0),), running=steady((301, 2)), oldest=0),
            ),
            Quiet(
                "three hang, and traffic has stopped",
                600,
                traffic(followed=((60, 1), (540, 0)), done=((62, 1), (538, 0)), running=steady((601, 3)), oldest=0),
            ),
            Quiet(
                "three of the last ones hang, and traffic has stopped",
                600,
                traffic(
                    followed=((59, 0), (1, 20), (540, 0)),
                    done=((63, 0), (1, 17), (536, 0)),
                    running="0+0x59 20+0x3 3+0x540",
                    oldest=60,
                ),
            ),
            Quiet(
                "three hang, and a batch that has come since is still running",
                300,
                traffic(
                    followed=((99, 0), (1, 10), (200, 0)),
                    done=((117, 0), (5, 2), (178, 0)),
                    running="3+0x99 13+0x17 3+0x185",
                    oldest=0,
                ),
            ),
        ),
        clears=Clears(
            firing=120,
            over=121,
            series=traffic(followed=((200, 1),), done=((60, 1), (60, 0), (80, 1)), running="3+0x60 4+1x140", oldest=61),
        ),
        also=(
            Fires(  # the API calls the end of a task by another name
                at=97,
                series=together(
                    series("bytespike_tasks_followed_total", counted((200, 1))),
                    finished(completed=counted((60, 1), (140, 0))),
                    series("bytespike_tasks", "2+0x91 3+1x108", status="unknown"),
                ),
                labels=GROUP,
                description=(
                    "8 tasks are open in group renders (account default), some of them new, and none has finished for "
                    "30m."
                ),
            ),
            Fires(  # few tasks come: at 75, 100 and 125 minutes, when the last has finished after an hour
                at=160,
                series=traffic(
                    followed=((74, 0), (1, 1), (24, 0), (1, 1), (24, 0), (1, 1), (200, 0)),
                    done=((59, 0), (1, 3), (200, 0)),
                    running="0+0x74 1+0x24 2+0x24 3+0x100",
                    oldest=75,
                ),
                labels=GROUP,
                description=(
                    "3 tasks are open in group renders (account default), some of them new, and none has finished for "
                    "30m."
                ),
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
        also=(
            Fires(  # what was never asked about makes it no better
                at=25,
                series=together(
                    late(running=((90, 6),), overdue=((10, 0), (80, 4))),
                    series("bytespike_tasks", steady((90, 100)), status="unobserved"),
                ),
                labels=GROUP,
                description="66.67% of the open tasks of group renders (account default) are overdue.",
            ),
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
            series=queue((120, 2, 20), (60, 2, 200.5)),
            labels=GROUP,
            read=140,
            description="Tasks of group renders (account default) waited 3m 20s on average within 15 minutes.",
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
