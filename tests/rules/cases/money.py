"""Credits go too fast, or come to an end."""

from tests.rules.case import Case, Clears, Fires, Quiet
from tests.rules.cases.outcomes import GROUP
from tests.rules.series import OWN, Series, counted, raw, series, steady, together

ACCOUNT = {"job": "bytespike-exporter", "account": "default"}
KEY_OF_ONE = {**OWN, "account": "default"}

QUOTA = "bytespike_api_quota_remaining_credits"
WALLET = "bytespike_api_org_quota_remaining_credits"


def spent(*phases: tuple[int, float]) -> Series:
    return series("bytespike_tasks_credits_used_total", counted(*phases), status="completed")


def cost(used: tuple[tuple[int, float], ...], estimated: tuple[tuple[int, float], ...]) -> Series:
    return together(
        series("bytespike_tasks_credits_used_with_estimate_total", counted(*used)),
        series("bytespike_tasks_credits_estimated_total", counted(*estimated)),
    )


def bucket(remaining: str, *, reset: float = 1e6) -> Series:
    """The tightest spend bucket, of 50 USD, and when it is reset (seconds)."""
    return together(
        series("bytespike_api_rate_limit_usd", steady((90, 50))),
        series("bytespike_api_rate_limit_remaining_usd", remaining),
        series("bytespike_api_rate_limit_reset_timestamp_seconds", steady((90, reset))),
    )


def each_night(start: int, minutes: int, rate: float) -> tuple[tuple[int, float], ...]:
    """Three days, on each of which so much is spent a minute for a while from that minute on."""
    return ((start, 0), (minutes, rate), (1440 - start - minutes, 0)) * 3


def each_week(start: int, minutes: int, hourly: float) -> Series:
    """Two Mondays, on each of which so much is spent an hour for a while; as recorded, for that is a long time.

    A value each fourth minute is enough to be seen at each, and makes days quick to compute.
    """
    rate = hourly / 3600
    phases = ((start, 0.0), (minutes, rate), (7 * 1440 - minutes, 0.0), (minutes, rate), (600, 0.0))
    labels = '{job="bytespike-exporter", account="default", team="video"}'
    recorded = "account:bytespike_tasks_credits_used:rate"
    return {
        f"{recorded}1h{labels}": " ".join(f"{value:g} _x3" for length, value in phases for _ in range(length // 4)),
        f"{recorded}1d{labels}": " ".join([f"{rate / 100:g} _x3"] * (9 * 360)),
    }


CASES = (
    Case(
        "ByteSpikeCreditsBurningFast",
        fires=Fires(
            at=1520,
            series=spent((1500, 0.05), (60, 1)),
            labels={**ACCOUNT, "team": "video"},
            read=1560,
            description="Account default spent 60.00 credits within an hour.",
        ),
        quiet=(
            Quiet("it is spent so fast always", 1600, spent((1600, 1))),
            Quiet("the exporter is new", 240, spent((180, 0.05), (60, 1))),
            Quiet("it is little money", 1560, spent((1500, 0.01), (60, 0.1))),
            Quiet("three times as much as at any other time", 1600, spent((1500, 0.3), (60, 0.9))),
            Quiet("the batch of every night", 2700, spent(*each_night(1200, 30, 1))),
            Quiet("the batch of every week", 8 * 1440, each_week(600, 480, 60)),
        ),
        clears=Clears(firing=1560, over=1620, series=spent((1500, 0.05), (60, 1), (100, 0.05))),
    ),
    Case(
        "ByteSpikeCreditsAboveEstimate",
        fires=Fires(
            at=20,
            series=cost(used=((90, 1.5),), estimated=((90, 1),)),
            labels=GROUP,
            description=(
                "Completed tasks of group renders (account default) cost 150% of their estimates within 6 hours."
            ),
        ),
        quiet=(
            Quiet("a little above", 90, cost(used=((90, 1.2),), estimated=((90, 1),))),
            Quiet("it is little money", 90, cost(used=((90, 0.1),), estimated=((90, 0.05),))),
        ),
        clears=Clears(firing=60, over=300, series=cost(used=((60, 1.5), (240, 1)), estimated=((300, 1),))),
    ),
    Case(
        "ByteSpikeQuotaRunningOut",
        fires=Fires(
            at=106,
            series=series(QUOTA, "100-0.5x200"),
            labels=ACCOUNT,
            description=(
                "The key of account default has 47.00 credits of its quota left: at the last hour's rate they are gone "
                "within 4h."
            ),
        ),
        quiet=(
            Quiet("it lasts for days", 120, series(QUOTA, "100-0.05x120")),
            Quiet("0 is how this key says that it has no quota", 120, series(QUOTA, "0+0x120")),
            Quiet("a burst takes a third of it", 300, series(QUOTA, "100+0x10 99-1x33 66+0x300")),
            Quiet("a burst takes half of it after a quiet day", 900, series(QUOTA, "100+0x600 98-2x27 45+0x300")),
            Quiet("little is left, and nothing is spent", 300, series(QUOTA, "100+0x10 _x90 20+0x300")),
        ),
        clears=Clears(firing=120, over=121, series=series(QUOTA, "100-0.5x120 500-0.5x60")),
        also=(
            Fires(  # a drain after quiet hours
                at=656,
                series=series(QUOTA, "100+0x600 98.5-1.5x65 0+0x100"),
                labels=ACCOUNT,
                description=(
                    "The key of account default has 16.00 credits of its quota left: at the last hour's rate they are "
                    "gone within 4h."
                ),
            ),
            Fires(  # two exporters know the key: what the one heard last counts, whose answer is newer
                at=106,
                series=together(
                    series(QUOTA, "100-0.5x200"),
                    raw(QUOTA, "100+0x200", account="default", instance="another:9877"),
                ),
                labels=ACCOUNT,
                description=(
                    "The key of account default has 47.00 credits of its quota left: at the last hour's rate they are "
                    "gone within 4h."
                ),
            ),
        ),
    ),
    Case(
        "ByteSpikeWalletRunningOut",
        fires=Fires(
            at=10,
            series=series(WALLET, "8-1x8 0+0x50"),
            labels=ACCOUNT,
            description=(
                "The wallet behind account default holds 0.00 credits: at the last hour's rate they are gone within 4h."
            ),
        ),
        quiet=(
            Quiet("nothing is spent", 120, series(WALLET, "8+0x120")),
            Quiet("the wallet has been at 0 for ever", 120, series(WALLET, "0+0x120")),
            Quiet("a burst takes a third of it", 300, series(WALLET, "100+0x10 99-1x33 66+0x300")),
            Quiet("a burst takes half of it after a quiet day", 900, series(WALLET, "100+0x600 98-2x27 45+0x300")),
            Quiet("little is left, and nothing is spent", 300, series(WALLET, "100+0x10 _x90 20+0x300")),
            Quiet("it is the key's quota", 120, series(QUOTA, "8-1x8 0+0x120")),
        ),
        clears=Clears(firing=30, over=31, series=series(WALLET, "8-1x8 0+0x21 500-0.5x60")),
        also=(
            Fires(  # a drain after quiet hours
                at=656,
                series=series(WALLET, "100+0x600 98.5-1.5x65 0+0x100"),
                labels=ACCOUNT,
                description=(
                    "The wallet behind account default holds 16.00 credits: at the last hour's rate they are gone "
                    "within 4h."
                ),
            ),
        ),
    ),
    Case(
        "ByteSpikeRateLimitNearlyReached",
        fires=Fires(
            at=15,
            series=bucket(steady((10, 10), (80, 4))),
            labels=ACCOUNT,
            description="The key of account default has 8% of its tightest spend limit left.",
        ),
        quiet=(
            Quiet("a fifth is left", 60, bucket(steady((10, 30), (80, 10)))),
            Quiet("the bucket was reset since", 60, bucket(steady((10, 10), (80, 4)), reset=300)),
        ),
        clears=Clears(firing=30, over=31, series=bucket(steady((10, 10), (80, 4)), reset=1801)),
    ),
)
