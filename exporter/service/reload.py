"""From the settings in force to other ones: first whatever may fail or take long, then all at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from exporter.discovery import configured_sources
from exporter.discovery.lists import items_of, target_labels
from exporter.discovery.source import Mechanism, source_name
from exporter.intake.intake import Intake, Lists, Memory
from exporter.registration.registry import Registry, registered_source, registration_limit
from exporter.registration.registry import items_of as registered_items
from exporter.service.accounts import Accounts, AccountsPlan
from exporter.settings.model import GroupSettings, Settings
from exporter.tasks.census import Rules
from exporter.tasks.item import Item, Registration, TaskLabels
from exporter.tasks.tracker import Tracker
from exporter.threads import in_thread


@dataclass(frozen=True, slots=True)
class Plan:
    """Other settings, ready to be put in force: the accounts they need, the lists they make, what is known of these.

    ``labels`` are the label sets that they name, each once.
    """

    wanted: Settings
    labels: Sequence[TaskLabels]
    accounts: AccountsPlan
    lists: Lists
    memory: Memory


class Planner:
    """Prepares plans. The caller holds ``intake.changing`` from the preparation until the plan is in force."""

    def __init__(self, *, accounts: Accounts, intake: Intake, tracker: Tracker, registry: Registry) -> None:
        self._accounts = accounts
        self._intake = intake
        self._tracker = tracker
        self._registry = registry

    async def prepare(self, wanted: Settings, *, running: Settings | None) -> Plan:
        """Do everything that may fail; raises LedgerError or DispatcherError, and nothing has changed then."""
        registered = {group.name: self._registry.registered(group) for group in wanted.task_groups}
        lists, labels = await in_thread(partial(_named, wanted, running, registered))
        memory = await self._intake.recall(lists)
        accounts = await self._accounts.prepare(wanted)
        return Plan(wanted, labels, accounts, {**lists, **self._abandoned(wanted, running)}, memory)

    def _abandoned(self, wanted: Settings, running: Settings | None) -> Lists:
        """Nothing, in the name of each source that is not wanted any more."""
        kept = {name for group in wanted.task_groups for name in _names(group, wanted, running)}
        return {source: () for source in self._tracker.sources if source not in kept}


def rules_of(settings: Settings) -> Rules:
    """The settings that the tasks live by."""
    return Rules(
        retention=settings.globals.retention,
        not_found_grace=settings.globals.not_found_grace,
        overdue_factor=settings.globals.overdue_factor,
        listed_limit=settings.globals.task_series.limit,
        default_eta={group.name: group.poll.default_eta for group in settings.task_groups},
    )


def following(settings: Settings, accounts: frozenset[str] | None) -> Settings:
    """The same settings with the groups of these accounts alone; None: with all."""
    if accounts is None:
        return settings
    return replace(settings, task_groups=tuple(group for group in settings.task_groups if group.account in accounts))


def configured_labels(settings: Settings) -> Iterator[TaskLabels]:
    """The label sets that the configuration names: their series start at 0, and they have places of their own."""
    for group in settings.task_groups:
        if not group.static_configs:
            yield TaskLabels(account=group.account, group=group.name, model=group.model, user=group.labels)
        for target in group.static_configs:
            yield target_labels(group, target)


def _named(
    wanted: Settings, running: Settings | None, registered: Mapping[str, Sequence[Registration]]
) -> tuple[dict[str, Sequence[Item]], Sequence[TaskLabels]]:
    """Everything that is to be made of each task the configuration names; it takes the longer the more there are."""
    return _lists(wanted, running, registered), tuple(dict.fromkeys(configured_labels(wanted)))


def _lists(
    wanted: Settings, running: Settings | None, registered: Mapping[str, Sequence[Registration]]
) -> dict[str, Sequence[Item]]:
    """The items of every group that is new or not as it was: of its ``static_configs``, and those registered."""
    lists: dict[str, Sequence[Item]] = {}
    for group in _changed(wanted, running):
        lists[static_source(group)] = items_of(group, group.static_configs)
        if registration_limit(group):
            lists[registered_source(group.name)] = tuple(registered_items(group, registered[group.name]))
    return lists


def _changed(wanted: Settings, running: Settings | None) -> Sequence[GroupSettings]:
    if running is None or _limits(wanted) != _limits(running):
        return wanted.task_groups
    unchanged = set(running.task_groups)
    return [group for group in wanted.task_groups if group not in unchanged]


def _limits(settings: Settings) -> object:
    return (settings.globals.label_values, settings.globals.label_sets, settings.globals.labels)


def _names(group: GroupSettings, wanted: Settings, running: Settings | None) -> Iterator[str]:
    """The sources of a group; those that run by themselves keep their lists only while the group keeps its account."""
    yield static_source(group)
    if registration_limit(group):
        yield registered_source(group.name)
    accounts = {each.name: each.account for each in running.task_groups} if running else {}
    if accounts.get(group.name) == group.account:
        yield from (source.name for source in configured_sources(group, wanted.globals.labels))


def static_source(group: GroupSettings) -> str:
    """What the tracker calls the tasks that a group's configuration names."""
    return source_name(group.name, Mechanism.STATIC)
