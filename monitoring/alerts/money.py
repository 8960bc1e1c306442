"""Credits go too fast, or come to an end."""

from monitoring.rule import Alert, Severity
from monitoring.thresholds import (
    BUCKET_RATIO,
    BURN_CREDITS,
    BURN_FACTOR,
    ESTIMATE_CREDITS,
    ESTIMATE_RATIO,
    RUNNING_OUT,
)

SPENT = "account:bytespike_tasks_credits_used:rate"
RATIO = "group:bytespike_tasks_credits_used_per_estimated:ratio_rate6h"

# The last hour is not part of what it is compared with. Before a day has been seen, nothing is usual: the rate of a day
# would count the time before as one without tasks.
BURN = f"""\
{SPENT}1h * 1h > {BURN_CREDITS}
and {SPENT}1h > {BURN_FACTOR} * ({SPENT}1d offset 1h)
and {SPENT}1h offset 1d"""

ESTIMATE = f"""\
{RATIO} > {ESTIMATE_RATIO}
and group:bytespike_tasks_credits_estimated:rate6h * 6h >= {ESTIMATE_CREDITS}"""

# The tightest bucket is another one from time to time; what was said of one that has been reset since is void.
BUCKET = f"""\
bytespike_api_rate_limit_remaining_usd / (bytespike_api_rate_limit_usd > 0) < {BUCKET_RATIO}
unless bytespike_api_rate_limit_reset_timestamp_seconds < time()"""


def _running_out(gauge: str) -> str:
    """What the last hour's course leads to. A gauge that has been 0 for a day is how some keys say "no limit"."""
    return f"{gauge}\nand predict_linear({gauge}[1h], {RUNNING_OUT}) <= 0\nand max_over_time({gauge}[1d]) > 0"


ALERTS = (
    Alert(
        name="ByteSpikeCreditsBurningFast",
        severity=Severity.WARNING,
        expr=BURN,
        wait="10m",
        summary="Credits are spent much faster than usual.",
        description='Account {{ $labels.account }} spent {{ $value | printf "%.2f" }} credits within an hour.',
    ),
    Alert(
        name="ByteSpikeCreditsAboveEstimate",
        severity=Severity.WARNING,
        expr=ESTIMATE,
        wait="15m",
        summary="Tasks cost more credits than was estimated.",
        description=(
            "Completed tasks of group {{ $labels.group }} (account {{ $labels.account }}) cost "
            "{{ $value | humanizePercentage }} of their estimates within 6 hours."
        ),
    ),
    Alert(
        name="ByteSpikeQuotaRunningOut",
        severity=Severity.CRITICAL,
        expr=_running_out("bytespike_api_quota_remaining_credits"),
        wait="10m",
        summary="The API key's quota will be used up within hours.",
        description=(
            'The key of account {{ $labels.account }} has {{ $value | printf "%.2f" }} credits of its quota left: at '
            f"the last hour's rate they are gone within {RUNNING_OUT}."
        ),
    ),
    Alert(
        name="ByteSpikeWalletRunningOut",
        severity=Severity.CRITICAL,
        expr=_running_out("bytespike_api_org_quota_remaining_credits"),
        wait="10m",
        summary="The organisation's wallet will be empty within hours.",
        description=(
            'The wallet behind account {{ $labels.account }} holds {{ $value | printf "%.2f" }} credits: at the last '
            f"hour's rate they are gone within {RUNNING_OUT}."
        ),
    ),
    Alert(
        name="ByteSpikeRateLimitNearlyReached",
        severity=Severity.WARNING,
        expr=BUCKET,
        wait="5m",
        summary="The API key's spend limit is nearly reached.",
        description=(
            "The key of account {{ $labels.account }} has {{ $value | humanizePercentage }} of its tightest spend "
            "limit left."
        ),
    ),
)
