"""``/probe``: one task, asked about now, within the limits of its account.

What a probe learns is shown and forgotten: it neither counts nor changes anything that is followed, so that a scrape
of a probe can never disturb the books.
"""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import replace

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from exporter.dispatcher.answer import Answer, DispatcherError
from exporter.metrics.exposition import Rendered
from exporter.metrics.probe import Probed, render_probe
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Status
from exporter.tasks.state import Submission, TaskState, begin, observe, with_ref
from exporter.web.answers import ALWAYS, text
from exporter.web.api.access import Access
from exporter.web.api.ids import is_task_id
from exporter.web.api.places import Places
from exporter.web.api.refusals import refusal
from exporter.web.asked import Asked
from exporter.web.dependencies import ApiDependencies, AskableAccount
from exporter.web.trace import trace

AT_ONCE = 4
"""So many probes at once: they share the account's budget with the polls."""

TIMEOUT = 10.0
"""Seconds that a probe may take where the scrape does not say how long it waits."""

LONGEST = 60.0

MARGIN = 0.5
"""Seconds before the scrape's own timeout at which a probe gives up, so that its answer still arrives."""


class Probe:
    """Answers scrapes of single tasks."""

    def __init__(self, dependencies: ApiDependencies, access: Access) -> None:
        self._dependencies = dependencies
        self._access = access
        self._places = Places(AT_ONCE)

    async def probe(self, request: Request) -> Response:
        """200 whatever the task does: whether there was an answer is ``probe_success``."""
        await self._access.check_if_guarded(request)
        params = request.query_params
        ref = _wanted(params, [account.name for account in self._dependencies.settings.value.accounts])
        account = self._dependencies.accounts.account(ref.account)
        with self._places.one():
            asked = await self._ask(account, ref, _timeout(request.headers))
        probed = self._probed(asked)
        if params.get("debug") == "true":
            return text(trace(account.settings, asked, probed, self._page(probed, {}).body.decode()))
        page = self._page(probed, request.headers)
        encoding = {"Content-Encoding": page.content_encoding} if page.content_encoding else {}
        headers = {**ALWAYS, **encoding, "Content-Type": page.content_type, "Vary": "Accept, Accept-Encoding"}
        return Response(page.body, headers=headers)

    async def _ask(self, account: AskableAccount, ref: TaskRef, seconds: float) -> Asked:
        clock = self._dependencies.clock
        began, sent_at = clock.monotonic(), None
        held = account.suspension
        if held is not None and held.until - began > seconds:
            return Asked(ref, None, 0.0, fault=f"the account is held back: {held.reason}")
        try:
            async with asyncio.timeout(seconds):
                async with account.permit() as permit:
                    sent_at = clock.monotonic() - began
                    answer = await permit.query(ref)
        except TimeoutError:
            waited_for = "an answer" if sent_at is not None else "its turn"
            return Asked(
                ref, sent_at, clock.monotonic() - began, fault=f"{seconds:g} s were not enough for {waited_for}"
            )
        except DispatcherError as error:
            return Asked(ref, sent_at, clock.monotonic() - began, fault=str(error))
        return Asked(ref, sent_at, clock.monotonic() - began, answer=answer)

    def _probed(self, asked: Asked) -> Probed:
        followed = self._dependencies.tasks.find(asked.ref)
        labels = followed.labels if followed else TaskLabels(asked.ref.account, "")
        if asked.answer is None:
            return Probed(success=False, seconds=asked.ended_at, labels=labels)
        now = self._dependencies.clock.wall()
        known = followed.state if followed else begin(Item(asked.ref, labels), now=now)
        state = _state(known, asked.answer, now=now)
        has_age = followed is not None or state.submission is not Submission.FIRST_SIGHT
        return Probed(asked.answer.observation is not None, asked.ended_at, labels, state, has_age)

    def _page(self, probed: Probed, headers: Mapping[str, str]) -> Rendered:
        return render_probe(
            probed,
            at=self._dependencies.clock.wall(),
            label_names=self._dependencies.settings.value.globals.labels,
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
        raise refusal(400, f"no such parameter: {', '.join(sorted(unknown))[:100]}")
    names = [name for name in ("task_id", "out_task_id") if name in params]
    if len(names) != 1 or len(params.getlist(names[0])) != 1 or not is_task_id(params[names[0]]):
        raise refusal(400, "exactly one of task_id and out_task_id is needed, once, and an id as the API gives them")
    account = params.get("account", accounts[0] if len(accounts) == 1 else "")
    if account not in accounts:
        raise refusal(400, f"account has to be one of: {', '.join(accounts[:100])}")
    return TaskRef(account, **{names[0]: params[names[0]]})


def _timeout(headers: Mapping[str, str]) -> float:
    """Seconds that the scrape leaves us."""
    try:
        told = float(headers.get("x-prometheus-scrape-timeout-seconds", ""))
    except ValueError:
        return TIMEOUT
    return min(LONGEST, max(0.1, told - MARGIN)) if math.isfinite(told) else TIMEOUT
