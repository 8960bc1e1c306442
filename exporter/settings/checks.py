"""What must hold between keys.

Read from the document itself, so that a mistake of shape in one place hides none of these elsewhere; what has not the
shape to be checked is passed over, because its shape is a fault already.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from exporter.settings import durations
from exporter.settings.document import Scalar
from exporter.settings.paths import Path, shown
from exporter.settings.schema import Poll

Complaint = tuple[Path, str]
"""Where, and what is wrong and allowed."""


def check(root: Mapping[str, object]) -> Iterator[Complaint]:
    """Everything that does not fit together."""
    accounts = list(_members(root, "accounts"))
    groups = list(_members(root, "task_groups"))
    poll = _mapping(_mapping(root.get("global")).get("poll"))
    yield from _unique(accounts)
    yield from chain.from_iterable(_one_key(path, account) for path, account in accounts)
    yield from _intervals(("global", "poll"), poll)
    yield from _unique(groups)
    declared = _declared(root)
    for path, group in groups:
        yield from _account(path, group, accounts)
        yield from _labels(path, group, declared)
        if own := _mapping(group.get("poll")):
            yield from _intervals((*path, "poll"), {**poll, **own})
        for at, item in enumerate(_list(group.get("static_configs"))):
            if isinstance(item, Mapping):
                yield from check_item((*path, "static_configs", at), item, declared)
        for at, source in enumerate(_list(group.get("http_sd_configs"))):
            yield from _one_pair((*path, "http_sd_configs", at, "tls_config"), _mapping(source).get("tls_config"))


def check_item(path: Path, item: Mapping[str, object], declared: frozenset[str] | None) -> Iterator[Complaint]:
    """What does not fit together in one item that names tasks; ``declared`` None is not known."""
    if "task_ids" not in item and "out_task_ids" not in item:
        yield path, "names no task; task_ids or out_task_ids is needed"
    for key in ("task_ids", "out_task_ids"):
        yield from _no_id_twice((*path, key), _list(item.get(key)))
    yield from _labels(path, item, declared)


def _no_id_twice(path: Path, ids: Iterable[object]) -> Iterator[Complaint]:
    seen: dict[str, int] = {}
    for at, value in enumerate(ids):
        if (name := _text(value)) is None:
            continue
        if name in seen:
            yield (*path, at), f"{shown(name)} is named twice, first at [{seen[name]}]; keep one"
        else:
            seen[name] = at


def _unique(members: Iterable[tuple[Path, Mapping[str, object]]]) -> Iterator[Complaint]:
    seen: dict[str, str] = {}
    for path, member in members:
        name = _text(member.get("name"))
        if name is None:
            continue
        if name in seen:
            yield (*path, "name"), f"{shown(name)} is taken by {seen[name]}; each needs a name of its own"
        else:
            seen[name] = f"{path[0]}[{path[1]}]"


def _one_key(path: Path, account: Mapping[str, object]) -> Iterator[Complaint]:
    if "api_key_env" in account and "api_key_file" in account:
        yield (*path, "api_key_file"), "api_key_env stands here too; exactly one of the two is allowed"
    elif account and "api_key_env" not in account and "api_key_file" not in account:
        yield path, "has no API key; exactly one of api_key_env and api_key_file is needed"


def _one_pair(path: Path, tls: object) -> Iterator[Complaint]:
    given = [key for key in ("cert_file", "key_file") if key in _mapping(tls)]
    if len(given) == 1:
        yield (*path, *given), "cert_file and key_file are needed together"


def _account(
    path: Path, group: Mapping[str, object], accounts: list[tuple[Path, Mapping[str, object]]]
) -> Iterator[Complaint]:
    names = [_text(account.get("name")) for _, account in accounts]
    if not names or None in names:
        return
    allowed = ", ".join(shown(name) for name in dict.fromkeys(names[:20]) if name)
    name = _text(group.get("account"))
    if name is None and "account" not in group and len(names) > 1:
        yield path, f"account is needed where there are several; allowed: {allowed}"
    elif name is not None and name not in names:
        yield (*path, "account"), f"there is no account {shown(name)}; allowed: {allowed}"


def _labels(path: Path, holder: Mapping[str, object], declared: frozenset[str] | None) -> Iterator[Complaint]:
    if declared is None:
        return
    allowed = f"allowed: {', '.join(sorted(declared))}" if declared else "no label is declared yet"
    for name in _mapping(holder.get("labels")):
        if name not in declared:
            yield (*path, "labels", name), f"is not declared in global.labels; {allowed}"


def _declared(root: Mapping[str, object]) -> frozenset[str] | None:
    names = [_text(name) for name in _list(_mapping(root.get("global")).get("labels"))]
    return None if None in names else frozenset(name for name in names if name)


def _intervals(path: Path, poll: Mapping[str, object]) -> Iterator[Complaint]:
    least = _seconds(poll.get("min_interval"), Poll().min_interval)
    most = _seconds(poll.get("max_interval"), Poll().max_interval)
    if least is not None and most is not None and least > most:
        texts = durations.to_text(least), durations.to_text(most)
        yield path, f"min_interval ({texts[0]}) is longer than max_interval ({texts[1]}); it may be as long at most"


def _seconds(value: object, default: float) -> float | None:
    try:
        return default if value is None else durations.parse(_text(value) or "")
    except ValueError:
        return None


def _members(root: Mapping[str, object], key: str) -> Iterator[tuple[Path, Mapping[str, object]]]:
    return (((key, at), _mapping(member)) for at, member in enumerate(_list(root.get(key))))


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str | None:
    text = value.text if isinstance(value, Scalar) else value
    return text if isinstance(text, str) else None
