"""The API does not answer, or not as it should."""

from tests.rules.case import Case, Clears, Fires, Quiet
from tests.rules.cases.money import ACCOUNT
from tests.rules.series import Series, counted, histogram, series, steady, together

POLLED = {"endpoint": "tasks/query"}


def held(reason: str, *phases: tuple[int, float]) -> Series:
    return series("bytespike_api_suspended", steady(*phases), reason=reason)


def holding(reason: str, *phases: tuple[int, float], running: float = 1) -> Series:
    """It is held back while tasks are open."""
    open_ = series("bytespike_tasks", steady((sum(minutes for minutes, _ in phases), running)), status="running")
    return together(held(reason, *phases), open_)


def requests(sent: tuple[tuple[int, float], ...], **failed: tuple[tuple[int, float], ...]) -> Series:
    """Requests and, by reason, those that failed."""
    failures = "bytespike_api_request_failures_total"
    return together(
        series("bytespike_api_requests_total", counted(*sent), **POLLED),
        *(series(failures, counted(*phases), reason=reason, **POLLED) for reason, phases in failed.items()),
    )


def latency(*, quick: tuple[tuple[int, float], ...], slow: tuple[tuple[int, float], ...]) -> Series:
    """Answers within half a second, and answers after 2.5 to 5 seconds."""
    both = tuple((minutes, few + many) for (minutes, few), (_, many) in zip(quick, slow, strict=True))
    counts = {"0.5": counted(*quick), "2.5": counted(*quick), "5": counted(*both), "+Inf": counted(*both)}
    return together(requests(both), histogram("bytespike_api_request_duration_seconds", counts, **POLLED))


def drift(*phases: tuple[int, float]) -> Series:
    return series("bytespike_api_schema_drift_total", counted(*phases), kind="unknown_status")


OF_WHAT_IT_ASKS = (
    "of what account default asks the API gets no answer that can be used: timeouts, broken connections, 5xx or "
    "answers that make no sense."
)


def asked(*, up: str, last: str, running: float = 1, suspended: float = 0) -> Series:
    """What came of the last poll, when the last answer came, and what is open; it may be held back for money."""
    return together(
        series("bytespike_up", up),
        series("bytespike_api_last_success_timestamp_seconds", last),
        series("bytespike_tasks", steady((61, running)), status="running"),
        held("payment", (61, suspended)),
        held("server", (61, 0)),
    )


COMES_AND_GOES = ((1, 0), (2, 1)) * 20
"""A third of the time there is an API: no outage lasts three minutes."""


CASES = (
    Case(
        "ByteSpikeAPIKeyRejected",
        fires=Fires(
            at=12,
            series=holding("invalid_api_key", (10, 0), (20, 1)),
            labels={**ACCOUNT, "reason": "invalid_api_key"},
            description="The key of account default is missing or is rejected (401): polling is held back.",
        ),
        quiet=(
            Quiet("it is held back for another reason", 30, holding("server", (10, 0), (20, 1))),
            Quiet("nothing is open", 30, holding("invalid_api_key", (10, 0), (20, 1), running=0)),
        ),
        clears=Clears(firing=19, over=20, series=holding("invalid_api_key", (10, 0), (10, 1), (20, 0))),
    ),
    Case(
        "ByteSpikeAccountSuspended",
        fires=Fires(
            at=15,
            series=holding("payment", (10, 0), (20, 1)),
            labels={**ACCOUNT, "reason": "payment"},
            description="Polling of account default is held back: payment.",
        ),
        quiet=(
            Quiet("the cap of requests in flight is reached", 30, holding("concurrency", (10, 0), (20, 1))),
            Quiet("nothing is open", 30, holding("payment", (10, 0), (20, 1), running=0)),
            Quiet("it is over at once", 30, holding("rate_limited", (10, 0), (3, 1), (3, 0), (3, 1), (11, 0))),
        ),
        clears=Clears(firing=19, over=20, series=holding("payment", (10, 0), (10, 1), (20, 0))),
    ),
    Case(
        "ByteSpikeUpstreamDown",
        fires=Fires(  # an outage of eight minutes, in which hardly anything is sent
            at=13,
            series=together(
                holding("server", (10, 0), (8, 1), (20, 0)),
                requests(((10, 10), (8, 2), (20, 10)), server=((10, 0), (8, 2), (20, 0))),
            ),
            labels=ACCOUNT,
            description=f"100% {OF_WHAT_IT_ASKS}",
        ),
        quiet=(
            Quiet("the API refuses, so it answers", 60, requests(((60, 10),), invalid_api_key=((60, 10),))),
            Quiet("it refuses for hours", 60, asked(up="0+0x60", last="0+0x60", suspended=1)),
            Quiet("a fifth fails", 60, requests(((60, 10),), server=((60, 2),))),
            Quiet("too few to tell", 60, requests(((60, 0.2),), server=((60, 0.2),))),
            Quiet("two minutes", 60, holding("timeout", (10, 0), (2, 1), (50, 0))),
            Quiet("two minutes right after the first start", 60, holding("timeout", (1, 0), (2, 1), (50, 0))),
            Quiet("two minutes each quarter of an hour", 60, holding("timeout", *((13, 0), (2, 1)) * 4)),
            # its tasks are gone, and so nobody finds out that the API is back
            Quiet("it is held back, and nothing is open", 60, holding("timeout", (10, 0), (50, 1), running=0)),
            Quiet("it came and went, and nothing is open", 60, holding("timeout", *COMES_AND_GOES, running=0)),
            # few good tasks, asked seldom, and a poisoned one in between, which is what is seen nearly always
            Quiet("a poisoned task", 60, asked(up="1 0+0x3 " * 12, last=" ".join(f"{240 * n}+0x3" for n in range(16)))),
            Quiet("nothing is open", 60, asked(up="0+0x60", last="0+0x60", running=0)),
        ),
        clears=Clears(firing=17, over=20, series=holding("connect", (10, 0), (8, 1), (20, 0))),
        also=(
            Fires(
                at=16,
                series=requests(((60, 10),), server=((9, 0), (51, 6)), timeout=((9, 0), (51, 2))),
                labels=ACCOUNT,
                read=30,
                description=f"80% {OF_WHAT_IT_ASKS}",
            ),
            Fires(  # it comes and goes, and is asked most while it is there
                at=13,
                series=together(
                    holding("server", *COMES_AND_GOES),
                    requests(((1, 30), (2, 3)) * 20, server=((1, 0), (2, 3)) * 20),
                ),
                labels=ACCOUNT,
                description=f"100% {OF_WHAT_IT_ASKS}",
            ),
            Fires(  # others use up the account's cap all the time, and no answer ever comes
                at=14,
                series=together(asked(up="0+0x60", last="0+0x60"), held("concurrency", *((1, 1), (1, 0)) * 30)),
                labels=ACCOUNT,
                description=f"100% {OF_WHAT_IT_ASKS}",
            ),
            Fires(  # one task alone is asked about, now and then: that is not enough to hold the account back
                at=14,
                series=asked(up="0+0x60", last="0+0x60"),
                labels=ACCOUNT,
                description=f"100% {OF_WHAT_IT_ASKS}",
            ),
        ),
    ),
    Case(
        "ByteSpikeConcurrencyExhausted",
        fires=Fires(
            at=22,
            series=requests(((60, 10),), concurrency=((9, 0), (51, 5))),
            labels=ACCOUNT,
            description=(
                "50% of the requests of account default were refused within 5 minutes, for too many were in flight."
            ),
        ),
        quiet=(
            Quiet("one in ten is refused", 60, requests(((60, 10),), concurrency=((60, 1),))),
            Quiet("too few to tell", 60, requests(((60, 0.2),), concurrency=((60, 0.2),))),
        ),
        also=(
            Fires(  # each refusal holds the account back for half a minute
                at=22,
                series=requests(((9, 10), (51, 2)), concurrency=((9, 0), (51, 2))),
                labels=ACCOUNT,
                read=30,
                description=(
                    "100% of the requests of account default were refused within 5 minutes, for too many were in "
                    "flight."
                ),
            ),
        ),
        clears=Clears(firing=40, over=45, series=requests(((90, 10),), concurrency=((40, 5), (50, 0)))),
    ),
    Case(
        "ByteSpikeUpstreamSlow",
        fires=Fires(
            at=21,
            series=latency(quick=((9, 10), (60, 8)), slow=((9, 0), (60, 2))),
            labels=ACCOUNT,
            description="One request in twenty of account default took longer than 4.375s within 5 minutes.",
        ),
        quiet=(
            Quiet("one in fifty is slow", 60, latency(quick=((60, 49),), slow=((60, 1),))),
            Quiet("too few to tell", 60, latency(quick=((60, 0),), slow=((60, 0.2),))),
            Quiet(
                "these are the timeouts of an outage",
                80,
                together(
                    latency(quick=((9, 10), (20, 0), (51, 10)), slow=((9, 0), (20, 2), (51, 0))),
                    held("timeout", (10, 0), (20, 1), (51, 0)),
                ),
            ),
        ),
        clears=Clears(firing=40, over=46, series=latency(quick=((40, 8), (40, 10)), slow=((40, 2), (40, 0)))),
    ),
    Case(
        "ByteSpikeSchemaDrift",
        fires=Fires(
            at=15,
            series=drift((9, 0), (1, 3), (60, 0)),
            labels={**ACCOUNT, "kind": "unknown_status"},
            description=(
                "Within 30 minutes 3 answers to account default departed from the documentation: unknown_status."
            ),
        ),
        quiet=(
            Quiet(
                "it was long ago",
                60,
                series("bytespike_api_schema_drift_total", steady((60, 12)), kind="unknown_status"),
            ),
        ),
        clears=Clears(firing=35, over=41, series=drift((9, 0), (1, 3), (60, 0))),
    ),
)
