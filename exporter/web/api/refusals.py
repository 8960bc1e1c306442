"""What the API says no with: JSON, always of one shape."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from exporter.ledger.ledger import LedgerError
from exporter.registration.registrar import ClosedError, FullError
from exporter.summed import SummedLog
from exporter.web.responses import as_json, shortened

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


def answered(endpoint: Endpoint, summed: SummedLog, mask: Callable[[str], str]) -> Endpoint:
    """The endpoint with every refusal, of ours and of the parts below, as an answer in JSON, without what is masked."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Refusal as raised:
            refused = raised
        except HTTPException as error:
            refused = refusal(error.status_code, error.detail, headers=error.headers)
        except FullError as error:
            refused = refusal(429, str(error), headers={"Retry-After": FULL_SECONDS})
        except ClosedError as error:
            refused = refusal(422, str(error))
        except LedgerError as error:
            summed.warning("api_request_failed", "ledger", error=str(error))
            refused = refusal(503, str(error), headers={"Retry-After": "5"})
        return _answer(refused, mask)

    return answer


def _answer(refused: Refusal, mask: Callable[[str], str]) -> Response:
    response = as_json({"status": "error", "errors": _masked(shortened(refused.errors), mask)}, refused.status)
    response.headers.update(refused.headers)
    return response


def _masked(errors: Sequence[Mapping[str, object]], mask: Callable[[str], str]) -> list[dict[str, object]]:
    """The errors without a secret that the request may have brought."""
    return [{key: mask(value) if isinstance(value, str) else value for key, value in error.items()} for error in errors]


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
