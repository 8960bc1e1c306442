"""What comes in from outside: ids, and the body of a registration. Pure, and fit for a thread."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TypeGuard

from pydantic import TypeAdapter, ValidationError

from exporter.discovery.lists import Defaults, parse_items
from exporter.discovery.written import Format, read_written
from exporter.settings.errors import ConfigError, Fault, shown
from exporter.settings.fields import TaskId
from exporter.settings.model import GroupSettings, Settings, TargetSettings
from exporter.settings.reader import decode
from exporter.settings.targets import KnownSecrets, NoSecrets
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Registration
from exporter.web.api.refusals import Refusal, refusal

MAX_IDS = 10_000
"""One request may name so many ids, in as many items at most."""

MAX_KEYS = 100
"""An item may have so many keys, and as many labels."""

MAX_ERRORS = 1000
"""After so many faults of one request no more are looked for."""

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


def read_registrations(
    body: bytes, settings: Settings, *, now: float, secrets: KnownSecrets | None = None
) -> list[Registration]:
    """One registration for each id of the body's items, in their order; a Refusal names every fault, up to a limit.

    Items are read one by one, so that a body full of faults ends the reading early.
    """
    items = _items(body)
    groups = {group.name: group for group in settings.task_groups if group.api_config is not None}
    # the group's model and labels stay the group's: they may change while the registration stands
    own = Defaults("", (), frozenset(settings.globals.labels), secrets or NoSecrets())
    registrations: list[Registration] = []
    errors: list[dict[str, object]] = []
    for index, item in enumerate(items):
        try:
            registrations += _read(item, groups, own, now)
        except ConfigError as error:
            errors += ({"index": index, "key": fault.key, "message": fault.message} for fault in error.faults)
        if len(errors) > MAX_ERRORS:
            break
    if errors:
        raise Refusal(422, *errors)
    return registrations


def _items(body: bytes) -> list[object]:
    """The items of a body, one by one, as a list is read that stands elsewhere: a body may be megabytes."""
    try:
        text = decode(body, file="").strip(" \t\r\n")
        is_list = text.startswith("[")
        written = read_written(text if is_list else f"[{text or '?'}]", Format.JSON, name="")
        items = list(islice(written.items, MAX_IDS + 1))
    except ConfigError as error:
        raise refusal(400, f"the body: {error.faults[0].message}") from None
    if not is_list and len(items) > 1:
        raise refusal(400, "the body: this is not JSON: a list of items stands in [ ]")
    if len(items) > MAX_IDS:
        raise refusal(422, f"more than {MAX_IDS} items; send them in several requests")
    if sum(map(_ids, items)) > MAX_IDS:
        raise refusal(422, f"more than {MAX_IDS} ids; send them in several requests")
    return items


def _read(item: object, groups: Mapping[str, GroupSettings], own: Defaults, now: float) -> Iterator[Registration]:
    """The registrations of one item; ConfigError with every fault of it."""
    group = _group(item, groups)
    faults = [Fault("", 0, "group", group)] if isinstance(group, str) else []
    faults += _too_many_keys(item)
    targets: Sequence[TargetSettings] = ()
    if not any(fault.key != "group" for fault in faults):
        try:
            targets = parse_items([_without_group(item)], name="", defaults=own)
        except ConfigError as error:
            faults += (replace(fault, key=fault.key.removeprefix("[0]").removeprefix(".")) for fault in error.faults)
    if faults or isinstance(group, str):
        raise ConfigError(faults)
    return (registration for target in targets for registration in _registrations(group, target, now))


def _group(item: object, groups: Mapping[str, GroupSettings]) -> GroupSettings | str:
    """The group of an item, or what is wrong with the one it names."""
    if not isinstance(item, dict) or "group" not in item:
        return next(iter(groups.values())) if len(groups) == 1 else f"is needed; {_allowed(groups)}"
    name = item["group"]
    if not isinstance(name, str):
        return "expected text"
    return groups.get(name) or f"{shown(name)} takes no registrations; {_allowed(groups)}"


def _allowed(groups: Mapping[str, GroupSettings]) -> str:
    return f"allowed: {', '.join(islice(groups, 20))}" if groups else "no group has api_config"


def _too_many_keys(item: object) -> Iterator[Fault]:
    """What would take long to find fault with, key by key."""
    if isinstance(item, dict):
        labels = item.get("labels")
        for key, mapping in (("", item), ("labels", labels if isinstance(labels, dict) else {})):
            if len(mapping) > MAX_KEYS:
                yield Fault("", 0, key, f"has more than {MAX_KEYS} keys")


def _without_group(item: object) -> object:
    return {key: value for key, value in item.items() if key != "group"} if isinstance(item, dict) else item


def _ids(item: object) -> int:
    """How many ids an item names, before it is known to be one."""
    lists = (item.get("task_ids"), item.get("out_task_ids")) if isinstance(item, dict) else ()
    return sum(len(ids) for ids in lists if isinstance(ids, list))


def _registrations(group: GroupSettings, target: TargetSettings, now: float) -> Iterator[Registration]:
    refs = [TaskRef(group.account, task_id=name) for name in target.task_ids]
    refs += [TaskRef(group.account, out_task_id=name) for name in target.out_task_ids]
    return (Registration(group.name, ref, now, target.model, target.labels, target.submitted_at) for ref in refs)
