import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.dispatcher.answer import Answer, DispatcherError, Reason
from exporter.dispatcher.taxonomy import Envelope, judge, parse_error

NOW = 1_780_000_000.0


def openai(*, code: str | None = None, type_: str = "invalid_request_error") -> bytes:
    return json.dumps({"error": {"message": "no", "type": type_, "code": code}}).encode()


def anthropic(type_: str) -> bytes:
    return json.dumps({"type": "error", "error": {"type": type_, "message": "no"}}).encode()


def judged(status: int, body: bytes, headers: dict[str, str] | None = None) -> Answer | DispatcherError:
    return judge(status, httpx.Headers(headers), body, now=NOW)


PAGE = b"<html>Bad gateway</html>"


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        # code before all
        (400, openai(code="invalid_param"), Reason.BAD_REQUEST),
        (401, openai(code="invalid_api_key"), Reason.INVALID_API_KEY),
        (400, openai(code="invalid_api_key"), Reason.INVALID_API_KEY),
        (402, openai(code="insufficient_balance"), Reason.PAYMENT),
        (402, openai(code="quota_exceeded"), Reason.PAYMENT),
        (429, openai(code="quota_exceeded", type_="rate_limit_error"), Reason.PAYMENT),
        (403, openai(code="permission_denied"), Reason.FORBIDDEN),
        (403, openai(code="model_not_in_group"), Reason.FORBIDDEN),
        (429, openai(code="concurrency_limit", type_="rate_limit_error"), Reason.CONCURRENCY),
        (404, openai(code="not_found"), Reason.BAD_ROUTE),
        (404, openai(code="model_not_found"), Reason.BAD_REQUEST),
        (409, openai(code="duplicate_out_task_id"), Reason.BAD_REQUEST),
        (404, openai(code="invalid_api_key", type_="not_found_error"), Reason.INVALID_API_KEY),
        # then the type
        (429, openai(type_="rate_limit_error"), Reason.RATE_LIMITED),
        (429, openai(code="new_limit", type_="rate_limit_error"), Reason.RATE_LIMITED),
        (400, anthropic("authentication_error"), Reason.INVALID_API_KEY),
        (404, anthropic("permission_error"), Reason.FORBIDDEN),
        (413, anthropic("request_too_large"), Reason.BAD_REQUEST),
        (500, anthropic("api_error"), Reason.SERVER),
        (529, anthropic("overloaded_error"), Reason.SERVER),
        (400, anthropic("invalid_request_error"), Reason.BAD_REQUEST),
        (401, anthropic("invalid_request_error"), Reason.INVALID_API_KEY),
        # then the status
        (301, b"", Reason.REDIRECT),
        (307, openai(code="invalid_api_key"), Reason.REDIRECT),
        (101, b"", Reason.BAD_RESPONSE),
        (400, PAGE, Reason.BAD_REQUEST),
        (401, PAGE, Reason.INVALID_API_KEY),
        (402, PAGE, Reason.PAYMENT),
        (403, PAGE, Reason.FORBIDDEN),
        (404, PAGE, Reason.BAD_RESPONSE),
        (404, b"", Reason.BAD_RESPONSE),
        (404, b'{"detail": "Not Found"}', Reason.BAD_RESPONSE),
        (404, b'{"error": "not found"}', Reason.BAD_RESPONSE),
        (404, b"[1]", Reason.BAD_RESPONSE),
        (405, PAGE, Reason.BAD_ROUTE),
        (407, PAGE, Reason.BAD_ROUTE),
        (408, PAGE, Reason.SERVER),
        (413, PAGE, Reason.BAD_REQUEST),
        (422, PAGE, Reason.BAD_REQUEST),
        (429, PAGE, Reason.RATE_LIMITED),
        (451, PAGE, Reason.BAD_REQUEST),
        (500, PAGE, Reason.SERVER),
        (503, b"[" * 100_000, Reason.SERVER),
        (500, openai(code="task_not_found"), Reason.SERVER),
    ],
)
def test_what_a_failed_response_means(status: int, body: bytes, reason: Reason) -> None:
    verdict = judged(status, body)
    assert isinstance(verdict, DispatcherError)
    assert (verdict.reason, verdict.status) == (reason, status)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, openai(code="task_not_found")),
        (400, openai(code="task_not_found")),
        (404, openai(type_="not_found_error")),
        (404, anthropic("not_found_error")),
        (404, openai(code="something_new")),
        (404, b'{"error": {}}'),
    ],
)
def test_a_task_the_api_does_not_know_is_an_answer(status: int, body: bytes) -> None:
    assert judged(status, body) == Answer(None)


def test_the_error_says_status_and_code_and_the_waits() -> None:
    verdict = judged(429, openai(type_="rate_limit_error"), {"Retry-After": "7", "X-RateLimit-Reset": str(NOW + 60)})
    assert isinstance(verdict, DispatcherError)
    assert str(verdict) == "rate_limited: HTTP 429 rate_limit_error"
    assert (verdict.code, verdict.retry_after, verdict.reset_after) == ("rate_limit_error", 7.0, 60.0)


@pytest.mark.parametrize(
    ("body", "envelope"),
    [
        (openai(code="a", type_="b"), Envelope("a", "b")),
        (anthropic("b"), Envelope("", "b")),
        (b'{"error": {"code": 17, "type": ["x"]}}', Envelope()),
        (b'{"error": {"code": "two words", "type": "x\\n"}}', Envelope()),
        (b'{"error": {"code": "' + b"x" * 65 + b'"}}', Envelope()),
        (b'{"error": []}', None),
        (b"nonsense", None),
    ],
)
def test_both_envelopes(body: bytes, envelope: Envelope | None) -> None:
    assert parse_error(body) == envelope


@given(status=st.integers(300, 599), body=st.binary() | st.sampled_from([openai(code="x"), PAGE]))
def test_any_failed_response_has_a_meaning(status: int, body: bytes) -> None:
    verdict = judged(status, body)
    assert isinstance(verdict, DispatcherError) or status == 404
