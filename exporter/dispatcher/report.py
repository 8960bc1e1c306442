"""What is told of an account's requests: to whoever counts them, and to the log."""

from collections.abc import Sequence
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from exporter.dispatcher.answer import DispatcherError, Drift, Reason
from exporter.dispatcher.gate import Suspension

QUERY_ENDPOINT = "tasks/query"
STREAM_ENDPOINT = "tasks/stream"


class RequestLog(Protocol):
    """Whoever counts the requests."""

    def request_finished(
        self, account: str, endpoint: str, *, seconds: float, failure: Reason | None, drift: Sequence[Drift]
    ) -> None:
        """A request ended, with an answer (``failure`` is None) or without one.

        ``seconds`` are those until the answer had come, of a stream until its headers had.
        """
        ...


QUIET = 60.0
"""Seconds between two lines of one account on the same event and reason."""


class AccountLog:
    """The account's log lines; times are monotonic seconds."""

    def __init__(self, logger: FilteringBoundLogger, account: str) -> None:
        self._logger = logger.bind(account=account)
        self._said_at: dict[tuple[str, Reason], float] = {}
        self._unsaid: dict[Reason, int] = {}
        self._announced: Reason | None = None

    def failed(self, error: DispatcherError, now: float) -> None:
        """A request failed."""
        if not self._may_say("query_failed", error.reason, now):
            self._unsaid[error.reason] = self._unsaid.get(error.reason, 0) + 1
            return
        repeated = self._unsaid.pop(error.reason, 0)
        more = {"repeated": repeated} if repeated else {}
        self._logger.warning("query_failed", reason=error.reason.value, detail=error.detail, **more)

    def suspension(self, before: Suspension | None, after: Suspension | None, now: float) -> None:
        """Polling was held back, or goes on."""
        old, new = before and before.reason, after and after.reason
        if old == new:
            return
        if after is None:
            self._resumed()
        elif after.reason is not Reason.CONCURRENCY:  # that one ends by itself in seconds
            self._suspended(after, now)

    def key_changed(self) -> None:
        self._logger.info("api_key_changed")

    def key_missing(self, fault: str | None) -> None:
        self._logger.error("api_key_missing", fault=fault)

    def _suspended(self, suspension: Suspension, now: float) -> None:
        if self._may_say("polling_suspended", suspension.reason, now):
            self._announced = suspension.reason
            seconds = round(suspension.until - now, 1)
            self._logger.warning("polling_suspended", reason=suspension.reason.value, next_try_in=seconds)

    def _resumed(self) -> None:
        if self._announced is not None:
            unsaid = sum(self._unsaid.values())
            self._logger.info("polling_resumed", reason=self._announced.value, failures_not_logged=unsaid)
            self._unsaid.clear()
            self._announced = None

    def _may_say(self, event: str, reason: Reason, now: float) -> bool:
        said_at = self._said_at.get((event, reason))
        if said_at is not None and now - said_at < QUIET:
            return False
        self._said_at[event, reason] = now
        return True
