"""Tasks fail, or are lost."""

from tests.rules.case import Case, Clears, Fires, Quiet
from tests.rules.series import Series, counted, finished, series, together

GROUP = {"job": "bytespike-exporter", "account": "default", "group": "renders", "team": "video"}

BUSY_THEN_FAILING = {"completed": ((120, 10), (20, 2), (60, 10)), "failed": ((120, 0), (20, 8), (60, 0))}
AN_HOUR_AT_85_PERCENT = {"completed": ((60, 5), (60, 0.75), (120, 5)), "failed": ((60, 0), (60, 4.25), (120, 0))}


def outcomes(completed: tuple[tuple[int, float], ...], failed: tuple[tuple[int, float], ...]) -> Series:
    return finished(completed=counted(*completed), failed=counted(*failed))


def codes(**failed: tuple[tuple[int, float], ...]) -> Series:
    """Failures by error code beside the outcomes that belong to them."""
    completed = ((120, 10), (80, 2))
    in_all = tuple((phases[0][0], sum(phase[1] for phase in phases)) for phases in zip(*failed.values(), strict=True))
    parts = (series("bytespike_tasks_failed_total", counted(*run), error_code=code) for code, run in failed.items())
    return together(outcomes(completed, in_all), *parts)


def burning(share: str) -> str:
    """The description of ByteSpikeSuccessBudgetBurningFast."""
    return (
        f"{share} of the tasks of group renders (account default) failed within a quarter of an hour or more; the "
        "objective allows 5%."
    )


def each_hour(times: int) -> str:
    """A counter that grows by one at the end of each hour, so many times."""
    return counted(*(phase for _ in range(times) for phase in ((59, 0), (1, 1))), (600, 0))


CASES = (
    Case(
        "ByteSpikeFailureSpike",
        fires=Fires(
            at=128,
            series=outcomes(**BUSY_THEN_FAILING),
            labels=GROUP,
            read=138,
            description="80% of the tasks that ended within 10 minutes in group renders (account default) failed.",
        ),
        quiet=(
            Quiet("as many always fail", 150, outcomes(completed=((150, 6),), failed=((150, 4),))),
            Quiet("too few to tell", 90, outcomes(completed=((60, 0.1), (30, 0)), failed=((60, 0), (30, 0.5)))),
        ),
        clears=Clears(firing=145, over=170, series=outcomes(**BUSY_THEN_FAILING)),
        also=(
            Fires(  # nothing had ended all day
                at=126,
                series=outcomes(completed=((120, 0), (60, 2)), failed=((120, 0), (60, 8))),
                labels=GROUP,
                description="80% of the tasks that ended within 10 minutes in group renders (account default) failed.",
            ),
        ),
    ),
    Case(
        "ByteSpikeErrorCodeSpike",
        fires=Fires(
            at=127,
            series=codes(sim_gpu_lost=((120, 0), (80, 8)), content_policy_violation=((120, 1), (80, 1))),
            labels={**GROUP, "error_code": "sim_gpu_lost"},
            description=(
                "50.91% of the tasks that ended within 10 minutes in group renders (account default) failed with "
                "sim_gpu_lost."
            ),
        ),
        quiet=(
            Quiet("it is as frequent as ever", 140, codes(content_policy_violation=((120, 3), (80, 1)))),
            Quiet("too few to tell", 140, codes(sim_gpu_lost=((120, 0), (80, 0.3)))),
        ),
        clears=Clears(
            firing=140,
            over=170,
            series=together(
                outcomes(**BUSY_THEN_FAILING),
                series("bytespike_tasks_failed_total", counted((120, 0), (20, 8), (60, 0)), error_code="sim_gpu_lost"),
            ),
        ),
        also=(
            Fires(  # a code that was never seen is shown at 0 for one scrape
                at=127,
                series=together(
                    outcomes(**BUSY_THEN_FAILING),
                    series("bytespike_tasks_failed_total", "_x120 0 8+8x78", error_code="sim_gpu_lost"),
                ),
                labels={**GROUP, "error_code": "sim_gpu_lost"},
                read=138,
                description=(
                    "80% of the tasks that ended within 10 minutes in group renders (account default) failed with "
                    "sim_gpu_lost."
                ),
            ),
        ),
    ),
    Case(
        "ByteSpikeSuccessBudgetBurningFast",
        fires=Fires(
            at=72,
            series=outcomes(**AN_HOUR_AT_85_PERCENT),
            labels=GROUP,
            read=90,
            description=burning("85%"),
        ),
        quiet=(
            Quiet(
                "ten bad minutes",
                150,
                outcomes(completed=((60, 5), (10, 0.75), (80, 5)), failed=((60, 0), (10, 4.25), (80, 0))),
            ),
            Quiet("too few to tell", 150, outcomes(completed=((150, 0.02),), failed=((150, 0.08),))),
            Quiet(
                "a burst that is long over",
                570,
                outcomes(completed=((360, 5), (11, 70), (200, 1)), failed=((360, 0), (11, 70), (200, 0))),
            ),
        ),
        # an hour's share stays high, where few tasks end afterwards
        clears=Clears(
            firing=200,
            over=216,
            series=outcomes(completed=((60, 5), (60, 0), (200, 0.5)), failed=((60, 0), (60, 10), (200, 0))),
        ),
        also=(
            Fires(  # few tasks, most of them for an hour
                at=457,
                series=outcomes(completed=((400, 1), (90, 0.21)), failed=((400, 0), (90, 0.79))),
                labels=GROUP,
                read=480,
                description=burning("79%"),
            ),
            Fires(  # half of them, for longer
                at=153,
                series=outcomes(completed=((60, 5), (180, 2.5)), failed=((60, 0), (180, 2.5))),
                labels=GROUP,
                description=burning("30.39%"),
            ),
        ),
    ),
    Case(
        "ByteSpikeSuccessBudgetBurningSlowly",
        fires=Fires(
            at=61,
            series=outcomes(completed=((100, 23),), failed=((100, 2),)),
            labels=GROUP,
            description=(
                "8% of the tasks of group renders (account default) failed within three days; 95% should complete."
            ),
        ),
        quiet=(
            Quiet("within the objective", 300, outcomes(completed=((300, 24),), failed=((300, 1),))),
            Quiet("too few to tell", 200, outcomes(completed=((200, 0.05),), failed=((200, 0.01),))),
            Quiet(
                "cancelled and lost tasks are not judged",
                200,
                finished(
                    completed=counted((200, 23)),
                    cancelled=counted((200, 20)),
                    not_found=counted((200, 20)),
                    failed=counted((200, 1)),
                ),
            ),
        ),
        clears=Clears(
            firing=300, over=470, series=outcomes(completed=((180, 20), (400, 25)), failed=((180, 5), (400, 0)))
        ),
    ),
    Case(
        "ByteSpikeNothingSucceeds",
        fires=Fires(  # one task an hour: the third fails after three hours
            at=185,
            series=finished(failed=each_hour(18)),
            labels=GROUP,
            read=1000,
            description=("4 tasks of group renders (account default) failed within 4 hours, and none completed."),
        ),
        quiet=(
            Quiet("two have failed", 600, finished(failed=each_hour(2))),
            Quiet("every second one completes", 1080, finished(failed=each_hour(18), completed=each_hour(18))),
            Quiet("all are cancelled", 1080, finished(cancelled=each_hour(18))),
            Quiet("nothing ends", 1080, finished()),
        ),
        clears=Clears(
            firing=599,
            over=601,
            series=finished(failed=each_hour(10), completed=counted((599, 0), (1, 1), (300, 0))),
        ),
    ),
    Case(
        "ByteSpikeTasksNotFound",
        fires=Fires(
            at=15,
            series=finished(not_found=counted((9, 0), (1, 5), (60, 0))),
            labels=GROUP,
            description="5 tasks of group renders (account default) were given up as not found within 30 minutes.",
        ),
        quiet=(Quiet("two mistyped ids", 60, finished(not_found=counted((9, 0), (1, 2), (60, 0)))),),
        clears=Clears(firing=30, over=45, series=finished(not_found=counted((9, 0), (1, 5), (60, 0)))),
    ),
)
