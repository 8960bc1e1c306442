"""One request to the exporter, by the standard library alone, and what its answer means."""

import http.client
import json
import ssl
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from exporter.client.backlog import Waiting
from exporter.secrets import SecretSource
from exporter.suspects import masked

PATH = "/api/v1/tasks"

TIMEOUT = 5.0
"""Seconds until the exporter has to say something."""

MOST_ANSWERED = 64 << 10
MOST_TOLD = 200
"""Bytes of an answer that are read, and characters of it that are told."""

LONGEST_WAIT = 300.0
"""Seconds, however much later the exporter says to come back."""


class Outcome(StrEnum):
    """What became of a request."""

    REGISTERED = "registered"
    REFUSED = "refused"
    TOO_LARGE = "too large"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the exporter said: ``text`` for people, ``faulty`` are the places of the items that it found fault with,
    ``after`` is how many seconds later it wants to be asked again.
    """

    outcome: Outcome
    text: str = ""
    faulty: Collection[int] = ()
    after: float = 0.0


class Post(Protocol):
    """Whatever brings tasks to an exporter. It raises nothing."""

    def __call__(self, tasks: Sequence[Waiting]) -> Answer: ...


class Exporter:
    """An exporter at a base URL; ``group`` and ``labels`` are those of each task, where they are given.

    It raises ValueError where the URL, or the token, can be none. It is used by one thread.
    """

    def __init__(
        self,
        url: str,
        *,
        group: str | None,
        labels: dict[str, str],
        token: str | None,
        token_file: Path | None,
        ca_file: Path | None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("the exporter's URL has to begin with http:// or https:// and a host")
        if parts.username is not None or parts.query or parts.fragment:
            raise ValueError("the exporter's URL is an address alone: a token belongs in token or token_file")
        if token is not None and not (token.isascii() and token.isprintable()):
            raise ValueError("no header may carry that token")
        if token is not None and token_file is not None:
            raise ValueError("either token or token_file")
        self._is_secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._path = parts.path.rstrip("/") + PATH
        self._common = ({"group": group} if group else {}) | ({"labels": labels} if labels else {})
        self._token, self._token_file, self._ca_file = token, token_file, ca_file
        self._secret: SecretSource | None = None
        self._context: ssl.SSLContext | None = None

    def __call__(self, tasks: Sequence[Waiting]) -> Answer:
        """Register the tasks; whatever stands in the way is an answer, too."""
        try:
            return self._post(json.dumps([self._item(task) for task in tasks]).encode())
        except Exception as error:  # noqa: BLE001 - a thread of the application's: nobody else would hear of it
            return Answer(Outcome.LATER, _told(str(error) or type(error).__name__))

    def _item(self, task: Waiting) -> dict[str, object]:
        submitted_at = datetime.fromtimestamp(task.at, UTC).isoformat(timespec="milliseconds")
        model = {"model": task.model} if task.model else {}
        return {"task_ids": [task.task_id], **model, **self._common, "submitted_at": submitted_at}

    def _post(self, body: bytes) -> Answer:
        connection = self._connection()
        try:
            connection.request("POST", self._path, body, self._headers())
            answer = connection.getresponse()
            if answer.status == http.client.OK and answer.headers.get_content_type() != "application/json":
                return Answer(Outcome.LATER, "what answers there is no exporter: a page came, and no JSON")
            return _understood(answer.status, answer.read(MOST_ANSWERED), answer.getheader("Retry-After", ""))
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if not self._is_secure:
            return http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT)
        if self._context is None:
            self._context = ssl.create_default_context(cafile=self._ca_file)
        return http.client.HTTPSConnection(self._host, self._port, timeout=TIMEOUT, context=self._context)

    def _headers(self) -> dict[str, str]:
        token = self._token if self._token_file is None else self._read(self._token_file)
        bearer = {"Authorization": f"Bearer {token}"} if token else {}
        return {"Content-Type": "application/json", "Connection": "close", **bearer}

    def _read(self, file: Path) -> str | None:
        """The token in the file as it is now: it may be another one than last time."""
        if self._secret is None:
            self._secret = SecretSource(file=file)
        else:
            self._secret.refresh()
        if self._secret.fault is not None:
            raise ValueError(self._secret.fault)
        return self._secret.reveal()


_FAULTY = (400, 415, 422)
_TOO_LARGE = 413


def _understood(status: int, body: bytes, retry_after: str) -> Answer:
    """What else than these is said may be otherwise soon: a token that is renewed, a group that is full, a restart."""
    if status == http.client.OK:
        return Answer(Outcome.REGISTERED)
    errors = _errors(body)
    reasons = [message for error in errors if isinstance(message := error.get("message"), str)]
    text = _told(": ".join([f"answered {status}", *reasons[:1]]))
    if status in _FAULTY:
        return Answer(Outcome.REFUSED, text, {index for e in errors if isinstance(index := e.get("index"), int)})
    if status == _TOO_LARGE:
        return Answer(Outcome.TOO_LARGE, text)
    after = float(retry_after[:9]) if retry_after.isascii() and retry_after.isdecimal() else 0.0
    return Answer(Outcome.LATER, text, after=min(after, LONGEST_WAIT))


def _errors(body: bytes) -> list[dict[str, object]]:
    """What is wrong, as the exporter says it; whoever else answers may say anything."""
    try:
        errors = json.loads(body)["errors"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
    return [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []


def _told(text: str) -> str:
    """Fit for one line of a log that is not ours."""
    return masked("".join(mark if mark.isprintable() else " " for mark in text[:MOST_TOLD]))
