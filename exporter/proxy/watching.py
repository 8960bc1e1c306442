"""What is learnt from the traffic: new tasks, what the API says of known ones, and how submitting goes.

Everything that is learnt goes the way of every registration and of every answer. What cannot be read is counted, and
never disturbs what passes.
"""

import asyncio
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from exporter.clock import Clock
from exporter.dispatcher.answer import Answer, DispatcherError, Reason
from exporter.dispatcher.payload import conceal, unpack
from exporter.dispatcher.taxonomy import KNOWN_CODES, judge
from exporter.errors import ExporterError
from exporter.metrics.families.proxy import UNANSWERED, UpstreamFault
from exporter.proxy.exchange import Copy, Exchange, Room, Route, Sink
from exporter.proxy.head import RequestHead
from exporter.proxy.reaching import Upstream
from exporter.proxy.reading import (
    Endpoint,
    Events,
    NotUnderstoodError,
    Submission,
    Target,
    asked_for,
    read_answer,
    read_submission,
)
from exporter.summed import SummedLog
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Registration
from exporter.tasks.observation import Status

LEARNING_LIMIT = 1000
"""So many tasks may wait to be followed; what is learnt beyond them is not kept."""


class Following(Protocol):
    """What the watcher needs of the exporter."""

    def owner(self, key: str) -> str | None:
        """The account whose key this is, compared in constant time."""

    def upstream(self, account: str | None) -> Upstream:
        """Where the requests of an account go; None: those of a key that is not configured."""

    def group_of(self, account: str, model: str) -> str | None:
        """The task group that takes what an account submits with this model; None where no group takes any."""

    def is_followed(self, ref: TaskRef) -> bool: ...
    def submitted(self, ref: TaskRef) -> None:
        """The submission of a task that is followed since has been answered."""

    async def register(self, registration: Registration) -> None:
        """Follow a task from now on; raises ExporterError."""

    def answer(self, ref: TaskRef, answer: Answer, *, is_query: bool) -> None: ...
    def make_way(self, account: str, error: DispatcherError) -> None:
        """The application has met the concurrency cap: requests of ours would only take its places."""


class Counting(Protocol):
    """Counts what passes."""

    def proxied(self, account: str, endpoint: str, code: str, *, seconds: float) -> None: ...
    def upstream_failed(self, account: str, fault: UpstreamFault) -> None: ...
    def submission_failed(self, account: str, error_code: str) -> None: ...
    def learnt(self, account: str, group: str) -> None: ...
    def not_understood(self, endpoint: str) -> None: ...


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _Watched(Route):
    """A route, and whose request takes it. The key is not kept beyond the exchange."""

    account: str
    target: Target
    key: str = field(repr=False)


class TrafficWatcher:
    """Watches every exchange of a sidecar. All methods belong to the event loop."""

    def __init__(self, following: Following, counting: Counting, *, clock: Clock, log: SummedLog) -> None:
        self._following = following
        self._counting = counting
        self._clock = clock
        self._log = log
        self.in_flight = 0
        """Requests that are not over."""
        self._waiting = 0  # tasks that are about to be followed
        self._room = Room()

    def route(self, head: RequestHead) -> Route:
        """Where a request goes, by the key that it carries."""
        self.in_flight += 1
        key = key_of(head)
        account = self._following.owner(key) if key else None
        target = Target.of(head.method, head.target)
        asked, told = self._sinks(target, account, key) if account else (None, None)
        return _Watched(
            self._following.upstream(account),
            asked,
            told,
            is_held=asked is not None and target.endpoint is Endpoint.SUBMIT,
            account=account or "",
            target=target,
            key=key,
        )

    def passed(self, exchange: Exchange) -> Coroutine[Any, Any, None] | None:
        """Count an exchange, and learn what it says; what is returned makes a new task durable."""
        self.in_flight -= 1
        route = exchange.route
        if not isinstance(route, _Watched):
            raise TypeError("not a route of this watcher")
        seconds = asyncio.get_running_loop().time() - exchange.began_at
        endpoint = route.target.endpoint
        self._counting.proxied(route.account, endpoint, _code(exchange), seconds=seconds)
        if exchange.fault is not None:
            self._counting.upstream_failed(route.account, exchange.fault)
        try:
            if not route.account or exchange.is_ours or exchange.is_cut or endpoint is Endpoint.OTHER:
                return None
            return self._learn(exchange, route)
        except NotUnderstoodError:
            self._counting.not_understood(endpoint)
        except Exception as fault:  # noqa: BLE001 - whatever it is, the traffic goes on
            self._counting.not_understood(endpoint)
            self._log.error("proxy_learning_failed", str(endpoint), exc_info=fault)
        finally:
            for copy in (route.asked, route.told):
                if isinstance(copy, Copy):
                    copy.drop()
        return None

    # ---- what an exchange says -------------------------------------------------------------------------------------

    def _sinks(self, target: Target, account: str, key: str) -> tuple[Sink | None, Sink | None]:
        match target.endpoint:
            case Endpoint.SUBMIT | Endpoint.QUERY | Endpoint.CANCEL:
                return Copy(self._room), Copy(self._room)
            case Endpoint.STREAM if target.task_id:
                ref = TaskRef(account, task_id=target.task_id)
                return None, Events(ref, self._streamed, key=key)
            case _:
                return None, None

    def _learn(self, exchange: Exchange, route: _Watched) -> Coroutine[Any, Any, None] | None:
        if not isinstance(route.asked, Copy) or not isinstance(route.told, Copy):
            return None
        if self._waiting >= LEARNING_LIMIT or exchange.is_blind or not (route.asked.is_whole and route.told.is_whole):
            raise NotUnderstoodError("too much, too long, or no HTTP")
        asked, headers = route.asked.content, _Headers(exchange)
        told = _unpacked(route.told.content, headers)
        if not 200 <= exchange.code < 300:
            return self._learn_refusal(exchange.code, headers, asked, told, route)
        if route.target.endpoint is Endpoint.SUBMIT:
            submission = read_submission(asked, told, account=route.account, key=route.key)
            return self._submitted(submission, began_at=exchange.began_at)
        ref, answer = read_answer(asked, told, target=route.target, account=route.account, key=route.key)
        return self._answered(ref, answer)

    def _learn_refusal(
        self, code: int, headers: Mapping[str, str], asked: bytes, told: bytes, route: _Watched
    ) -> Coroutine[Any, Any, None] | None:
        verdict = judge(code, headers, conceal(told, route.key), now=self._clock.wall())
        if isinstance(verdict, DispatcherError) and verdict.reason is Reason.CONCURRENCY:
            self._following.make_way(route.account, verdict)
        if route.target.endpoint is Endpoint.SUBMIT:
            self._counting.submission_failed(route.account, _error_code(verdict))
        elif isinstance(verdict, Answer):
            ref = asked_for(asked, target=route.target, account=route.account)
            if self._following.is_followed(ref):
                self._following.answer(ref, verdict, is_query=True)
        return None

    # ---- what is made of it ----------------------------------------------------------------------------------------

    async def _submitted(self, submission: Submission, *, began_at: float) -> None:
        """Follow a new task. Of one that was there before (an idempotent submission), nobody knows since when."""
        answer = submission.answer
        is_new = answer is None or (answer.observation is not None and answer.observation.status is Status.PENDING)
        ago = asyncio.get_running_loop().time() - began_at
        at = self._clock.wall() - ago if is_new else None
        is_learnt = await self._follow(submission.ref, submission.model, submitted_at=at, answer=answer)
        if is_learnt:
            self._following.submitted(submission.ref)

    def _answered(self, ref: TaskRef, answer: Answer) -> Coroutine[Any, Any, None] | None:
        if not self._following.is_followed(ref):
            return self._come_upon(ref, answer)
        self._following.answer(ref, answer, is_query=True)
        return None

    async def _come_upon(self, ref: TaskRef, answer: Answer) -> None:
        """Follow a task that the application asks about; nobody knows since when it is there."""
        await self._follow(ref, "", submitted_at=None, answer=answer)

    def _streamed(self, ref: TaskRef, answer: Answer) -> None:
        if self._following.is_followed(ref):
            self._following.answer(ref, answer, is_query=False)

    async def _follow(self, ref: TaskRef, model: str, *, submitted_at: float | None, answer: Answer | None) -> bool:
        """Follow a task from now on; say whether it is one that nobody has followed yet."""
        group = self._following.group_of(ref.account, model)
        if group is None:
            return False
        name = TaskRef(ref.account, task_id=ref.task_id) if ref.task_id else ref
        is_new = not self._following.is_followed(name)
        self._waiting += 1
        try:
            await self._following.register(
                Registration(group, name, self._clock.wall(), model, submitted_at=submitted_at)
            )
        except ExporterError as error:
            self._log.warning("proxy_task_not_followed", group, account=ref.account, reason=str(error))
            return False
        finally:
            self._waiting -= 1
        if is_new:
            self._counting.learnt(ref.account, group)
        if answer is not None:
            self._following.answer(name, answer, is_query=True)
        return is_new


def key_of(head: RequestHead) -> str:
    """The API key that a request carries; ``x-api-key`` wins, as it does at the API. Empty where there is none."""
    for value in head.values(b"x-api-key"):
        return value.decode("latin-1").strip()
    for value in head.values(b"authorization"):
        scheme, _, key = value.decode("latin-1").partition(" ")
        if scheme.lower() == "bearer":
            return key.strip()
    return ""


class _Headers(Mapping[str, str]):
    """The headers of an answer, found whatever their case."""

    def __init__(self, exchange: Exchange) -> None:
        fields = exchange.answer_head.fields if exchange.answer_head else ()
        self._values = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in fields}

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def _unpacked(body: bytes, headers: Mapping[str, str]) -> bytes:
    try:
        return unpack(body, headers.get("Content-Encoding", ""))
    except DispatcherError as error:
        raise NotUnderstoodError(error.detail) from None


def _code(exchange: Exchange) -> str:
    return str(exchange.code) if exchange.code else UNANSWERED


def _error_code(verdict: Answer | DispatcherError) -> str:
    """One of a closed set: the API's own code where it is documented, and else what it comes to."""
    if isinstance(verdict, Answer):
        return str(Reason.BAD_REQUEST)
    return verdict.code if verdict.code in KNOWN_CODES else str(verdict.reason)
