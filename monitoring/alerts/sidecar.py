"""What applications send through the sidecar comes to nothing.

A client whose key is not configured (``account=""``) wakes nobody: one with a mistyped key would, all night. Nor do few
requests: where fewer than two a minute fail, a share says nothing.
"""

from monitoring.rule import Alert, Board, Severity
from monitoring.thresholds import Thresholds, at_least

CALLERS_OWN = (
    "invalid_param|model_not_found|unsupported_model|model_not_in_group|context_length_exceeded|duplicate_out_task_id"
    "|bad_request"
)
"""Refusals that the application has asked for: no other submission is the worse for them."""

TRIED_AGAIN = "concurrency_limit|concurrency"
"""An application that fills the account's cap is refused, waits, and gets through: the API says so."""

REFUSED = f'bytespike_proxy_submissions_failed_total{{account!="", error_code!~"{CALLERS_OWN}|{TRIED_AGAIN}"}}'
SUBMITTED = 'bytespike_proxy_requests_total{account!="", endpoint="submit"}'
UNANSWERED = 'bytespike_proxy_upstream_failures_total{account!=""}'
PASSED = 'bytespike_proxy_requests_total{account!=""}'


def alerts(t: Thresholds) -> tuple[Alert, ...]:
    """All of them."""
    return (
        Alert(
            name="ByteSpikeSubmissionsFailing",
            severity=Severity.CRITICAL,
            expr=_share(REFUSED, "error_code", SUBMITTED, least=t.submissions_ratio, floor=t.submissions_floor),
            wait="5m",
            board=Board.EXPORTER,
            summary="The API refuses most of what applications submit.",
            description=(
                "{{ $value | humanizePercentage }} of what applications submitted with the key of account "
                "{{ $labels.account }} within 5 minutes was refused, and not for a fault of their own."
            ),
        ),
        Alert(
            name="ByteSpikeProxyUpstreamFailing",
            severity=Severity.CRITICAL,
            expr=_share(UNANSWERED, "reason", PASSED, least=t.unanswered_ratio, floor=t.unanswered_floor),
            wait="5m",
            board=Board.EXPORTER,
            summary="Most requests through the sidecar get no answer of the API.",
            description=(
                "{{ $value | humanizePercentage }} of what applications sent through the sidecar with the key of "
                "account {{ $labels.account }} within 5 minutes got no answer of the API, or not all of it."
            ),
        ),
    )


def _share(failed: str, of: str, all_: str, *, least: float, floor: float) -> str:
    return f"""\
sum without (instance, {of}) (
  rate({failed}[5m])
)
/ sum without (instance, endpoint, code) (
  rate({all_}[5m])
) > {least:g}
and sum without (instance, {of}) (
  increase({failed}[5m])
) {at_least(floor)}"""
