"""``/probe``: one task, asked about now, within the limits of its account.

What a probe learns is shown and forgotten: it neither counts nor changes anything that is followed, so that a scrape
of a probe can never disturb the books. What the API says of the account, though, holds for its polls too.
"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from msgspec.structs import replace
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from exporter.dispatcher.account import Account
from exporter.dispatcher.answer import Answer, DispatcherError
from exporter.metrics.exposition import Rendered
from exporter.metrics.probe import Probed, render_probe
from exporter.settings.confidential import MISPLACED
from exporter.settings.errors import shown
from exporter.settings.model import AccountSettings
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Status
from exporter.tasks.state import Submission, TaskState, begin, observe, with_ref
from exporter.web.api.access import Access
from exporter.web.api.parsing import is_task_id
from exporter.web.api.refusals import ConcurrencyLimit, refusal
from exporter.web.interfaces import RunningExporter
from exporter.web.responses import text
from exporter.web.scrape import PageResponse, told_timeout

AT_ONCE = 4
"""So many probes at once, of all accounts."""

TIMEOUT = 10.0
"""Seconds that a probe may take where the scrape does not say how long it waits."""

LONGEST = 60.0

MARGIN = 0.5
"""Seconds before the scrape's own timeout at which a probe gives up, so that its answer still arrives."""


LATER = {"Retry-After": "5"}


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a probe met: an answer, or in words why there is none. Times are seconds from its beginning."""

    ref: TaskRef
    sent_at: float | None
    ended_at: float
    answer: Answer | None = None
    fault: str | None = None


class Probe:
    """Answers scrapes of single tasks."""

    def __init__(self, exporter: RunningExporter, access: Access) -> None:
        self._exporter = exporter
        self._access = access
        self._probing = ConcurrencyLimit(AT_ONCE)

    async def probe(self, request: Request) -> Response:
        """200 whatever the task does: whether there was an answer is ``probe_success``."""
        await self._access.check_if_guarded(request)
        params = request.query_params
        ref = _wanted(params, [account.name for account in self._exporter.settings.accounts])
        if self._exporter.secrets.holds(ref.task_id or ref.out_task_id or ""):
            raise refusal(400, MISPLACED)
        account = self._exporter.accounts.account(ref.account)
        if not self._exporter.accounts.may_ask(ref.account):
            raise refusal(503, f"another exporter asks about the tasks of {ref.account}: ask that one", headers=LATER)
        with self._probing.slot():
            result = await self._query(account, ref, _timeout(request.headers))
        probed = self._probed(result)
        if params.get("debug") == "true":
            return text(_trace(account.settings, result, probed, self._page(probed, {}).body.decode()))
        return PageResponse(self._page(probed, request.headers))

    async def _query(self, account: Account, ref: TaskRef, seconds: float) -> ProbeResult:
        clock = self._exporter.clock
        began, sent_at = clock.monotonic(), None
        held = account.suspension
        if held is not None and held.until - began > seconds:
            return ProbeResult(ref, None, 0.0, fault=f"the account is held back: {held.reason}")
        try:
            async with asyncio.timeout(seconds):
                async with account.permit_aside() as permit:
                    sent_at = clock.monotonic() - began
                    answer = await permit.query(ref)
        except TimeoutError:
            if sent_at is None:
                raise refusal(503, f"polls go first: no turn within {seconds:g} s", headers=LATER) from None
            fault = f"{seconds:g} s were not enough for an answer"
            return ProbeResult(ref, sent_at, clock.monotonic() - began, fault=fault)
        except DispatcherError as error:
            return ProbeResult(ref, sent_at, clock.monotonic() - began, fault=str(error))
        return ProbeResult(ref, sent_at, clock.monotonic() - began, answer=answer)

    def _probed(self, result: ProbeResult) -> Probed:
        followed = self._exporter.tasks.find(result.ref)
        labels = followed.labels if followed else TaskLabels(result.ref.account, "")
        if result.answer is None:
            return Probed(success=False, seconds=result.ended_at, labels=labels)
        now = self._exporter.clock.wall()
        known = followed.state if followed else begin(Item(result.ref, labels), now=now)
        state = _state(known, result.answer, now=now)
        has_age = followed is not None or state.submission is not Submission.FIRST_SIGHT
        return Probed(result.answer.observation is not None, result.ended_at, labels, state, has_age)

    def _page(self, probed: Probed, headers: Mapping[str, str]) -> Rendered:
        return render_probe(
            probed,
            at=self._exporter.clock.wall(),
            label_names=self._exporter.settings.globals.labels,
            accept=headers.get("accept", ""),
            accept_encoding=headers.get("accept-encoding", ""),
        )


def _state(known: TaskState, answer: Answer, *, now: float) -> TaskState:
    seen = answer.observation
    if seen is None:
        return replace(known, status=Status.NOT_FOUND)
    if seen.task_id or seen.out_task_id:
        known = with_ref(known, TaskRef(known.ref.account, seen.task_id, seen.out_task_id))
    return observe(known, seen, now=now).state


def _wanted(params: QueryParams, accounts: list[str]) -> TaskRef:
    """The task that is asked for; ids only, never an address."""
    if unknown := set(params) - {"account", "task_id", "out_task_id", "debug"}:
        raise refusal(400, f"no such parameter: {', '.join(map(shown, sorted(unknown)))[:100]}")
    names = [name for name in ("task_id", "out_task_id") if name in params]
    if len(names) != 1 or len(params.getlist(names[0])) != 1 or not is_task_id(params[names[0]]):
        raise refusal(400, "exactly one of task_id and out_task_id is needed, once, and an id as the API gives them")
    account = params.get("account", accounts[0] if len(accounts) == 1 else "")
    if account not in accounts:
        raise refusal(400, f"account has to be one of: {', '.join(accounts[:100])}")
    return TaskRef(account, **{names[0]: params[names[0]]})


def _timeout(headers: Mapping[str, str]) -> float:
    """Seconds that the scrape leaves us."""
    told = told_timeout(headers)
    return TIMEOUT if told is None else min(LONGEST, max(0.1, told - MARGIN))


# ---- the trace: for people, without the key and what the task was asked to make --------------------------------------


def _trace(account: AccountSettings, result: ProbeResult, probed: Probed, page: str) -> str:
    """Line by line, and then the page that a scrape would have got."""
    return "\n".join([*_lines(account, result, probed), "", page.rstrip("\n")])


def _lines(account: AccountSettings, result: ProbeResult, probed: Probed) -> Iterator[str]:
    yield f"account {account.name} at {account.base_url}"
    yield f"asked for {result.ref}"
    if result.sent_at is not None:
        yield f"{result.sent_at:8.3f} s  sent, after waiting for its turn"
    yield f"{result.ended_at:8.3f} s  {_met(result)}"
    if result.answer is not None and result.answer.drift:
        yield f"            not as documented: {', '.join(result.answer.drift)}"
    if probed.state is not None and probed.state.error_code:
        yield f"            error code: {probed.state.error_code}"


def _met(result: ProbeResult) -> str:
    if result.answer is None:
        return f"no answer: {result.fault}"
    seen = result.answer.observation
    return f"answered: {seen.status}" if seen else "answered: the API does not know the task"
