"""Which registrations are taken, decided one request after the other before anything is written."""

from collections.abc import Sequence
from enum import StrEnum

from exporter.discovery.registry import Registry, registration_limit
from exporter.errors import ExporterError
from exporter.settings.model import GroupSettings, Settings
from exporter.tasks.identity import TaskRef
from exporter.tasks.registration import Registration
from exporter.tasks.tracker import Tracker


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


class Enrolment:
    """The registrations of some requests that come into one commit. Pure."""

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
        return Result.REGISTERED if self._tracker.find(ref) is None else Result.ALREADY_FOLLOWED

    def _refuse_too_many(self, group: str, more: int) -> None:
        most = registration_limit(self._groups[group])
        if self._registry.count(group) + len(self._new.get(group, ())) + more > most:
            raise FullError(f"task group {group} follows {most} registered tasks at most")
