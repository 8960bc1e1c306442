"""What every request of the API passes: the key, the concurrency cap, the scenarios, the size limit, the books.

The order of the checks is undocumented (here 401, concurrency, scenarios, 413, 400, 404/403, 402, 429: invented).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import get_args

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from exporter.simulator.accounts import Caller
from exporter.simulator.answers import error_answer, garbage, money_headers
from exporter.simulator.backend import Backend
from exporter.simulator.books import UNKNOWN, TrackedRequest
from exporter.simulator.errors import ApiError
from exporter.simulator.scenarios import (
    Effect,
    Forbidden,
    Garbage,
    GarbageKind,
    KeyRevoked,
    Outage,
    PaymentRequired,
    RateLimitStorm,
    SlowAnswers,
)
from exporter.simulator.simulator import Simulator

MAX_BODY_BYTES = 1 << 20
CLIENT_GONE = 499
"""How the books mark a request whose client left before the answer."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request that may be served: whose it is, its path, its body, and whether its client has left since."""

    simulator: Simulator
    caller: Caller
    path_id: str | None
    body: bytes
    has_left: Callable[[], Awaitable[bool]]

    @property
    def backend(self) -> Backend:
        return self.simulator.backend

    def now(self) -> float:
        """Unix seconds."""
        return self.simulator.now()


Handler = Callable[[Call], Awaitable[Response]]


class Gate:
    """The ASGI application of one endpoint of the API."""

    def __init__(self, simulator: Simulator, endpoint: str, handler: Handler) -> None:
        self._simulator = simulator
        self._endpoint = endpoint
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        simulator, request = self._simulator, Request(scope, receive)
        caller = simulator.keyring.find(secret_of(request.headers))
        account = caller.account.name if caller else UNKNOWN
        with simulator.traffic.track(account, self._endpoint, now=simulator.now()) as tracked:
            tracked.status = CLIENT_GONE
            response = await self._respond(request, caller, tracked)
            if response is not None:
                tracked.status = response.status_code
                await response(scope, receive, send)

    async def _respond(self, request: Request, caller: Caller | None, tracked: TrackedRequest) -> Response | None:
        try:
            response = await self._serve(request, caller, tracked)
        except ApiError as error:
            response = error_answer(error, self._simulator.options.error_shape)
        except ClientDisconnect:
            return None
        if caller is not None:
            self._simulator.backend.advance(self._simulator.now())
            response.headers.update(money_headers(self._simulator.backend, caller))
        return response

    async def _serve(self, request: Request, caller: Caller | None, tracked: TrackedRequest) -> Response:
        simulator = self._simulator
        caller = simulator.keyring.require(caller)
        if tracked.in_flight > caller.account.concurrency:
            raise ApiError.concurrency()
        if simulator.options.response_latency:
            await simulator.clock.sleep(simulator.options.response_latency)
        for effect in simulator.schedule.effects(caller.account.name, simulator.now()):
            if simulator.hits(effect) and (answer := await self._apply(effect, caller)):
                return answer
        body = await read_body(request)
        return await self._handler(
            Call(simulator, caller, request.path_params.get("task_id"), body, request.is_disconnected)
        )

    async def _apply(self, effect: Effect, caller: Caller) -> Response | None:
        match effect:
            case SlowAnswers():
                await self._simulator.clock.sleep(effect.seconds)
            case KeyRevoked() if effect.key in ("", caller.key.name):
                raise ApiError.invalid_api_key()
            case Garbage():
                kind = self._simulator.draw(get_args(GarbageKind)) if effect.kind == "mixed" else effect.kind
                return garbage(kind)
            case _:
                _refuse(effect)
        return None


def secret_of(headers: Headers) -> str | None:
    """The API key of a request: ``x-api-key`` wins over ``Authorization: Bearer``."""
    own = headers.get("x-api-key")
    if own is not None:
        return own
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else None


async def read_body(request: Request) -> bytes:
    """The body, no more than the limit of it; raises ApiError 413."""
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > MAX_BODY_BYTES:
        raise ApiError.too_large(MAX_BODY_BYTES)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise ApiError.too_large(MAX_BODY_BYTES)
    return bytes(body)


def _refuse(effect: Effect) -> None:
    match effect:
        case RateLimitStorm(code="concurrency_limit"):
            raise ApiError.concurrency(effect.retry_after)
        case RateLimitStorm():
            raise ApiError.spend("rate_limit_5h exceeded (simulated)", effect.retry_after)
        case Outage():
            raise ApiError.server(effect.status)
        case PaymentRequired():
            raise ApiError.payment(effect.code, "There is no money left (simulated).")
        case Forbidden():
            raise ApiError.forbidden(effect.code, "This key may not do that (simulated).")
