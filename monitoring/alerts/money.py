"""Credits go too fast, or come to an end."""

from monitoring.rule import Alert, Board, Severity
from monitoring.thresholds import Thresholds

SPENT = "account:bytespike_tasks_credits_used:rate"
RATIO = "group:bytespike_tasks_credits_used_per_estimated:ratio_rate6h"


def alerts(t: Thresholds) -> tuple[Alert, ...]:
    """All of them."""
    return (
        Alert(
            name="ByteSpikeCreditsBurningFast",
            tasks="status=ended&sort=-credits",
            severity=Severity.WARNING,
            expr=_burn(t),
            wait="10m",
            board=Board.CREDITS,
            summary="Credits are spent much faster than usual.",
            description='Account {{ $labels.account }} spent {{ $value | printf "%.2f" }} credits within an hour.',
        ),
        Alert(
            name="ByteSpikeCreditsAboveEstimate",
            tasks="status=completed&sort=-credits",
            severity=Severity.WARNING,
            expr=_estimate(t),
            wait="15m",
            board=Board.CREDITS,
            summary="Tasks cost more credits than was estimated.",
            description=(
                "Completed tasks of group {{ $labels.group }} (account {{ $labels.account }}) cost "
                "{{ $value | humanizePercentage }} of their estimates within 6 hours."
            ),
        ),
        Alert(
            name="ByteSpikeQuotaRunningOut",
            severity=Severity.CRITICAL,
            expr=_running_out("account:bytespike_api_quota_remaining_credits:min", t),
            wait="5m",
            board=Board.CREDITS,
            summary="The API key's quota will be used up within hours.",
            description=(
                'The key of account {{ $labels.account }} has {{ $value | printf "%.2f" }} credits of its quota left: '
                f"at the last hour's rate they are gone within {t.running_out}."
            ),
        ),
        Alert(
            name="ByteSpikeWalletRunningOut",
            severity=Severity.CRITICAL,
            expr=_running_out("account:bytespike_api_org_quota_remaining_credits:min", t),
            wait="5m",
            board=Board.CREDITS,
            summary="The organisation's wallet will be empty within hours.",
            description=(
                'The wallet behind account {{ $labels.account }} holds {{ $value | printf "%.2f" }} credits: at the '
                f"last hour's rate they are gone within {t.running_out}."
            ),
        ),
        Alert(
            name="ByteSpikeRateLimitNearlyReached",
            severity=Severity.WARNING,
            expr=_bucket(t),
            wait="5m",
            board=Board.CREDITS,
            summary="The API key's spend limit is nearly reached.",
            description=(
                "The key of account {{ $labels.account }} has {{ $value | humanizePercentage }} of its tightest spend "
                "limit left."
            ),
        ),
    )


def _burn(t: Thresholds) -> str:
    """Far above the day's mean, and above the day's busiest hour too: the batch of every night is no news.

    Nor is what was spent on that day of the week before, twelve hours earlier or later: a Monday follows a Sunday.
    The last hours are not part of what they are compared with. Before a day has been seen, nothing is usual: the rate
    of a day would count the time before as one without tasks.
    """
    return f"""\
{SPENT}1h * 1h > {t.burn_credits:g}
and {SPENT}1h > {t.burn_factor:g} * ({SPENT}1d offset 1h)
and {SPENT}1h > {t.burn_peak_factor:g} * max_over_time({SPENT}1h[1d] offset 4h)
unless {SPENT}1h <= {t.burn_peak_factor:g} * max_over_time({SPENT}1h[1d] offset 156h)
and {SPENT}1h offset 1d"""


def _estimate(t: Thresholds) -> str:
    return f"""\
{RATIO} > {t.estimate_ratio:g}
and group:bytespike_tasks_credits_estimated:rate6h * 6h >= {t.estimate_credits:g}"""


def _running_out(left: str, t: Thresholds) -> str:
    """What the course of the last hour leads to, and that of six hours too; or little is left.

    One burst does not call anybody while there is plenty. A gauge that has been 0 for a day is how some keys say "no
    limit": it is no share of anything.
    """
    return f"""\
{left}
and predict_linear({left}[1h], {t.running_out}) <= 0
and (
  {left} < {t.nearly_out_share:g} * max_over_time({left}[1d])
  or {left} < {t.running_out_share:g} * max_over_time({left}[1d])
  and predict_linear({left}[6h], {t.running_out}) <= 0
)"""


def _bucket(t: Thresholds) -> str:
    """The tightest bucket is another one from time to time; what was said of one that has been reset since is void."""
    return f"""\
min without (instance) (
  bytespike_api_rate_limit_remaining_usd / (bytespike_api_rate_limit_usd > 0)
  unless bytespike_api_rate_limit_reset_timestamp_seconds < time()
) < {t.bucket_ratio:g}"""
