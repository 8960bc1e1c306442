"""The API does not answer, or not as it should."""

from monitoring.rule import Alert, Severity
from monitoring.thresholds import CONCURRENCY_RATIO, DOWN_FLOOR, DOWN_RATIO, SLOW_SECONDS

REQUESTS = "account:bytespike_api_requests:rate5m"
FAILED = "account_reason:bytespike_api_request_failures_per_requests:ratio_rate5m"
REFUSALS = "invalid_api_key|payment|forbidden|rate_limited|concurrency|bad_request"
"""Reasons that are answers: the API speaks, if only to say no."""

P95 = "account:bytespike_api_request_duration_seconds:p95_rate5m"

DOWN = f"""\
sum without (reason) (
  {FAILED}{{reason!~"{REFUSALS}"}}
) > {DOWN_RATIO}
and {REQUESTS} * 5m >= {DOWN_FLOOR}"""

CONCURRENCY = f"""\
max without (reason) (
  {FAILED}{{reason="concurrency"}}
) > {CONCURRENCY_RATIO}
and {REQUESTS} * 5m >= {DOWN_FLOOR}"""

SLOW = f"""\
{P95} > {SLOW_SECONDS}
and {REQUESTS} * 5m >= {DOWN_FLOOR}"""

KEY = 'max without (instance) (bytespike_api_suspended{reason="invalid_api_key"}) == 1'
SUSPENDED = 'max without (instance) (bytespike_api_suspended{reason=~"payment|forbidden|rate_limited"}) == 1'

ALERTS = (
    Alert(
        name="ByteSpikeAPIKeyRejected",
        severity=Severity.CRITICAL,
        expr=KEY,
        wait="2m",  # the API never takes this answer back by itself
        summary="The API rejects an account's key.",
        description="The key of account {{ $labels.account }} is missing or is rejected (401): polling is held back.",
    ),
    Alert(
        name="ByteSpikeAccountSuspended",
        severity=Severity.CRITICAL,
        expr=SUSPENDED,
        wait="5m",
        summary="The API refuses an account's requests.",
        description="Polling of account {{ $labels.account }} is held back: {{ $labels.reason }}.",
    ),
    Alert(
        name="ByteSpikeUpstreamDown",
        severity=Severity.CRITICAL,
        expr=DOWN,
        wait="5m",
        summary="Most requests to the API get no answer that can be used.",
        description=(
            "{{ $value | humanizePercentage }} of the requests of account {{ $labels.account }} failed within 5 "
            "minutes, by timeouts, broken connections, 5xx or answers that make no sense."
        ),
    ),
    Alert(
        name="ByteSpikeConcurrencyExhausted",
        severity=Severity.WARNING,
        expr=CONCURRENCY,
        wait="10m",
        summary="The account's cap of requests in flight is used up.",
        description=(
            "{{ $value | humanizePercentage }} of the requests of account {{ $labels.account }} were refused within 5 "
            "minutes, for too many were in flight."
        ),
    ),
    Alert(
        name="ByteSpikeUpstreamSlow",
        severity=Severity.WARNING,
        expr=SLOW,
        wait="10m",
        summary="The API answers slowly.",
        description=(
            "One request in twenty of account {{ $labels.account }} took longer than {{ $value | humanizeDuration }} "
            "within 5 minutes."
        ),
    ),
    Alert(
        name="ByteSpikeSchemaDrift",
        severity=Severity.WARNING,
        expr="sum without (instance) (increase(bytespike_api_schema_drift_total[30m])) > 0",
        wait="5m",
        summary="The API's answers differ from its documentation.",
        description=(
            'Within 30 minutes {{ $value | printf "%.0f" }} answers to account {{ $labels.account }} departed from the '
            "documentation: {{ $labels.kind }}."
        ),
    ),
)
