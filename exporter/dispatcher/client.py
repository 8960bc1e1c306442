"""One account's client: one question, one answer, nothing remembered. Of a stream, the answers as they come."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass

import msgspec

from exporter.dispatcher.answer import Answer, DispatcherError, Quota, Reason
from exporter.dispatcher.connection import SILENCE_LIMIT, Connection
from exporter.dispatcher.exchange import Again, Response, at_once
from exporter.dispatcher.faults import named, named_faults
from exporter.dispatcher.payload import conceal, unpack
from exporter.dispatcher.quota import QuotaReader
from exporter.dispatcher.records import read_record
from exporter.dispatcher.stock import OpenResponse, Transport
from exporter.dispatcher.stream import read_stream, stream_path
from exporter.dispatcher.taxonomy import judge
from exporter.dispatcher.wire import request_body
from exporter.outbound import Outbound
from exporter.tasks.identity import TaskRef

PATH = "/v1/tasks/query"

_SENDABLE = re.compile(r"[\x21-\x7e]+")


class Reply(msgspec.Struct, frozen=True, gc=False):
    """A validated answer and the money headers that came with it."""

    answer: Answer
    quota: Quota


@dataclass(frozen=True, slots=True)
class Stream:
    """An open stream: the answers of one task as they come, and the money headers that came before them."""

    answers: AsyncGenerator[Answer]
    quota: Quota


class DispatcherClient:
    """Asks ``POST /v1/tasks/query``, listens to ``GET /v1/tasks/stream/…``; safe for concurrent use within one loop.

    ``key`` is asked before each request; ``wall`` tells Unix seconds. Of the rest, and of what making one may raise,
    ``Connection`` tells.
    """

    def __init__(
        self,
        base_url: str,
        *,
        key: Callable[[], str | None],
        timeout: float,
        max_in_flight: int,
        wall: Callable[[], float],
        transport: Transport | None = None,
        silence_limit: float = SILENCE_LIMIT,
        again: Again = at_once,
        outbound: Outbound | None = None,
    ) -> None:
        self._key = key
        self._sent: tuple[str, Mapping[str, str]] = ("", {})
        self._wall = wall
        self._quotas = QuotaReader()
        self._connection = Connection(
            base_url,
            timeout=timeout,
            max_in_flight=max_in_flight,
            transport=transport,
            silence_limit=silence_limit,
            again=again,
            outbound=outbound,
        )

    async def query(self, ref: TaskRef) -> Reply:
        """Ask once; every fault is a DispatcherError, which carries the money headers where they arrived."""
        key, authorization = self._credentials()
        response = await self._connection.post(PATH, body=request_body(ref), headers=authorization)
        quota = self._quotas.read(response.headers)
        try:
            return Reply(self._read(response, ref, key), quota)
        except Exception as error:  # noqa: BLE001 (as in named_faults, without its price)
            raise _with_quota(named(error), quota) from None

    @asynccontextmanager
    async def stream(self, ref: TaskRef) -> AsyncIterator[Stream]:
        """Listen to one task, by its ``task_id``; every fault is a DispatcherError, also while listening.

        What is raised within the block is left as it is. An unknown task is an answer.
        """
        key, authorization = self._credentials()
        headers = {**authorization, "Accept": "text/event-stream", "Cache-Control": "no-store"}
        async with self._connection.listen(stream_path(ref), headers=headers) as response:
            with _quota_kept(self._quotas.read(response.headers)) as quota:
                answers = await self._listen(response, ref, key)
            async with aclosing(answers):
                yield Stream(answers, quota)

    async def aclose(self) -> None:
        """Let what is under way end, a stream by whoever listens, then close the connections."""
        await self._connection.aclose()

    def _credentials(self) -> tuple[str, Mapping[str, str]]:
        """The key, checked, and the header that carries it; made anew when it is another."""
        key = self._key()
        if not key or key != self._sent[0]:
            key = _sendable(key)
            self._sent = (key, {"Authorization": f"Bearer {key}"})
        return self._sent

    async def _listen(self, response: OpenResponse, ref: TaskRef, key: str) -> AsyncGenerator[Answer]:
        if response.status == 200:
            return _with_named_faults(read_stream(response.headers, response.chunks(), asked=ref, key=key))
        return _only(self._judge(await response.whole(), key))

    def _read(self, response: Response, ref: TaskRef, key: str) -> Answer:
        if 200 <= response.status < 300:
            return read_record(_unpacked(response), asked=ref, key=key)
        return self._judge(response, key)

    def _judge(self, response: Response, key: str) -> Answer:
        body = conceal(_unpacked_error(response), key)
        return _told(judge(response.status, response.headers, body, now=self._wall()))


def _told(verdict: Answer | DispatcherError) -> Answer:
    """An answer, or what is raised in its place; nothing that the fault leads to holds it, so that it is soon freed."""
    try:
        if isinstance(verdict, DispatcherError):
            raise verdict
        return verdict
    finally:
        del verdict


def _with_quota(fault: DispatcherError, quota: Quota) -> DispatcherError:
    fault.quota = quota
    return fault


@contextmanager
def _quota_kept(quota: Quota) -> Iterator[Quota]:
    """Let every fault carry the money headers."""
    try:
        with named_faults():
            yield quota
    except DispatcherError as error:
        error.quota = quota
        raise


async def _only(answer: Answer) -> AsyncGenerator[Answer]:
    yield answer


async def _with_named_faults(answers: AsyncGenerator[Answer]) -> AsyncGenerator[Answer]:
    with named_faults():
        async with aclosing(answers):
            async for answer in answers:
                yield answer


def _unpacked(response: Response) -> bytes:
    return unpack(response.body, response.encoding) if response.encoding else response.body


def _unpacked_error(response: Response) -> bytes:
    try:
        return _unpacked(response)
    except DispatcherError:
        return b""


def _sendable(key: str | None) -> str:
    if not key:
        raise DispatcherError(Reason.INVALID_API_KEY, "there is no API key")
    if not _SENDABLE.fullmatch(key):
        raise DispatcherError(Reason.INVALID_API_KEY, "the API key holds characters that no header may carry")
    return key
