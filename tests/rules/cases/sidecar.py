"""What applications send through the sidecar comes to nothing."""

from tests.rules.case import Case, Clears, Fires, Quiet
from tests.rules.cases.money import ACCOUNT
from tests.rules.series import Series, counted, series, together

Phases = tuple[tuple[int, float], ...]


def submissions(passed: Phases, *, account: str = "default", **refused: Phases) -> Series:
    """Submissions that passed, refused ones among them, and those by their code."""
    failures = "bytespike_proxy_submissions_failed_total"
    return together(
        series("bytespike_proxy_requests_total", counted(*passed), endpoint="submit", code="200", account=account),
        *(series(failures, counted(*phases), error_code=code, account=account) for code, phases in refused.items()),
    )


def requests(passed: Phases, *, account: str = "default", **unanswered: Phases) -> Series:
    """Requests of all kinds that passed, and by its reason what got no answer."""
    failures = "bytespike_proxy_upstream_failures_total"
    return together(
        series("bytespike_proxy_requests_total", counted(*passed), endpoint="query", code="200", account=account),
        *(series(failures, counted(*phases), reason=reason, account=account) for reason, phases in unanswered.items()),
    )


TROUBLE = ((10, 0), (20, 10), (20, 0))
"""All is well, then all ten a minute fail, then all is well."""

CASES = (
    Case(
        "ByteSpikeSubmissionsFailing",
        fires=Fires(
            at=18,
            series=submissions(((50, 10),), insufficient_balance=TROUBLE),
            labels=ACCOUNT,
            description=(
                "100% of what applications submitted with the key of account default within 5 minutes was refused, and "
                "not for a fault of their own."
            ),
        ),
        quiet=(
            Quiet("an application asks for what there is not", 50, submissions(((50, 10),), invalid_param=((50, 10),))),
            Quiet("it asks for a model of another group", 50, submissions(((50, 10),), model_not_in_group=((50, 10),))),
            Quiet("its ids are taken", 50, submissions(((50, 10),), duplicate_out_task_id=((50, 10),))),
            Quiet("it fills the account's cap", 50, submissions(((50, 60),), concurrency_limit=((50, 50),))),
            Quiet("one client has a wrong key", 50, submissions(((50, 60),), account="", invalid_api_key=((50, 60),))),
            Quiet("four in ten are refused", 50, submissions(((50, 20),), server=((50, 8),))),
            Quiet("an application that tries once a minute", 50, submissions(((50, 1),), payment=((50, 1),))),
            Quiet("it is over soon", 50, submissions(((50, 10),), server=((10, 0), (4, 10), (36, 0)))),
        ),
        clears=Clears(firing=30, over=33, series=submissions(((50, 10),), server=TROUBLE)),
    ),
    Case(
        "ByteSpikeProxyUpstreamFailing",
        fires=Fires(
            at=18,
            series=requests(((50, 10),), certificate=TROUBLE),
            labels=ACCOUNT,
            description=(
                "100% of what applications sent through the sidecar with the key of account default within 5 minutes "
                "got no answer of the API, or not all of it."
            ),
        ),
        quiet=(
            Quiet("a stranger's requests", 50, requests(((50, 10),), account="", unreachable=((50, 10),))),
            Quiet("four in ten", 50, requests(((50, 20),), timeout=((50, 8),))),
            Quiet("one request that hangs is tried again and again", 50, requests(((50, 1),), timeout=((50, 1),))),
            Quiet("it is over soon", 50, requests(((50, 10),), cut=((10, 0), (4, 10), (36, 0)))),
        ),
        clears=Clears(firing=30, over=33, series=requests(((50, 10),), unreachable=TROUBLE)),
    ),
)
