"""What a response that is not a success means: ``error.code`` before ``error.type`` before the HTTP status."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from exporter.dispatcher.answer import Answer, DispatcherError, Reason
from exporter.dispatcher.payload import decode
from exporter.dispatcher.quota import read_waits

_CODES: Mapping[str, Reason] = {
    "invalid_api_key": Reason.INVALID_API_KEY,
    "insufficient_balance": Reason.PAYMENT,
    "quota_exceeded": Reason.PAYMENT,
    "permission_denied": Reason.FORBIDDEN,
    "model_not_in_group": Reason.FORBIDDEN,
    "concurrency_limit": Reason.CONCURRENCY,
    "not_found": Reason.BAD_ROUTE,
    "invalid_param": Reason.BAD_REQUEST,
    "model_not_found": Reason.BAD_REQUEST,
    "unsupported_model": Reason.BAD_REQUEST,
    "context_length_exceeded": Reason.BAD_REQUEST,
    "duplicate_out_task_id": Reason.BAD_REQUEST,
}

# `invalid_request_error` is left out on purpose: in the OpenAI shape it stands beside any 4xx, whose status says more.
_TYPES = {
    "authentication_error": Reason.INVALID_API_KEY,
    "permission_error": Reason.FORBIDDEN,
    "rate_limit_error": Reason.RATE_LIMITED,
    "request_too_large": Reason.BAD_REQUEST,
    "api_error": Reason.SERVER,
    "overloaded_error": Reason.SERVER,
}

_STATUSES = {
    401: Reason.INVALID_API_KEY,
    402: Reason.PAYMENT,
    403: Reason.FORBIDDEN,
    405: Reason.BAD_ROUTE,
    407: Reason.BAD_ROUTE,  # a proxy that wants credentials of its own
    408: Reason.SERVER,
    425: Reason.SERVER,
    429: Reason.RATE_LIMITED,
}

KNOWN_CODES = frozenset(_CODES)
"""Every ``error.code`` that the documentation names, ``task_not_found`` aside."""

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Envelope:
    """The error object of a body, in the OpenAI or the Anthropic shape; unreadable names are empty."""

    code: str = ""
    type: str = ""


def judge(status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> Answer | DispatcherError:
    """What a response outside 2xx says; ``now`` is Unix seconds.

    The answer "not found" ends a task, so it is taken only from a 4xx that carries the API's error envelope.
    """
    envelope = None if status < 400 else parse_error(body)
    if envelope is not None and _is_not_found(status, envelope):
        return Answer(None)
    waits = read_waits(headers, now=now)
    code = envelope.code or envelope.type if envelope else ""
    return DispatcherError(
        _reason(status, envelope),
        f"HTTP {status} {code}".rstrip(),
        status=status,
        code=code or None,
        retry_after=waits.retry_after,
        reset_after=waits.reset_after,
    )


def parse_error(body: bytes) -> Envelope | None:
    """The error envelope in a body, or None where there is none."""
    try:
        payload = decode(body)
    except DispatcherError:
        return None
    error = payload.get("error") if isinstance(payload, dict) else None
    if not isinstance(error, dict):
        return None
    return Envelope(code=_name(error.get("code")), type=_name(error.get("type")))


def _is_not_found(status: int, envelope: Envelope) -> bool:
    if envelope.code == "task_not_found":
        return 400 <= status < 500
    return status == 404 and envelope.code not in _CODES and envelope.type not in _TYPES


def _reason(status: int, envelope: Envelope | None) -> Reason:
    if status < 400:
        return Reason.REDIRECT if status >= 300 else Reason.BAD_RESPONSE
    known = _CODES.get(envelope.code) or _TYPES.get(envelope.type) if envelope else None
    return known or _reason_of_status(status)


def _reason_of_status(status: int) -> Reason:
    if status == 404:  # without an envelope: a proxy's page, or another server altogether
        return Reason.BAD_RESPONSE
    if status >= 500:
        return Reason.SERVER
    return _STATUSES.get(status, Reason.BAD_REQUEST)


def _name(value: object) -> str:
    return value if isinstance(value, str) and _NAME.fullmatch(value) else ""
