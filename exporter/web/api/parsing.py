"""What comes in from outside: ids, and the body of a registration. Pure, and fit for a thread."""

import json
import re
from collections.abc import Sequence
from typing import TypeGuard

from pydantic import TypeAdapter, ValidationError

from exporter.discovery.parse import Defaults, parse_items
from exporter.settings.errors import ConfigError, Fault
from exporter.settings.fields import TaskId
from exporter.settings.model import GroupSettings, Settings, TargetSettings
from exporter.settings.paths import shown
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Registration
from exporter.web.api.refusals import Refusal, refusal

MAX_IDS = 10_000
"""One request may name so many ids, in as many items at most."""

_INDEXED_KEY = re.compile(r"\[(\d+)\]\.?(.*)", re.DOTALL)

_TASK_ID: TypeAdapter[str] = TypeAdapter(TaskId)


def is_task_id(value: object) -> TypeGuard[str]:
    """Whether this may be the id of a task, by the rules of the configuration."""
    if not isinstance(value, str):
        return False
    try:
        _TASK_ID.validate_python(value)
    except ValidationError:
        return False
    return True


def read_registrations(body: bytes, settings: Settings, *, now: float) -> list[Registration]:
    """One registration for each id of the body's items, in their order; a Refusal names every fault."""
    items = _items(body)
    groups = [group for group in settings.task_groups if group.api_config is not None]
    chosen = [_group(item, groups) for item in items]
    faults = [Fault("", 0, f"[{at}].group", fault) for at, fault in enumerate(chosen) if isinstance(fault, str)]
    targets: Sequence[TargetSettings] = ()
    try:
        # the group's model and labels stay the group's: they may change while the registration stands
        own = Defaults(model="", labels=(), declared=frozenset(settings.labels))
        targets = parse_items([_without_group(item) for item in items], name="", defaults=own)
    except ConfigError as error:
        faults += error.faults
    if faults:
        raise Refusal(422, *map(_error, faults))
    if sum(len(target.task_ids) + len(target.out_task_ids) for target in targets) > MAX_IDS:
        raise refusal(422, f"more than {MAX_IDS} ids; send them in several requests")
    named = ((group, target) for group, target in zip(chosen, targets, strict=True) if not isinstance(group, str))
    return [registration for group, target in named for registration in _registrations(group, target, now)]


def _items(body: bytes) -> list[object]:
    try:
        value = json.loads(body)
    except RecursionError:
        raise refusal(400, "the body is nested too deep") from None
    except ValueError:
        raise refusal(400, "the body is not JSON") from None
    items = value if isinstance(value, list) else [value]
    if len(items) > MAX_IDS:
        raise refusal(422, f"more than {MAX_IDS} items; send them in several requests")
    return items


def _group(item: object, groups: Sequence[GroupSettings]) -> GroupSettings | str:
    """The group of an item, or what is wrong with the one it names."""
    allowed = f"allowed: {', '.join(group.name for group in groups[:20])}" if groups else "no group has api_config"
    if not isinstance(item, dict) or "group" not in item:
        return groups[0] if len(groups) == 1 else f"is needed; {allowed}"
    name = item["group"]
    found = next((group for group in groups if group.name == name), None)
    return found or f"{shown(name)} takes no registrations; {allowed}" if isinstance(name, str) else "expected text"


def _without_group(item: object) -> object:
    return {key: value for key, value in item.items() if key != "group"} if isinstance(item, dict) else item


def _registrations(group: GroupSettings, target: TargetSettings, now: float) -> list[Registration]:
    refs = [TaskRef(group.account, task_id=name) for name in target.task_ids]
    refs += [TaskRef(group.account, out_task_id=name) for name in target.out_task_ids]
    return [Registration(group.name, ref, now, target.model, target.labels, target.submitted_at) for ref in refs]


def _error(fault: Fault) -> dict[str, object]:
    key = _INDEXED_KEY.fullmatch(fault.key)
    where = {"index": int(key[1]), "key": key[2]} if key else {}
    return {**where, "message": fault.message}
