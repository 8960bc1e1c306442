"""Asks a running exporter how its tasks are. It changes nothing, and nobody upstream is asked."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec
from prometheus_client.parser import text_string_to_metric_families
from socksio.exceptions import SOCKSError

from exporter.errors import ExporterError
from exporter.threads import in_thread
from exporter.version import version
from exporter.watch.address import AddressError
from exporter.watch.overview import BY_WEIGHT, FAMILIES, Filters, Overview, Sums, Task, sums_of

TIMEOUT = 10.0
"""Seconds that one answer may take in all."""

MOST_BYTES = 32 << 20
"""An answer may have so many."""

MOST_OF_EACH = 1000
"""So many tasks of each status are asked for: what one page of the API holds."""

_REFUSALS = {
    401: "the token or password is missing or wrong: --token-file, or --user with --password-file",
    403: "this is not let in: without a token the exporter answers on its own machine only (docs/security.md)",
    404: "there is no such path: is this the exporter, and is its prefix a part of --url?",
    429: "too many requests, or too many wrong credentials",
}


class NoAnswerError(ExporterError):
    """The exporter gave no answer that can be understood. ``is_refusal``: asking again soon would not help."""

    def __init__(self, reason: str, *, is_refusal: bool = False) -> None:
        super().__init__(reason)
        self.is_refusal = is_refusal


class _Listed(msgspec.Struct, frozen=True):
    """A page of ``GET /api/v1/tasks``."""

    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class _Answer:
    body: bytes
    at: datetime


class ExporterClient:
    """Asks one exporter, one request after another, within an ``async with`` block.

    ``authorize`` is called before each round, in a thread, and may raise AddressError; ``wall`` tells Unix seconds.
    """

    def __init__(
        self,
        url: str,
        *,
        transport: httpx.AsyncBaseTransport,
        authorize: Callable[[], Mapping[str, str]],
        wall: Callable[[], float],
        telemetry_path: str = "/metrics",
        timeout: float = TIMEOUT,
    ) -> None:
        self._url = url
        self._authorize = authorize
        self._wall = wall
        self._telemetry_path = telemetry_path
        self._timeout = timeout
        agent = {"User-Agent": f"bytespike-exporter/{version()}"}
        self._http = httpx.AsyncClient(transport=transport, timeout=timeout, headers=agent, trust_env=False)

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    async def overview(self, filters: Filters) -> Overview:
        """How everything is now; raises NoAnswerError. Of a status that no task has, no task is asked for."""
        try:
            headers = await in_thread(self._authorize)
        except AddressError as error:
            raise NoAnswerError(str(error), is_refusal=True) from None
        answer = await self._get(self._telemetry_path, headers, {"name[]": list(FAMILIES)})
        sums = _sums(answer.body, filters)
        tasks: list[Task] = []
        for status in BY_WEIGHT:
            if sums.by_status.get(status):
                tasks += await self._tasks(status, filters, headers)
        return Overview(answer.at, sums, tuple(tasks))

    async def _tasks(self, status: str, filters: Filters, headers: Mapping[str, str]) -> tuple[Task, ...]:
        wanted = {"status": status, "limit": MOST_OF_EACH, "group": filters.group, "account": filters.account}
        params = {name: value for name, value in wanted.items() if value is not None}
        answer = await self._get("/api/v1/tasks", headers, params)
        try:
            return msgspec.json.decode(answer.body, type=_Listed).tasks
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise NoAnswerError("the list of tasks is not one of this exporter's") from None

    async def _get(self, path: str, headers: Mapping[str, str], params: Mapping[str, Any]) -> _Answer:
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._http.stream("GET", f"{self._url}{path}", headers=headers, params=params) as response,
            ):
                if response.status_code != httpx.codes.OK:
                    raise _refusal(response.status_code, path)
                return _Answer(await _body(response), _date(response, self._wall()))
        except (TimeoutError, httpx.TimeoutException):
            raise NoAnswerError(f"no whole answer within {self._timeout:g} s") from None
        except (httpx.HTTPError, SOCKSError) as error:  # httpx lets the latter through as it is
            # in words of ours: a foreign text may quote the request
            raise NoAnswerError(_fault(error)) from None


def _sums(body: bytes, filters: Filters) -> Sums:
    try:
        families = text_string_to_metric_families(body.decode())
        return sums_of((sample for family in families for sample in family.samples), filters)
    except (ValueError, KeyError):
        raise NoAnswerError("the metrics are not those of this exporter") from None


async def _body(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MOST_BYTES:
            raise NoAnswerError(f"an answer of more than {MOST_BYTES >> 20} MiB; narrow it by --group or --account")
    return bytes(body)


def _refusal(status: int, path: str) -> NoAnswerError:
    reason = _REFUSALS.get(status)
    return NoAnswerError(f"HTTP {status} from {path}{f': {reason}' if reason else ''}", is_refusal=reason is not None)


def _fault(error: Exception) -> str:
    match error:
        case httpx.ConnectError() if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return "its certificate is not trusted: --ca-file"
        case httpx.ConnectError() | httpx.ProxyError() | SOCKSError():
            return "no connection"
        case httpx.DecodingError():
            return "an answer that cannot be decoded"
        case _:
            return "the connection was lost"


def _date(response: httpx.Response, now: float) -> datetime:
    """When it was answered, by the exporter's clock: ages are reckoned by the clock that dated the tasks."""
    try:
        return parsedate_to_datetime(response.headers.get("Date", "")).astimezone(UTC)
    except (ValueError, OverflowError):
        return datetime.fromtimestamp(now, UTC)
