"""``/tasks`` and ``/tasks/{id}``, answered for whoever may see tasks by the API, too.

The tasks are gone through slice by slice, for one page at a time: many that wait for the same page share it, and the
event loop comes round between two slices.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from exporter.service.elsewhere import KeptTask
from exporter.settings.errors import shown
from exporter.tasks.census import Rules, overdue_at
from exporter.tasks.view import TaskView
from exporter.threads import in_thread
from exporter.web.api.access import Access
from exporter.web.api.finding import LookUps, accounts_of, found, refs_of
from exporter.web.api.listing import TaskWalk
from exporter.web.api.refusals import Refusal
from exporter.web.interfaces import RunningExporter
from exporter.web.look import Look
from exporter.web.responses import RenderSlots, Shared
from exporter.web.site import Site
from exporter.web.task_pages.kept import kept_page
from exporter.web.task_pages.listed import Seen, tasks_page
from exporter.web.task_pages.one import Choice, task_page
from exporter.web.task_pages.query import Order, TasksQuery
from exporter.web.task_pages.ranking import Ranking, Value
from exporter.web.task_pages.rows import answered_at, link_to, ratio_of

SLICE = 200
"""So many tasks are looked at in one turn of the event loop: about a millisecond's work."""

WAITING = 16
"""So many different pages may wait to be made; one more is told to come back."""

NO_BROWSER = (
    "a browser cannot send a token: it gets in by basic_auth_users of the web configuration file, "
    "or asks this machine without api.token_file (docs/pages.md)"
)


class TaskPages:
    """Shows the followed tasks to people."""

    def __init__(self, exporter: RunningExporter, walk: TaskWalk, access: Access, look: Look, site: Site) -> None:
        self._exporter = exporter
        self._walk = walk
        self._access = access
        self._look = look
        self._site = site
        self._look_ups = LookUps(exporter)
        self._slots = RenderSlots()  # of its own: no look at tasks may have a scrape turned away
        self._lists = Shared(self._listed, RenderSlots(at_once=1, waiting=WAITING))

    async def tasks(self, request: Request) -> Response:
        """All of them, or those that are asked for, sorted and page by page."""
        await self._check(request)
        return await self._lists.get(TasksQuery.of(request.query_params))

    async def task(self, request: Request) -> Response:
        """One of them, with all that is known of it."""
        await self._check(request)
        name, account = request.path_params["id"], request.query_params.get("account")
        exporter = self._exporter
        refs = refs_of(name, accounts=exporter.settings.accounts, account=account)
        here = found(exporter.tasks, refs)
        kept = () if here else await self._look_ups.found(refs)
        tasks = here or [each.task for each in kept]
        root = _root(request, self._site)
        if not tasks:
            return self._look.page("no_task.html", status=404, root=root, name=shown(name), choices=())
        if len(accounts_of(tasks)) > 1:
            choices = [Choice(task.labels.account, link_to(task, task.labels.account)) for task in tasks]
            return self._look.page("no_task.html", status=300, root=root, name=shown(name), choices=choices)
        return await (self._shown(here[0], root) if here else self._shown_elsewhere(kept[0], root))

    async def _check(self, request: Request) -> None:
        """As the API does it; whoever comes with a browser and is turned away is told how one gets in."""
        try:
            await self._access.check(request, is_for_reading=True)
        except Refusal as refused:
            if refused.status != 401:
                raise
            raise Refusal(401, *refused.errors, {"message": NO_BROWSER}, headers=refused.headers) from None

    # ---- all of them -----------------------------------------------------------------------------------------------

    async def _listed(self, query: TasksQuery) -> Response:
        """The page that a query asks for; it may be sent to many."""
        exporter, began = self._exporter, self._exporter.clock.monotonic()
        now, rules = exporter.clock.wall(), rules_for_overdue(exporter)
        seen = Seen()
        ranking = Ranking(
            self._value_of(query.sort.by, now), is_reversed=query.sort.is_reversed, most=query.page * query.size
        )
        async for views in self._walk.slices(size=SLICE):
            ranking.add(_taken(filter(query.matches, views), query, seen, rules, now))
        tasks = ranking.tasks[(query.page - 1) * query.size :]
        outlooks = [exporter.accounts.outlook(task.labels.account, task.number) for task in tasks]
        overdue = [is_overdue(task, rules, now) for task in tasks]
        make = partial(
            tasks_page,
            query,
            list(zip(tasks, outlooks, overdue, strict=True)),
            seen,
            snapshot=exporter.snapshot(),
            settings=exporter.settings,
            elsewhere=exporter.elsewhere.accounts(),
            took=exporter.clock.monotonic() - began,
        )
        return await in_thread(lambda: self._look.page("tasks.html", refreshes=True, page=make()))

    def _value_of(self, by: Order, now: float) -> Callable[[TaskView], Value]:
        """What tasks are compared by."""
        if by is Order.PROGRESS:
            return lambda task: ratio_of(task.state, now=now)
        return self._due_in if by is Order.NEXT else VALUES[by]

    def _due_in(self, task: TaskView) -> float | None:
        outlook = self._exporter.accounts.outlook(task.labels.account, task.number)
        return outlook.due_in if outlook else None

    # ---- one of them -----------------------------------------------------------------------------------------------

    async def _shown(self, task: TaskView, root: str) -> Response:
        exporter = self._exporter
        make = partial(
            task_page,
            task,
            exporter.accounts.outlook(task.labels.account, task.number),
            exporter.answers.get(task.number),
            now=exporter.clock.wall(),
            is_overdue=is_overdue(task, rules_for_overdue(exporter), exporter.clock.wall()),
            held=_held(exporter, task.labels.account),
            mask=exporter.secrets.mask,
        )
        async with self._slots.slot():
            return await in_thread(lambda: self._look.page("task.html", refreshes=True, root=root, page=make()))

    async def _shown_elsewhere(self, kept: KeptTask, root: str) -> Response:
        make = partial(kept_page, kept, now=self._exporter.clock.wall())
        async with self._slots.slot():
            return await in_thread(lambda: self._look.page("elsewhere.html", root=root, page=make()))


VALUES: Mapping[Order, Callable[[TaskView], Value]] = {
    Order.TASK: lambda task: task.state.ref.task_id or task.state.ref.out_task_id,
    Order.STATUS: lambda task: task.state.status.value,
    Order.GROUP: lambda task: task.labels.group,
    Order.MODEL: lambda task: task.labels.model or None,
    Order.SUBMITTED: lambda task: task.state.submitted_at,
    Order.CREDITS: lambda task: _first(task.state.credits_used, task.state.credits_estimated),
    Order.ERROR: lambda task: task.state.error_code,
    Order.ASKED: lambda task: answered_at(task.state),
    Order.ENDED: lambda task: task.state.finished_at,
}


def rules_for_overdue(exporter: RunningExporter) -> Rules:
    """The settings that tell which tasks are overdue, as the metrics count them."""
    settings = exporter.settings
    return Rules(
        overdue_factor=settings.globals.overdue_factor,
        default_eta={group.name: group.poll.default_eta for group in settings.task_groups},
    )


def is_overdue(task: TaskView, rules: Rules, now: float) -> bool:
    """Whether ``bytespike_tasks_overdue`` counts a task."""
    at = overdue_at(task.state, task.labels, rules)
    return at is not None and at < now


def _taken(tasks: "filter[TaskView]", query: TasksQuery, seen: Seen, rules: Rules, now: float) -> Sequence[TaskView]:
    """Those of a slice that are listed; all of it is counted."""
    taken = []
    for task in tasks:
        status, late = task.state.status, is_overdue(task, rules, now)
        seen.counts[status] += 1
        seen.overdue += late
        if query.takes(status) and (late or not query.is_overdue):
            taken.append(task)
    seen.total += len(taken)
    return taken


def _held(exporter: RunningExporter, name: str) -> str | None:
    """Why an account asks nothing now."""
    return next((account.suspended for account in exporter.snapshot().accounts if account.name == name), None)


def _root(request: Request, site: Site) -> str:
    """The way from the address that a browser shows to the first page; an id may hold slashes."""
    path: bytes = request.scope.get("raw_path") or request.url.path.encode()
    return "../" * (path.partition(b"?")[0].count(b"/") - site.at("/").count("/"))


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)
