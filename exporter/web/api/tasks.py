"""``/api/v1/tasks``: register, list, show, and stop following."""

import asyncio
import secrets
from collections.abc import Collection, Iterator, Sequence
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from exporter.registration.registrar import Result
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Registration
from exporter.tasks.view import TaskView
from exporter.web.answers import as_json
from exporter.web.api.access import Access
from exporter.web.api.ids import is_task_id
from exporter.web.api.items import read_registrations
from exporter.web.api.listing import Cursors, PageRequest, page_of
from exporter.web.api.places import Places
from exporter.web.api.refusals import refusal
from exporter.web.api.views import task_view, whole_view
from exporter.web.dependencies import ApiDependencies

MAX_BODY_BYTES = 4 * 1024 * 1024

AT_ONCE = 32
"""So many registrations may be under way."""


class Tasks:
    """The tasks as the API has them."""

    def __init__(self, dependencies: ApiDependencies, access: Access) -> None:
        self._dependencies = dependencies
        self._access = access
        self._places = Places(AT_ONCE)
        self._cursors = Cursors(secrets.token_hex(4))

    async def register(self, request: Request) -> Response:
        """Answered once the ledger has everything; all of a request is registered, or nothing."""
        await self._access.check(request)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise refusal(415, "the body has to be application/json")
        with self._places.one():
            body = await request.body()
            read = partial(
                read_registrations, body, self._dependencies.settings.value, now=self._dependencies.clock.wall()
            )
            registrations = await asyncio.to_thread(read)
            results = await self._dependencies.registrar.register(registrations) if registrations else []
        return as_json({"status": "success", "tasks": list(map(_registered, registrations, results))})

    async def page(self, request: Request) -> Response:
        """One page; ``next`` is null on the last one."""
        await self._access.check(request)
        page = await page_of(self._dependencies.tasks, PageRequest.of(request.query_params, self._cursors))
        after = None if page.last is None else self._cursors.write(page.last)
        return as_json({"tasks": [task_view(task) for task in page.tasks], "next": after})

    async def show(self, request: Request) -> Response:
        """One task with its history."""
        await self._access.check(request)
        return as_json(whole_view(_one_of(self._found(list(self._refs(request))))))

    async def remove(self, request: Request) -> Response:
        """Stop following what was registered; upstream nothing is cancelled."""
        await self._access.check(request)
        refs = list(self._refs(request))
        tasks = self._found(refs)
        registrations = self._registrations(refs, tasks)
        _refuse_ambiguous({registration.ref.account for registration in registrations})
        if not registrations:
            sources = ", ".join(_one_of(tasks).sources)
            raise refusal(409, f"it was not registered here, but is named by {sources}; take it out there")
        await self._dependencies.registrar.unregister(registrations)
        return Response(status_code=204)

    def _refs(self, request: Request) -> Iterator[TaskRef]:
        """Whatever the id in the path may mean."""
        name, wanted = request.path_params["id"], request.query_params.get("account")
        if not is_task_id(name):
            raise refusal(404, "no such task is followed")
        for account in self._dependencies.settings.value.accounts:
            if wanted in (None, account.name):
                yield TaskRef(account.name, task_id=name)
                yield TaskRef(account.name, out_task_id=name)

    def _found(self, refs: Sequence[TaskRef]) -> list[TaskView]:
        found = (self._dependencies.tasks.find(ref) for ref in refs)
        return list({task.number: task for task in found if task}.values())

    def _registrations(self, refs: Sequence[TaskRef], tasks: Sequence[TaskView]) -> Sequence[Registration]:
        """Those by this id, and those under which the same task was registered by its other id."""
        named = [*refs, *(ref for task in tasks for ref in task.state.ref.each())]
        registrations = self._dependencies.registry.naming(list(dict.fromkeys(named)))
        return list({(each.group, each.ref): each for each in registrations}.values())


def _one_of(tasks: Sequence[TaskView]) -> TaskView:
    """The task that is meant. Within one account what the API calls so comes before what the caller calls so."""
    if not tasks:
        raise refusal(404, "no such task is followed")
    _refuse_ambiguous({task.labels.account for task in tasks})
    return tasks[0]


def _refuse_ambiguous(accounts: Collection[str]) -> None:
    if len(accounts) > 1:
        named = ", ".join(sorted(accounts)[:100])
        raise refusal(409, f"several tasks go by this id: choose one by ?account=, which may be {named}")


def _registered(registration: Registration, result: Result) -> dict[str, object]:
    ref = registration.ref
    name = {"task_id": ref.task_id} if ref.task_id else {"out_task_id": ref.out_task_id}
    return {**name, "group": registration.group, "result": str(result)}
