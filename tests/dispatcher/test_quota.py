import math
from collections.abc import Callable, Mapping

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.dispatcher.answer import Quota
from exporter.dispatcher.exchange import Headers
from exporter.dispatcher.quota import QuotaReader, Waits, merged, read_waits

DATE = "Mon, 25 May 2026 13:59:00 GMT"
AT = 1_779_717_540.0  # DATE as Unix seconds

Sent = list[tuple[str, str]]
Made = Callable[[Sent], Mapping[str, str]]


def ours(sent: Sent) -> Headers:
    return Headers([(name.encode(), value.encode()) for name, value in sent])


@pytest.fixture(params=[httpx.Headers, ours], ids=["httpx", "ours"])
def headers(request: pytest.FixtureRequest) -> Made:
    """Makes the headers of a response as each of the two makes them that speak HTTP."""
    made: Made = request.param
    return made


def test_the_documented_headers_are_read(headers: Made) -> None:
    sent = [
        ("X-RateLimit-Limit", "50.00"),
        ("X-RateLimit-Remaining", "42.18"),
        ("X-RateLimit-Reset", "1716705600"),
        ("X-Quota-Remaining-Credits", "192.40"),
        ("X-Org-Quota-Remaining-Credits", "8420.65"),
    ]
    assert QuotaReader().read(headers(sent)) == Quota(192.40, 8420.65, 50.0, 42.18, 1716705600.0)


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.00", 0.0), ("-1.5", -1.5), ("", None), ("unlimited", None), ("nan", None), ("inf", None), ("1, 2", None)],
)
def test_only_a_finite_number_is_a_quota(headers: Made, text: str, value: float | None) -> None:
    assert QuotaReader().read(headers([("X-Quota-Remaining-Credits", text)])).remaining_credits == value


def test_each_answer_is_read_for_itself(headers: Made) -> None:
    reader = QuotaReader()
    said = [[("X-RateLimit-Limit", text)] for text in ("1", "1", "2")]
    read = [reader.read(headers(sent)) for sent in (*said, [])]
    assert [quota.rate_limit_usd for quota in read] == [1.0, 1.0, 2.0, None]


def test_a_header_sent_twice_is_not_a_number(headers: Made) -> None:
    sent = [("X-RateLimit-Limit", "1"), ("X-RateLimit-Limit", "2")]
    assert QuotaReader().read(headers(sent)) == Quota()


@pytest.mark.parametrize(
    ("headers", "waits"),
    [
        ({}, Waits()),
        ({"Retry-After": "120"}, Waits(retry_after=120.0)),
        ({"Retry-After": "0"}, Waits(retry_after=0.0)),
        ({"Retry-After": "-5"}, Waits()),
        ({"Retry-After": "soon"}, Waits()),
        ({"Retry-After": "Mon, 25 May 2026 14:00:00 GMT"}, Waits(retry_after=60.0)),
        ({"Retry-After": "Monday, 25-May-26 14:00:00 GMT"}, Waits(retry_after=60.0)),
        ({"Retry-After": "Mon, 25 May 2026 14:00:00 -0000"}, Waits(retry_after=60.0)),
        ({"Retry-After": "Mon, 25 May 2026 13:00:00 GMT"}, Waits(retry_after=0.0)),
        ({"Retry-After": "Mon, 99 May 2026 13:00:00 GMT"}, Waits()),
        ({"Retry-After": "Mon, 25 May 2026 14:00:00 GMT" + " " * 100}, Waits()),
        ({"Retry-After": "x" * 100}, Waits()),
        ({"X-RateLimit-Reset": str(AT + 90)}, Waits(reset_after=90.0)),
        ({"X-RateLimit-Reset": str(AT - 90)}, Waits(reset_after=0.0)),
        ({"X-RateLimit-Reset": "tomorrow"}, Waits()),
    ],
)
def test_waits_are_seconds_from_now(headers: dict[str, str], waits: Waits) -> None:
    assert read_waits(httpx.Headers(headers), now=AT) == waits


def test_the_servers_own_date_is_what_times_are_compared_with() -> None:
    headers = httpx.Headers(
        {"Date": DATE, "Retry-After": "Mon, 25 May 2026 14:00:00 GMT", "X-RateLimit-Reset": str(AT + 90)}
    )
    assert read_waits(headers, now=AT + 5000) == Waits(retry_after=60.0, reset_after=90.0)


@given(st.text(st.characters(max_codepoint=0x7F)))
def test_any_header_is_read_or_ignored(text: str) -> None:
    waits = read_waits(httpx.Headers({"Date": text, "Retry-After": text, "X-RateLimit-Reset": text}), now=AT)
    assert all(wait is None or 0 <= wait < math.inf for wait in (waits.retry_after, waits.reset_after))


def test_the_last_values_seen_stay_and_a_bucket_stays_together() -> None:
    old = Quota(1.0, 2.0, 50.0, 40.0, 1000.0)
    assert merged(old, Quota()) == old
    assert merged(old, Quota(remaining_credits=0.0)) == Quota(0.0, 2.0, 50.0, 40.0, 1000.0)
    assert merged(old, Quota(rate_limit_usd=20.0)) == Quota(1.0, 2.0, 20.0, None, None)
