"""The exporter does not see, or does not keep, what happens."""

from tests.rules.case import Case, Clears, Fires, Quiet
from tests.rules.cases.api import held
from tests.rules.cases.money import ACCOUNT, KEY_OF_ONE
from tests.rules.series import OWN, Series, counted, histogram, raw, series, steady, together

POLLS_STOP = f"0+60x20 {steady((70, 1200))}"
"""The time of the last answer: fresh for twenty minutes, then for ever the same."""

POLLS_GO_ON_AGAIN = f"0+60x20 {steady((30, 1200))} 3060+60x30"


def polling(last_success: str, *, due: float = 3, suspended: float = 0) -> Series:
    return together(
        series("bytespike_api_last_success_timestamp_seconds", last_success),
        series("bytespike_exporter_tasks_due", steady((90, due))),
        held("payment", (90, suspended)),
    )


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


def overflowed(limit: str, values: str) -> Series:
    return series("bytespike_exporter_label_values_overflowed_total", values, limit=limit)


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
            description="Prometheus gets no metrics from exporter:9877: nothing there is being watched.",
        ),
        quiet=(
            Quiet("it starts anew", 30, raw("up", steady((10, 1), (3, 0), (17, 1)))),
            Quiet("another job is down", 30, raw("up", steady((30, 0)), job="prometheus")),
        ),
        clears=Clears(firing=20, over=21, series=raw("up", steady((10, 1), (11, 0), (9, 1)))),
    ),
    Case(
        "ByteSpikePollingStalled",
        fires=Fires(
            at=36,
            series=polling(POLLS_STOP),
            labels=KEY_OF_ONE,
            description="Polls of account default are due on exporter:9877, and the last answer came 16m 0s ago.",
        ),
        quiet=(
            Quiet("there is nothing to ask", 90, polling(POLLS_STOP, due=0)),
            Quiet("the account is held back", 90, polling(POLLS_STOP, suspended=1)),
        ),
        clears=Clears(firing=50, over=51, series=polling(POLLS_GO_ON_AGAIN)),
    ),
    Case(
        "ByteSpikePollingLagging",
        fires=Fires(
            at=22,
            series=together(lag(punctual=((9, 10), (60, 5)), late=((9, 0), (60, 5))), held("payment", (90, 0))),
            labels=ACCOUNT,
            description=(
                "One poll in ten of account default was sent more than 26s late: durations are that much less exact."
            ),
        ),
        quiet=(
            Quiet("one in twenty is late", 60, lag(punctual=((60, 19),), late=((60, 1),))),
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
        ),
        clears=Clears(
            firing=40, over=41, series=ledger(f"0+60x10 {steady((30, 600))} 2460+60x20", steady((11, 0), (60, 7)))
        ),
    ),
    Case(
        "ByteSpikeLedgerFailing",
        fires=Fires(
            at=20,
            series=series("bytespike_exporter_ledger_failures_total", counted((9, 0), (30, 2))),
            labels=OWN,
            description="20 commits to the ledger of exporter:9877 failed within 10 minutes.",
        ),
        quiet=(
            Quiet(
                "it was locked once",
                60,
                series("bytespike_exporter_ledger_failures_total", counted((9, 0), (1, 1), (60, 0))),
            ),
        ),
        clears=Clears(
            firing=38,
            over=50,
            series=series("bytespike_exporter_ledger_failures_total", counted((9, 0), (30, 2), (30, 0))),
        ),
    ),
    Case(
        "ByteSpikeDiscoveryFailing",
        fires=Fires(
            at=25,
            series=series("bytespike_exporter_sd_refresh_failures_total", counted((9, 0), (30, 1))),
            labels={**OWN, "group": "renders", "mechanism": "file_sd"},
            description=(
                "15 refreshes of file_sd of group renders failed within 15 minutes: the tasks it named last are still "
                "followed, new ones are not seen."
            ),
        ),
        quiet=(
            Quiet(
                "one refresh failed",
                60,
                series("bytespike_exporter_sd_refresh_failures_total", counted((9, 0), (1, 1), (60, 0))),
            ),
        ),
        clears=Clears(
            firing=38,
            over=55,
            series=series("bytespike_exporter_sd_refresh_failures_total", counted((9, 0), (30, 1), (30, 0))),
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
