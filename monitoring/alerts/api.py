"""The API does not answer, or not as it should."""

from monitoring.recording import OPEN
from monitoring.rule import Alert, Board, Severity
from monitoring.thresholds import Thresholds

REQUESTS = "account:bytespike_api_requests:rate5m"
FAILED = "account_reason:bytespike_api_request_failures_per_requests:ratio_rate5m"
REFUSALS = "invalid_api_key|payment|forbidden|rate_limited|concurrency|bad_request"
"""Reasons that are answers: the API speaks, if only to say no."""

P95 = "account:bytespike_api_request_duration_seconds:p95_rate5m"

HELD_UP = f'bytespike_api_suspended{{reason!~"{REFUSALS}"}}'
IS_ASKING = f"on (job, instance, account) sum by (job, instance, account) ({OPEN}) > 0"
"""Where nothing is open nobody asks, and a hold stays as it was: it says nothing of the account any more."""


def alerts(t: Thresholds) -> tuple[Alert, ...]:
    """All of them."""
    return (
        Alert(
            name="ByteSpikeAPIKeyRejected",
            severity=Severity.CRITICAL,
            expr=_held('reason="invalid_api_key"'),
            wait="2m",  # the API never takes this answer back by itself
            board=Board.EXPORTER,
            summary="The API rejects an account's key.",
            description=(
                "The key of account {{ $labels.account }} is missing or is rejected (401): polling is held back."
            ),
        ),
        Alert(
            name="ByteSpikeAccountSuspended",
            severity=Severity.CRITICAL,
            expr=_held('reason=~"payment|forbidden|rate_limited"'),
            wait="5m",
            board=Board.EXPORTER,
            summary="The API refuses an account's requests.",
            description="Polling of account {{ $labels.account }} is held back: {{ $labels.reason }}.",
        ),
        Alert(
            name="ByteSpikeUpstreamDown",
            severity=Severity.CRITICAL,
            expr=_down(t),
            wait="3m",  # nobody is called for a minute's outage, and for one of eight in time
            board=Board.EXPORTER,
            summary="The API gives no answer that can be used, or hardly any.",
            description=(
                "{{ $value | humanizePercentage }} of what account {{ $labels.account }} asks the API gets no answer "
                "that can be used: timeouts, broken connections, 5xx or answers that make no sense."
            ),
        ),
        Alert(
            name="ByteSpikeConcurrencyExhausted",
            severity=Severity.WARNING,
            expr=_concurrency(t),
            wait="10m",
            board=Board.EXPORTER,
            summary="The account's cap of requests in flight is used up.",
            description=(
                "{{ $value | humanizePercentage }} of the requests of account {{ $labels.account }} were refused "
                "within 5 minutes, for too many were in flight."
            ),
        ),
        Alert(
            name="ByteSpikeUpstreamSlow",
            severity=Severity.WARNING,
            expr=_slow(t),
            wait="10m",
            board=Board.EXPORTER,
            summary="The API answers slowly.",
            description=(
                "One request in twenty of account {{ $labels.account }} took longer than "
                "{{ $value | humanizeDuration }} within 5 minutes."
            ),
        ),
        Alert(
            name="ByteSpikeSchemaDrift",
            severity=Severity.WARNING,
            expr="sum without (instance) (increase(bytespike_api_schema_drift_total[30m])) > 0",
            wait="5m",
            board=Board.EXPORTER,
            summary="The API's answers differ from its documentation.",
            description=(
                'Within 30 minutes {{ $value | printf "%.0f" }} answers to account {{ $labels.account }} departed from '
                "the documentation: {{ $labels.kind }}."
            ),
        ),
    )


def _held(reasons: str) -> str:
    return f"""\
max without (instance) (
  bytespike_api_suspended{{{reasons}}}
  and {IS_ASKING}
) == 1"""


def _down(t: Thresholds) -> str:
    """State tells of a total outage, for then few requests are sent; a share tells of a partial one.

    An account is held back once its failures are more than a task's own (see docs/operations.md, "When queries fail").
    An API that comes and goes ends that each time, and is asked most while it is there: the share of the time tells,
    where there are ten minutes to take it of. Where only a task or two are asked about, now and then, a hold takes
    long: the last answer's age tells sooner. It tells, too, of an account that always has its cap used up by others.
    """
    return f"""\
max without (instance, reason) (
  {HELD_UP}
  and {IS_ASKING}
) == 1
or (
  max without (instance) (
    sum without (reason) (avg_over_time({HELD_UP}[10m]))
    and {IS_ASKING}
  ) > {t.down_ratio:g}
  and max without (instance, reason) (max_over_time({HELD_UP}[2m])) == 1
  and max without (instance, reason) ({HELD_UP} offset 10m) >= 0
)
or (
  max without (instance) (
    1 - bytespike_up
    and time() - bytespike_api_last_success_timestamp_seconds > {t.unanswered}
    and {IS_ASKING}
  ) == 1
  unless max without (instance, reason) (bytespike_api_suspended{{reason!="concurrency"}}) == 1
)
or (
  sum without (reason) (
    {FAILED}{{reason!~"{REFUSALS}"}}
  ) > {t.down_ratio:g}
  and {REQUESTS} * 5m >= {t.down_floor:g}
)"""


def _slow(t: Thresholds) -> str:
    """Where nothing is answered, it takes the time of a timeout: an outage is told of as one, and soon after it too."""
    return f"""\
{P95} > {t.slow_seconds:g}
and {REQUESTS} * 5m >= {t.down_floor:g}
unless max without (instance, reason) (
  max_over_time(bytespike_api_suspended{{reason!~"{REFUSALS}"}}[10m])
) == 1"""


def _concurrency(t: Thresholds) -> str:
    """A refusal holds the account back for half a minute at most: the floor is reached all the same."""
    return f"""\
max without (reason) (
  {FAILED}{{reason="concurrency"}}
) > {t.concurrency_ratio:g}
and {REQUESTS} * 5m >= {t.down_floor:g}"""
