"""From what a source names to the items that are followed."""

from exporter.discovery.items import items_of
from exporter.settings.model import GroupSettings, TargetSettings
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels

GROUP = GroupSettings(name="renders", account="default")


def test_one_item_for_each_id() -> None:
    targets = [
        TargetSettings(("task_1", "task_2"), ("render-1",), "sora-2", (("team", "video"),), submitted_at=5.0),
        TargetSettings(out_task_ids=("render-2",)),
        TargetSettings(),
    ]
    labels = TaskLabels("default", "renders", "sora-2", (("team", "video"),))

    assert list(items_of(GROUP, targets)) == [
        Item(TaskRef("default", task_id="task_1"), labels, 5.0),
        Item(TaskRef("default", task_id="task_2"), labels, 5.0),
        Item(TaskRef("default", out_task_id="render-1"), labels, 5.0),
        Item(TaskRef("default", out_task_id="render-2"), TaskLabels("default", "renders", "")),
    ]
