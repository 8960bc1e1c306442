"""The exporter does not see, or does not keep, what happens."""

from itertools import pairwise

from tests.rules.case import Case, Clears, Fires, Quiet
from tests.rules.cases.api import held
from tests.rules.cases.money import ACCOUNT, KEY_OF_ONE
from tests.rules.series import OWN, Series, counted, histogram, raw, series, steady, together

GO_ON = "0+60x90"
POLLS_STOP = f"0+60x20 {steady((70, 1200))}"
"""A time of late: fresh for twenty minutes, then for ever the same."""

TWO_BLIPS = ((10, 0), (1, 1), (10, 0), (1, 1), (70, 0))
"""Ten minutes apart."""

SIX_MINUTES_LATE = "-360+60x90"
"""What a clock says that is late."""

Phases = tuple[tuple[int, float], ...]

POLLS_GO_ON_AGAIN = f"0+60x20 {steady((30, 1200))} 3060+60x30"


def polling(heard: str, due: str, *, suspended: float = 0) -> Series:
    """When the last answer came, and since when the poll is due that has waited longest; seconds."""
    return together(
        series("bytespike_api_last_success_timestamp_seconds", heard),
        series("bytespike_exporter_oldest_due_timestamp_seconds", due),
        held("payment", (90, suspended)),
    )


def starts(*minutes: int, lasts: int = 200) -> Series:
    """An exporter that was started at these minutes; each time it is gone for two."""
    text = []
    for start, following in pairwise((*minutes, lasts)):
        up = following - start if following == lasts else following - start - 2
        text.append(f"{60 * start}+0x{up - 1}" + ("" if following == lasts else " stale _"))
    return raw("process_start_time_seconds", " ".join(text))


def lag(*, punctual: tuple[tuple[int, float], ...], late: tuple[tuple[int, float], ...]) -> Series:
    """Polls within half a second of when they were due, and polls 10 to 30 seconds late."""
    both = tuple((minutes, few + many) for (minutes, few), (_, many) in zip(punctual, late, strict=True))
    counts = {"0.5": counted(*punctual), "10": counted(*punctual), "30": counted(*both), "+Inf": counted(*both)}
    return histogram("bytespike_exporter_poll_lag_seconds", counts)


def ledger(last_commit: str, pending: str) -> Series:
    return together(
        series("bytespike_exporter_ledger_last_commit_timestamp_seconds", last_commit),
        series("bytespike_exporter_ledger_pending", pending),
    )


def commits(*, failing: Phases, last: str, pending: float) -> Series:
    return together(
        series("bytespike_exporter_ledger_failures_total", counted(*failing)),
        ledger(last, steady((91, pending))),
    )


def source(*, failing: Phases, refreshed: str, mechanism: str = "file_sd") -> Series:
    """Refreshes that fail, and when the last good one was: empty for never."""
    last = "bytespike_exporter_sd_last_refresh_timestamp_seconds"
    return together(
        series("bytespike_exporter_sd_refresh_failures_total", counted(*failing), mechanism=mechanism),
        series(last, refreshed, mechanism=mechanism) if refreshed else {},
    )


FAILS = (
    "file_sd of group renders fails, and has not once been read well of late: the tasks it named last are still "
    "followed, new ones are not seen."
)


def overflowed(limit: str, values: str) -> Series:
    return series("bytespike_exporter_label_values_overflowed_total", values, limit=limit)


NO_METRICS = "Prometheus gets no metrics from exporter:9877, or only now and then: nothing there is being watched."

ANOTHER_IS_UP = raw("up", steady((30, 1)), instance="another:9877")

CASES = (
    Case(
        "ByteSpikeExporterAbsent",
        fires=Fires(
            at=5,
            series={},
            labels={"job": "bytespike-exporter"},
            description="Prometheus scrapes no target of job bytespike-exporter: nothing is being watched.",
        ),
        quiet=(Quiet("one of two is down", 30, together(raw("up", steady((30, 0))), ANOTHER_IS_UP)),),
        # it comes into the scrape configuration, cannot be scraped at first, and then can
        clears=Clears(firing=19, over=20, series=raw("up", f"_x10 {steady((10, 0), (10, 1))}")),
    ),
    Case(
        "ByteSpikeExporterDown",
        fires=Fires(
            at=15,
            series=raw("up", steady((10, 1), (20, 0))),
            labels=OWN,
            description=NO_METRICS,
        ),
        quiet=(
            Quiet("it starts anew", 30, raw("up", steady((10, 1), (3, 0), (17, 1)))),
            Quiet("another job is down", 30, raw("up", steady((30, 0)), job="prometheus")),
            Quiet("two deployments, one right after the other", 60, raw("up", steady(*((10, 1), (2, 0)) * 2, (36, 1)))),
            Quiet(  # that is another alert
                "it starts again and again",
                60,
                together(raw("up", steady(*((3, 1), (2, 0)) * 12)), starts(*range(0, 60, 5), lasts=65)),
            ),
        ),
        also=(
            Fires(  # every other scrape takes too long: no alert ever has time to wait
                at=19,
                series=together(raw("up", steady((10, 1), *((1, 0), (1, 1)) * 25)), starts(0)),
                labels=OWN,
                description=NO_METRICS,
            ),
        ),
        clears=Clears(firing=20, over=21, series=raw("up", steady((10, 1), (11, 0), (9, 1)))),
    ),
    Case(
        "ByteSpikeExporterRestarting",
        fires=Fires(  # three minutes up, two down
            at=17,
            series=starts(0, 5, 10, 15, 20, 25, 30),
            labels=OWN,
            description=(
                "exporter:9877 was started anew 3 times in a short while. Each time other alerts begin to wait anew: "
                "as long as it goes on, hardly any of them can fire."
            ),
        ),
        quiet=(
            Quiet("one deployment", 200, starts(0, 60)),
            Quiet("two deployments, one right after the other", 200, starts(0, 60, 66)),
            Quiet("one each quarter of an hour", 200, starts(0, 15, 30, 45, 60)),
        ),
        clears=Clears(firing=20, over=40, series=starts(0, 5, 10, 15)),
        also=(
            Fires(  # it dies more slowly
                at=62,
                series=starts(0, 12, 24, 36, 48, 60, 72, 84),
                labels=OWN,
                description=(
                    "exporter:9877 was started anew 5 times in a short while. Each time other alerts begin to wait "
                    "anew: as long as it goes on, hardly any of them can fire."
                ),
            ),
        ),
    ),
    Case(
        "ByteSpikePollingStalled",
        fires=Fires(
            at=31,
            series=polling(POLLS_STOP, POLLS_STOP),
            labels=KEY_OF_ONE,
            description=("A poll of account default has been due for 11m 0s on exporter:9877, and no answer comes."),
        ),
        quiet=(
            Quiet("there is nothing to ask", 90, polling(POLLS_STOP, f"{GO_ON} _x70")),
            Quiet("others are answered", 90, polling(GO_ON, POLLS_STOP)),
            Quiet("the account is held back", 90, polling(POLLS_STOP, POLLS_STOP, suspended=1)),
            Quiet("its clock is six minutes late", 90, polling(SIX_MINUTES_LATE, SIX_MINUTES_LATE)),
        ),
        clears=Clears(firing=50, over=51, series=polling(POLLS_GO_ON_AGAIN, POLLS_GO_ON_AGAIN)),
        also=(
            Fires(  # it never heard anything
                at=31,
                series=series("bytespike_exporter_oldest_due_timestamp_seconds", POLLS_STOP),
                labels=KEY_OF_ONE,
                description=(
                    "A poll of account default has been due for 11m 0s on exporter:9877, and no answer comes."
                ),
            ),
        ),
    ),
    Case(
        "ByteSpikePollingLagging",
        fires=Fires(
            at=22,
            series=together(lag(punctual=((9, 10), (60, 5)), late=((9, 0), (60, 5))), held("payment", (90, 0))),
            labels=ACCOUNT,
            description=(
                "Polls of account default are sent, or still wait, 26s late: durations are that much less exact."
            ),
        ),
        also=(
            Fires(  # what is not sent is in no histogram
                at=33,
                series=together(polling(GO_ON, POLLS_STOP), lag(punctual=((90, 10),), late=((90, 0),))),
                labels=ACCOUNT,
                description=(
                    "Polls of account default are sent, or still wait, 13m 0s late: durations are that much less exact."
                ),
            ),
        ),
        quiet=(
            Quiet("one in twenty is late", 60, lag(punctual=((60, 19),), late=((60, 1),))),
            Quiet("its clock is six minutes late", 90, polling(SIX_MINUTES_LATE, SIX_MINUTES_LATE)),
            Quiet(
                "the account is held back",
                60,
                together(lag(punctual=((60, 5),), late=((60, 5),)), held("payment", (60, 1))),
            ),
        ),
        clears=Clears(firing=50, over=60, series=lag(punctual=((40, 5), (40, 10)), late=((40, 5), (40, 0)))),
    ),
    Case(
        "ByteSpikeLedgerStalled",
        fires=Fires(
            at=21,
            series=ledger(f"0+60x10 {steady((60, 600))}", steady((11, 0), (60, 7))),
            labels=OWN,
            description=(
                "The last commit to the ledger of exporter:9877 was 11m 0s ago, and records wait: the counters of "
                "tasks stand still."
            ),
        ),
        quiet=(
            Quiet("there is nothing to commit", 60, ledger(f"0+60x10 {steady((60, 600))}", steady((70, 0)))),
            Quiet("records wait, and are committed", 60, ledger("0+60x60", steady((70, 7)))),
            Quiet("its clock is six minutes late", 60, ledger(SIX_MINUTES_LATE, steady((70, 7)))),
        ),
        also=(
            Fires(  # nothing was ever committed since it was started
                at=21,
                series=together(
                    raw("process_start_time_seconds", "_x10 600+0x60"),
                    series("bytespike_exporter_ledger_pending", "_x10 0 7+0x60"),
                ),
                labels=OWN,
                description=(
                    "The last commit to the ledger of exporter:9877 was 11m 0s ago, and records wait: the counters of "
                    "tasks stand still."
                ),
            ),
        ),
        clears=Clears(
            firing=40, over=41, series=ledger(f"0+60x10 {steady((30, 600))} 2460+60x20", steady((11, 0), (60, 7)))
        ),
    ),
    Case(
        "ByteSpikeLedgerFailing",
        fires=Fires(
            at=18,
            series=commits(failing=((10, 0), (2, 1), (80, 0)), last=f"0+60x10 {steady((80, 600))}", pending=3),
            labels=OWN,
            description="2 commits to the ledger of exporter:9877 failed within 30 minutes.",
        ),
        quiet=(
            Quiet("it was locked twice, and all is written", 90, commits(failing=TWO_BLIPS, last="0+60x90", pending=3)),
            Quiet(
                "it was locked twice, and there is nothing to write since",
                90,
                commits(failing=TWO_BLIPS, last=f"0+60x22 {steady((80, 1320))}", pending=0),
            ),
            Quiet(
                "nothing fails, and what waits has only just come",
                90,
                commits(failing=((90, 0),), last=f"0+60x10 {steady((80, 600))}", pending=3),
            ),
        ),
        clears=Clears(
            firing=30,
            over=31,
            series=commits(
                failing=((10, 0), (5, 1), (80, 0)), last=f"0+60x10 {steady((20, 600))} 1860+60x50", pending=3
            ),
        ),
        also=(
            Fires(  # others succeed in between
                at=25,
                series=commits(failing=((10, 0), (80, 1)), last="0+60x90", pending=1),
                labels=OWN,
                read=60,
                description="30 commits to the ledger of exporter:9877 failed within 30 minutes.",
            ),
        ),
    ),
    Case(
        "ByteSpikeDiscoveryFailing",
        fires=Fires(
            at=31,
            series=source(failing=((10, 0), (30, 1)), refreshed=f"0+60x10 {steady((30, 600))}"),
            labels={**OWN, "group": "renders", "mechanism": "file_sd"},
            description=FAILS,
        ),
        quiet=(
            Quiet("two refreshes failed", 90, source(failing=TWO_BLIPS, refreshed="0+60x90")),
            Quiet("nothing has failed since it was read, long ago", 90, source(failing=((90, 0),), refreshed="0+0x90")),
            Quiet("two registrations were refused", 90, source(failing=TWO_BLIPS, refreshed="", mechanism="api")),
        ),
        clears=Clears(
            firing=40,
            over=41,
            series=source(failing=((10, 0), (30, 1), (30, 0)), refreshed=f"0+60x10 {steady((30, 600))} 2460+60x30"),
        ),
        also=(
            Fires(  # it never was read
                at=11,
                series=source(failing=((60, 1),), refreshed=""),
                labels={**OWN, "group": "renders", "mechanism": "file_sd"},
                description=FAILS,
            ),
            Fires(
                at=20,
                series=source(failing=((9, 0), (60, 1)), refreshed="", mechanism="api"),
                labels={**OWN, "group": "renders", "mechanism": "api"},
                description=FAILS.replace("file_sd", "api"),
            ),
        ),
    ),
    Case(
        "ByteSpikeConfigReloadFailed",
        fires=Fires(
            at=15,
            series=series("bytespike_exporter_config_last_reload_successful", steady((10, 1), (20, 0))),
            labels=OWN,
            description="exporter:9877 goes on with the configuration it had before.",
        ),
        quiet=(
            Quiet(
                "it was mended at once",
                30,
                series("bytespike_exporter_config_last_reload_successful", steady((10, 1), (3, 0), (17, 1))),
            ),
        ),
        clears=Clears(
            firing=19,
            over=20,
            series=series("bytespike_exporter_config_last_reload_successful", steady((10, 1), (10, 0), (20, 1))),
        ),
    ),
    Case(
        "ByteSpikeTaskSeriesLimitReached",
        fires=Fires(
            at=25,
            series=series("bytespike_exporter_task_series_dropped", steady((10, 0), (40, 12))),
            labels=OWN,
            description="12 tasks on exporter:9877 have no series of their own.",
        ),
        quiet=(
            Quiet(
                "a short wave",
                60,
                series("bytespike_exporter_task_series_dropped", steady((10, 0), (10, 12), (40, 0))),
            ),
        ),
        clears=Clears(
            firing=29,
            over=30,
            series=series("bytespike_exporter_task_series_dropped", steady((10, 0), (20, 12), (30, 0))),
        ),
    ),
    Case(
        "ByteSpikeLabelLimitReached",
        fires=Fires(
            at=15,
            series=together(
                overflowed("label_sets", counted((9, 0), (1, 4), (90, 0))),
                overflowed("label_values", steady((100, 40))),
            ),
            labels={**OWN, "limit": "label_sets"},
            description=(
                '4 times within an hour exporter:9877 wrote "other" into labels, for '
                "global.label_sets.limit is reached."
            ),
        ),
        quiet=(Quiet("it was long ago", 60, overflowed("label_values", steady((60, 40)))),),
        clears=Clears(
            firing=60,
            over=71,
            series=overflowed("label_values", counted((9, 0), (1, 4), (90, 0))),
        ),
    ),
)
