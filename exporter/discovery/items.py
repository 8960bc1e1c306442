"""From what a source names to the items that are followed: one way for all sources."""

from collections.abc import Iterable, Iterator

from exporter.settings.model import GroupSettings, TargetSettings
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels


def items_of(group: GroupSettings, targets: Iterable[TargetSettings]) -> Iterator[Item]:
    """One item for each id of the targets, in their order."""
    for target in targets:
        labels = target_labels(group, target)
        for task_id in target.task_ids:
            yield Item(TaskRef(group.account, task_id=task_id), labels, target.submitted_at)
        for out_task_id in target.out_task_ids:
            yield Item(TaskRef(group.account, out_task_id=out_task_id), labels, target.submitted_at)


def target_labels(group: GroupSettings, target: TargetSettings) -> TaskLabels:
    """The labels of the tasks of one target."""
    return TaskLabels(account=group.account, group=group.name, model=target.model, user=target.labels)
