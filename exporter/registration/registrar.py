"""Takes registrations and gives them up: first in the ledger, then in the registry and the tracker.

One loop does it, many requests at a time, so that a thousand small ones cost few commits; and no request that is given
up half-way leaves a registration that the ledger has and the tracker has not.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.discovery.source import Mechanism
from exporter.errors import ExporterError
from exporter.intake.intake import Intake, Memory
from exporter.ledger.ledger import LedgerError
from exporter.metrics.snapshot import SourceView
from exporter.registration.registry import Registry, items_of, registered_source, registration_limit
from exporter.settings.model import GroupSettings, Settings
from exporter.settings.reload import CurrentSettings
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, Registration
from exporter.tasks.tracker import Tracker
from exporter.tasks.view import TaskView


class Result(StrEnum):
    """What became of one registration."""

    REGISTERED = "registered"
    ALREADY_REGISTERED = "already_registered"
    ALREADY_FOLLOWED = "already_followed"


class RegistrationError(ExporterError):
    """A registration that is not taken, nor anything else of its request."""


class FullError(RegistrationError):
    """The group has as many registered tasks as it may."""


class ClosedError(RegistrationError):
    """The group takes no registrations (any more)."""


class Admission:
    """Which registrations of some requests are taken into one commit. Pure."""

    def __init__(self, settings: Settings, registry: Registry, tracker: Tracker) -> None:
        self._groups = {group.name: group for group in settings.task_groups if registration_limit(group)}
        self._registry = registry
        self._tracker = tracker
        self._new: dict[str, dict[TaskRef, Registration]] = {}

    def take(self, registrations: Sequence[Registration]) -> list[Result]:
        """Take all of a request and say what becomes of each; raise RegistrationError, with none taken, if unable."""
        new: dict[str, dict[TaskRef, Registration]] = {}
        results = [self._result(registration, new) for registration in registrations]
        for group, registered in new.items():
            self._refuse_too_many(group, len(registered))
        for group, registered in new.items():
            self._new.setdefault(group, {}).update(registered)
        return results

    @property
    def new(self) -> Sequence[tuple[GroupSettings, Sequence[Registration]]]:
        """What is to be written, by group."""
        return [(self._groups[group], tuple(registered.values())) for group, registered in self._new.items()]

    def _result(self, registration: Registration, new: dict[str, dict[TaskRef, Registration]]) -> Result:
        group, ref = self._groups.get(registration.group), registration.ref
        if group is None or group.account != ref.account:
            raise ClosedError(f"task group {registration.group} takes no registrations")
        is_new = ref not in self._new.get(group.name, ()) and ref not in new.get(group.name, ())
        if registration in self._registry or not is_new:
            return Result.ALREADY_REGISTERED
        new.setdefault(group.name, {})[ref] = registration
        return Result.REGISTERED if not self._tracker.is_followed(ref) else Result.ALREADY_FOLLOWED

    def _refuse_too_many(self, group: str, more: int) -> None:
        most = registration_limit(self._groups[group])
        if self._registry.count(group) + len(self._new.get(group, ())) + more > most:
            raise FullError(f"task group {group} follows {most} registered tasks at most")


AT_ONCE = 500
"""Requests share a commit until they name so many tasks."""

WAITING = 1000
"""Beyond so many waiting requests, one that nobody waits for is dropped."""


@dataclass(slots=True, eq=False)
class _Request:
    registrations: Sequence[Registration]
    adds: bool
    done: asyncio.Future[list[Result]] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def answer(self, results: list[Result]) -> None:
        if not self.done.done():  # whoever asked may have gone
            self.done.set_result(results)

    def refuse(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class Keeping(Protocol):
    """What the registrar needs of the ledger."""

    async def register(self, new: Sequence[Registration], items: Sequence[Item]) -> Memory: ...
    async def unregister(self, gone: Sequence[Registration]) -> None: ...


class Registrar:
    """The way into the registry and out of it. All methods belong to the event loop.

    ``follows`` says whether the tasks of an account are followed here, and not by another exporter on the same ledger.
    ``catch_up`` takes in what such exporters have taken and given up; it is called with ``intake.changing`` held, and
    may raise LedgerError. None: there are no others.
    """

    def __init__(
        self,
        *,
        settings: CurrentSettings,
        registry: Registry,
        intake: Intake,
        tracker: Tracker,
        ledger: Keeping,
        hurry: Callable[[TaskView], None],
        follows: Callable[[str], bool],
        pass_on: Callable[[GroupSettings, TaskRef], None],
        refused: Callable[[str, str], None],
        catch_up: Callable[[], Awaitable[None]] | None = None,
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._intake = intake
        self._tracker = tracker
        self._ledger = ledger
        self._hurry = hurry
        self._follows = follows
        self._pass_on = pass_on
        self._refused = refused
        self._catch_up = catch_up
        self._clock = clock
        self._log = log
        self._requests: asyncio.Queue[_Request] = asyncio.Queue()
        self._last: dict[str, float] = {}

    async def register(self, registrations: Sequence[Registration]) -> list[Result]:
        """Follow these from now on, whatever happens, and say of each what became of it.

        Raises RegistrationError or LedgerError, with none of them registered.
        """
        return await self._requested(_Request(registrations, adds=True))

    async def unregister(self, registrations: Sequence[Registration]) -> None:
        """Follow these no more, unless another source names them; raise LedgerError, with all as it was, if unable."""
        await self._requested(_Request(registrations, adds=False))

    async def catch_up(self) -> None:
        """Know what every exporter on the ledger has registered by now; raise LedgerError where that cannot be read.

        However many ask at once, that is one look.
        """
        if self._catch_up:
            await self._requested(_Request((), adds=True))

    def offer(self, registration: Registration) -> None:
        """Register this soon, if there is room; nobody waits for it, but what is refused is counted."""
        if self._requests.qsize() >= WAITING:
            self._count_refusal([registration.group])
            return
        request = _Request([registration], adds=True)
        request.done.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._requests.put_nowait(request)

    def naming(self, refs: Sequence[TaskRef]) -> list[Registration]:
        """The registrations, of any group, that were made under one of these references, each of a single id."""
        return self._registry.naming(refs)

    def hint(self, group: GroupSettings, ref: TaskRef) -> None:
        """A callback of a group named a task, by one id or both: it is asked about at once.

        The word of a callback is a hint, only the API's answer is believed. Nothing is asked or written here, so that a
        flood of hints costs next to nothing.
        """
        if not self._follows(group.account):
            self._pass_on(group, ref)
        elif not self.hurry(ref):
            self.offer_unknown(group, ref)

    def hurry(self, ref: TaskRef) -> bool:
        """Ask about a task at once, if it is followed; say whether it is."""
        task = self._tracker.find(ref)
        if task is not None:
            self._hurry(task)
        return task is not None

    def offer_unknown(self, group: GroupSettings, ref: TaskRef) -> None:
        """Nobody follows a task that a callback named: register it soon, where its group wants that."""
        if group.callback_config and group.callback_config.register_unknown:
            # one id alone: that the two belong together is for the API to say
            self.offer(Registration(group.name, next(ref.each()), self._clock.wall()))

    def views(self) -> Iterator[SourceView]:
        """What /metrics shows of the groups that take registrations."""
        groups = (group for group in self._settings.value.task_groups if registration_limit(group))
        return (SourceView(group.name, str(Mechanism.API), self._last.get(group.name)) for group in groups)

    def clock_stepped(self, by: float) -> None:
        """Date what is shown by the clock as it goes now."""
        self._last = {group: at + by for group, at in self._last.items()}

    async def run(self) -> None:
        """Serve requests for ever; it never raises."""
        while True:
            waiting = [await self._requests.get()]
            while not self._requests.empty() and sum(len(request.registrations) for request in waiting) < AT_ONCE:
                waiting.append(self._requests.get_nowait())
            for adds, requests in groupby(waiting, key=lambda request: request.adds):
                await self._serve(list(requests), adds=adds)

    async def _requested(self, request: _Request) -> list[Result]:
        self._requests.put_nowait(request)
        return await request.done

    async def _serve(self, requests: Sequence[_Request], *, adds: bool) -> None:
        try:
            async with self._intake.changing:
                await (self._add(requests) if adds else self._drop(requests))
        except LedgerError as error:
            self._refuse(requests, error)
        except Exception as error:  # noqa: BLE001 - whoever waits gets an answer, and the loop goes on
            self._log.exception("registration_fault")
            self._refuse(requests, LedgerError(f"unexpected {type(error).__name__}"))

    async def _add(self, requests: Sequence[_Request]) -> None:
        """First whatever others have done until now: of what was just given up elsewhere nobody may be told that it is
        registered already, for nobody would follow it.
        """
        if self._catch_up:
            await self._catch_up()
        admission = Admission(self._settings.value, self._registry, self._tracker)
        results = [self._enrolled(admission, request) for request in requests]
        await self._take(admission.new)
        for request, each in zip(requests, results, strict=True):
            if each is not None:
                self._last |= dict.fromkeys(_groups([request]), self._clock.wall())
                request.answer(each)

    def _enrolled(self, admission: Admission, request: _Request) -> list[Result] | None:
        try:
            return admission.take(request.registrations)
        except RegistrationError as error:
            self._refuse([request], error)
            return None

    async def _take(self, new: Sequence[tuple[GroupSettings, Sequence[Registration]]]) -> None:
        """The ledger first: what it cannot keep is not followed either."""
        if not new:
            return
        items = {group.name: list(items_of(group, registrations)) for group, registrations in new}
        registrations = [registration for _, each in new for registration in each]
        known = await self._ledger.register(registrations, [item for each in items.values() for item in each])
        self._registry.add(registrations)
        for group, _ in new:
            if self._follows(group.account):  # else its owner finds it in the ledger
                await self._intake.add(registered_source(group.name), items[group.name], known)

    async def _drop(self, requests: Sequence[_Request]) -> None:
        gone = [registration for request in requests for registration in request.registrations]
        await self._ledger.unregister(gone)
        self._registry.discard(gone)
        for group, registrations in groupby(gone, key=lambda registration: registration.group):
            await self._intake.drop(registered_source(group), [registration.ref for registration in registrations])
        for request in requests:
            request.answer([])

    def _refuse(self, requests: Sequence[_Request], error: Exception) -> None:
        refused = [request for request in requests if not request.done.done()]
        for request in refused:
            request.refuse(error)
        self._count_refusal(_groups(request for request in refused if request.adds))

    def _count_refusal(self, groups: Iterable[str]) -> None:
        for group in groups:
            self._refused(group, str(Mechanism.API))


def _groups(requests: Iterable[_Request]) -> set[str]:
    return {registration.group for request in requests for registration in request.registrations}
