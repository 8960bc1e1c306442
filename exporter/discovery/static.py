"""Tasks that the configuration file names."""

from collections.abc import Iterator

from exporter.settings.model import GroupSettings, TargetSettings
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item
from exporter.tasks.labels import TaskLabels


def static_items(group: GroupSettings) -> Iterator[Item]:
    """One item for each id under the group's ``static_configs``, in the order of the file."""
    for target in group.static_configs:
        yield from _items(group, target)


def target_labels(group: GroupSettings, target: TargetSettings) -> TaskLabels:
    """The labels of the tasks of one target."""
    return TaskLabels(account=group.account, group=group.name, model=target.model, user=target.labels)


def _items(group: GroupSettings, target: TargetSettings) -> Iterator[Item]:
    labels = target_labels(group, target)
    for task_id in target.task_ids:
        yield Item(TaskRef(group.account, task_id=task_id), labels, target.submitted_at)
    for out_task_id in target.out_task_ids:
        yield Item(TaskRef(group.account, out_task_id=out_task_id), labels, target.submitted_at)
