"""What the API says no with: JSON, always of one shape."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from exporter.ledger.ledger import LedgerError
from exporter.registration.registrar import ClosedError, FullError
from exporter.summed import SummedLog
from exporter.web.responses import as_json

Endpoint = Callable[[Request], Awaitable[Response]]

FULL_SECONDS = "60"
"""When to come back to a group that is full: registered tasks end and leave."""


class Refusal(Exception):  # noqa: N818 - it is an answer, not a fault
    """An answer that is not a success; ``errors`` each have a ``message`` and say where they belong."""

    def __init__(self, status: int, *errors: Mapping[str, object], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.errors: Sequence[Mapping[str, object]] = errors
        self.headers = headers or {}


def refusal(status: int, message: str, *, headers: Mapping[str, str] | None = None) -> Refusal:
    """A refusal for one reason."""
    return Refusal(status, {"message": message}, headers=headers)


def answered(endpoint: Endpoint, summed: SummedLog) -> Endpoint:
    """The endpoint with every refusal, of ours and of the parts below, as an answer in JSON."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Refusal as refused:
            return _answer(refused)
        except HTTPException as error:
            return _answer(refusal(error.status_code, error.detail, headers=error.headers))
        except FullError as error:
            return _answer(refusal(429, str(error), headers={"Retry-After": FULL_SECONDS}))
        except ClosedError as error:
            return _answer(refusal(422, str(error)))
        except LedgerError as error:
            summed.warning("api_request_failed", "ledger", error=str(error))
            return _answer(refusal(503, str(error), headers={"Retry-After": "5"}))

    return answer


def _answer(refused: Refusal) -> Response:
    response = as_json({"status": "error", "errors": list(refused.errors)}, refused.status)
    response.headers.update(refused.headers)
    return response


class ConcurrencyLimit:
    """So many requests of a kind at once, and no queue before them: whoever is one too many is told to come back."""

    def __init__(self, most: int) -> None:
        self._free = most

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold a slot; raise a Refusal (429) where there is none."""
        if not self._free:
            raise refusal(429, "too many requests at once", headers={"Retry-After": "1"})
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1
