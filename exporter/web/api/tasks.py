"""``/api/v1/tasks``: register, list, show, and stop following. Times are RFC 3339 in UTC; what is not known is null."""

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from exporter.registration.registrar import Result
from exporter.service.elsewhere import KeptTask, Owner
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Registration
from exporter.tasks.view import TaskView
from exporter.threads import in_thread
from exporter.web.api.access import Access
from exporter.web.api.bodies import Bodies
from exporter.web.api.finding import LookUps, accounts_of, found, refs_of
from exporter.web.api.listing import Cursors, Filters, PageQuery, TaskWalk
from exporter.web.api.parsing import read_registrations
from exporter.web.api.refusals import ConcurrencyLimit, refusal
from exporter.web.interfaces import RunningExporter
from exporter.web.responses import RenderSlots, as_json, as_json_list, in_pieces

MAX_BODY_BYTES = 4 * 1024 * 1024

AT_ONCE = 32
"""So many registrations may be under way, of those whose body has come."""


class Tasks:
    """The tasks as the API has them."""

    def __init__(self, exporter: RunningExporter, walk: TaskWalk, access: Access, slots: RenderSlots) -> None:
        self._exporter = exporter
        self._walk = walk
        self._access = access
        self._slots = slots
        self._registering = ConcurrencyLimit(AT_ONCE)
        self._bodies = Bodies()
        self._cursors = Cursors(secrets.token_hex(4))
        self._look_ups = LookUps(exporter)

    async def register(self, request: Request) -> Response:
        """Answered once the ledger has everything; all of a request is registered, or nothing."""
        await self._access.check(request)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise refusal(415, "the body has to be application/json")
        body = await self._bodies.read(request)
        with self._registering.slot():
            async with self._slots.slot():
                exporter = self._exporter
                now, secrets = exporter.clock.wall(), exporter.secrets
                read = partial(read_registrations, body, exporter.settings, now=now, secrets=secrets)
                registrations = await in_thread(read)
            results = await self._exporter.registrations.register(registrations) if registrations else []
            async with self._slots.slot():
                return in_pieces(await in_thread(partial(_registered, registrations, results)))

    async def page(self, request: Request) -> Response:
        """One page; ``next`` is null on the last one."""
        await self._access.check(request)
        query = PageQuery.of(request.query_params, self._cursors)
        page = await self._walk.page(query.filters, after=query.after, limit=query.limit)
        about = {"next": None if page.last is None else self._cursors.write(page.last)} | self._elsewhere(query.filters)
        async with self._slots.slot():
            return in_pieces(await in_thread(partial(_listed, page.tasks, about)))

    async def show(self, request: Request) -> Response:
        """One task with its history."""
        await self._access.check(request)
        refs = self._refs(request)
        tasks = found(self._exporter.tasks, refs)
        kept = () if tasks else await self._look_ups.found(refs)
        if kept:
            _refuse_ambiguous(accounts_of(each.task for each in kept))
            return as_json(_kept_task(kept[0]))
        return as_json(_whole_task(_one_of(tasks)))

    async def remove(self, request: Request) -> Response:
        """Stop following what was registered; upstream nothing is cancelled."""
        await self._access.check(request)
        refs = self._refs(request)
        tasks, registrations = self._named(refs)
        if not registrations:  # another exporter may just have taken it
            await self._exporter.registrations.catch_up()
            tasks, registrations = self._named(refs)
        _refuse_ambiguous({registration.ref.account for registration in registrations})
        if not registrations:
            if not tasks and (kept := await self._look_ups.found(refs)):
                owner = kept[0].owner.id if kept[0].owner else "another one"
                raise refusal(409, f"it was not registered by this id, and exporter {owner} follows it; ask there")
            sources = ", ".join(_one_of(tasks).sources)
            raise refusal(409, f"it was not registered here, but is named by {sources}; take it out there")
        await self._exporter.registrations.unregister(registrations)
        return Response(status_code=204)

    def _refs(self, request: Request) -> Sequence[TaskRef]:
        name, account = request.path_params["id"], request.query_params.get("account")
        return refs_of(name, accounts=self._exporter.settings.accounts, account=account)

    def _elsewhere(self, filters: Filters) -> dict[str, object]:
        """The accounts whose tasks are missing in a list, where exporters share a ledger."""
        missing = self._exporter.elsewhere.accounts()
        named = [
            {"account": account, "owner": _owner(owner)}
            for account, owner in missing.items()
            if filters.account in (None, account)
        ]
        return {"elsewhere": named} if named else {}

    def _named(self, refs: Sequence[TaskRef]) -> tuple[Sequence[TaskView], Sequence[Registration]]:
        """The tasks by this id, and their registrations: by it, and by the other id of the same task."""
        tasks = found(self._exporter.tasks, refs)
        others = (ref for task in tasks for ref in _names(task) if self._is(ref, task))
        return tasks, self._exporter.registrations.naming(list(dict.fromkeys([*refs, *others])))

    def _is(self, ref: TaskRef, task: TaskView) -> bool:
        """Whether a name leads to this task: two tasks of one account may have the same ``out_task_id``."""
        found = self._exporter.tasks.find(ref)
        return found is not None and found.number == task.number


def _names(task: TaskView) -> Iterator[TaskRef]:
    """A task's ids one by one, as registrations have them."""
    ref = task.state.ref
    if ref.task_id:
        yield TaskRef(ref.account, task_id=ref.task_id)
    if ref.out_task_id:
        yield TaskRef(ref.account, out_task_id=ref.out_task_id)


def _one_of(tasks: Sequence[TaskView]) -> TaskView:
    """The task that is meant."""
    if not tasks:
        raise refusal(404, "no such task is followed")
    _refuse_ambiguous(accounts_of(tasks))
    return tasks[0]


def _refuse_ambiguous(accounts: Collection[str]) -> None:
    if len(accounts) > 1:
        named = ", ".join(sorted(accounts)[:100])
        raise refusal(409, f"several tasks go by this id: choose one by ?account=, which may be {named}")


# ---- in JSON ---------------------------------------------------------------------------------------------------------


def _registered(registrations: Sequence[Registration], results: Sequence[Result]) -> bytes:
    tasks = (
        {**_name(registration.ref), "group": registration.group, "result": str(result)}
        for registration, result in zip(registrations, results, strict=True)
    )
    return as_json_list(tasks, name="tasks", others={"status": "success"})


def _name(ref: TaskRef) -> dict[str, object]:
    return {"task_id": ref.task_id} if ref.task_id else {"out_task_id": ref.out_task_id}


def _listed(tasks: Sequence[TaskView], about: Mapping[str, object]) -> bytes:
    return as_json_list(map(_task, tasks), name="tasks", others=about)


def _task(task: TaskView) -> dict[str, object]:
    """What a list shows of a task."""
    state, labels = task.state, task.labels
    return {
        "account": labels.account,
        "group": labels.group,
        "model": labels.model,
        "labels": dict(labels.user),
        "task_id": state.ref.task_id,
        "out_task_id": state.ref.out_task_id,
        "status": str(state.status),
        "submitted_at": rfc3339(state.submitted_at),
        "observed_at": rfc3339(state.observed_at),
        "finished_at": rfc3339(state.finished_at),
        "estimated_seconds": state.eta_seconds,
        "credits_estimated": state.credits_estimated,
        "credits_used": state.credits_used,
        "error_code": state.error_code,
    }


def _whole_task(task: TaskView) -> dict[str, object]:
    """Everything about a task; ``history`` is what this process has seen of it."""
    state = task.state
    return {
        **_task(task),
        "first_seen_at": rfc3339(state.first_seen_at),
        "running_at": rfc3339(state.running_at),
        "duration_seconds": state.duration,
        "sources": list(task.sources),
        "history": [{"at": rfc3339(change.at), "status": str(change.status)} for change in task.history],
    }


def _kept_task(kept: KeptTask) -> dict[str, object]:
    """A task that another exporter follows."""
    return {**_whole_task(kept.task), "owner": _owner(kept.owner)}


def _owner(owner: Owner | None) -> dict[str, object] | None:
    return None if owner is None else {"id": owner.id, "url": owner.url or None}


def rfc3339(at: float | None) -> str | None:
    """Unix seconds as RFC 3339; None too where the calendar does not reach."""
    if at is None:
        return None
    try:
        return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return None
