"""What is told of each request to the API, and to whom."""

from collections.abc import Sequence
from typing import Protocol

from exporter.dispatcher.answer import Drift
from exporter.dispatcher.errors import Reason

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
