"""What the settings ask for, in the terms of the parts that do it."""

from collections.abc import Iterator, Sequence

from exporter.discovery import configured_sources
from exporter.discovery.lists import items_of, target_labels
from exporter.discovery.source import Mechanism, source_name
from exporter.registration.registry import Registry, registered_source, registration_limit
from exporter.settings.model import Settings
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.task import Rules


def rules_of(settings: Settings) -> Rules:
    """The settings that the tasks live by."""
    return Rules(
        retention=settings.retention,
        not_found_grace=settings.not_found_grace,
        overdue_factor=settings.overdue_factor,
        listed_limit=settings.task_series_limit,
        default_eta={group.name: group.poll.default_eta for group in settings.task_groups},
    )


def static_lists(settings: Settings) -> dict[str, Sequence[Item]]:
    """The items of every group's ``static_configs``, by source."""
    return {
        source_name(group.name, Mechanism.STATIC): items_of(group, group.static_configs)
        for group in settings.task_groups
    }


def registered_lists(settings: Settings, registry: Registry) -> dict[str, list[Item]]:
    """The registered items of every group that takes registrations, by source."""
    groups = [group for group in settings.task_groups if registration_limit(group)]
    return {registered_source(group.name): registry.items(group) for group in groups}


def kept_sources(running: Settings, wanted: Settings) -> frozenset[str]:
    """The sources whose last lists hold through a reload: those of groups that stay with their account."""
    accounts = {group.name: group.account for group in running.task_groups}
    return frozenset(
        source.name
        for group in wanted.task_groups
        if accounts.get(group.name) == group.account
        for source in configured_sources(group, wanted.labels)
    )


def configured_labels(settings: Settings) -> Iterator[TaskLabels]:
    """The label sets that the configuration names: their series start at 0."""
    for group in settings.task_groups:
        if not group.static_configs:
            yield TaskLabels(account=group.account, group=group.name, model=group.model, user=group.labels)
        for target in group.static_configs:
            yield target_labels(group, target)
