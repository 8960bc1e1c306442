"""The registrations of every group: the items that no list names, kept because somebody asked for them.

Pure: what is in here is in the ledger, and whoever changes one changes the other.
"""

from collections.abc import Iterable, Iterator, Sequence

from exporter.discovery.lists import target_labels
from exporter.discovery.source import Mechanism, source_name
from exporter.settings.model import ApiConfigSettings, GroupSettings, TargetSettings
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, Registration, TaskLabels


class Registry:
    """Every registration, those of groups that do not take any (any more) among them."""

    def __init__(self) -> None:
        self._groups: dict[str, dict[TaskRef, Registration]] = {}
        self._of_accounts: dict[str, set[str]] = {}  # the groups in which an account had registrations

    def __contains__(self, registration: Registration) -> bool:
        """Whether the group has that task already, whatever else was said of it."""
        return registration.ref in self._groups.get(registration.group, ())

    def count(self, group: str) -> int:
        """How many registrations a group has."""
        return len(self._groups.get(group, ()))

    def add(self, registrations: Iterable[Registration]) -> None:
        """Take registrations; what a group has already stays as it is."""
        for registration in registrations:
            self._groups.setdefault(registration.group, {}).setdefault(registration.ref, registration)
            self._of_accounts.setdefault(registration.ref.account, set()).add(registration.group)

    def discard(self, registrations: Iterable[Registration]) -> None:
        """Forget registrations."""
        for registration in registrations:
            self._groups.get(registration.group, {}).pop(registration.ref, None)

    def of(self, group: str, refs: Iterable[TaskRef]) -> list[Registration]:
        """Those of a group's registrations that go by these references."""
        registered = self._groups.get(group, {})
        return [registered[ref] for ref in refs if ref in registered]

    def naming(self, refs: Sequence[TaskRef]) -> list[Registration]:
        """The registrations of any group that go by one of these references.

        Whoever does not know a task's account asks for it in all of them: no other account's groups are looked at.
        """
        by_account: dict[str, list[TaskRef]] = {}
        for ref in refs:
            by_account.setdefault(ref.account, []).append(ref)
        return [
            registration
            for account, some in by_account.items()
            for group in sorted(self._of_accounts.get(account, ()))
            for registration in self.of(group, some)
        ]

    def registered(self, group: GroupSettings) -> list[Registration]:
        """All of a group's registrations, in the order in which they came."""
        return list(self._groups.get(group.name, {}).values())

    def keeps(self, ref: TaskRef) -> bool:
        """Whether a registration of any group goes by one of these ids."""
        return bool(self.naming([ref, *ref.each()]))


def items_of(group: GroupSettings, registrations: Iterable[Registration]) -> Iterator[Item]:
    """One item for each registration, with what the group says where it says nothing itself.

    Those that were made when the group had another account are passed over.
    """
    known: dict[object, TaskLabels] = {}  # thousands share a few label sets
    for registration in registrations:
        if registration.ref.account == group.account:
            said = (registration.model, registration.labels)
            labels = known.get(said) or known.setdefault(said, _labels(group, registration))
            yield Item(registration.ref, labels, registration.submitted_at)


def registration_limit(group: GroupSettings) -> int:
    """How many tasks may be registered into a group at once; 0 where it takes none."""
    limits = [part.max_tasks for part in (group.api_config, group.proxy_config) if part is not None]
    if group.callback_config is not None and group.callback_config.register_unknown and not limits:
        limits = [ApiConfigSettings().max_tasks]
    return max(limits, default=0)


def registered_source(group: str) -> str:
    """What the tracker calls the registrations of a group."""
    return source_name(group, Mechanism.API)


def is_registered(source: str) -> bool:
    """Whether a source of that name is the registrations of a group."""
    return source.endswith(f"/{Mechanism.API}")


def _labels(group: GroupSettings, registration: Registration) -> TaskLabels:
    user = tuple(sorted({**dict(group.labels), **dict(registration.labels)}.items()))
    return target_labels(group, TargetSettings(model=registration.model or group.model, labels=user))
