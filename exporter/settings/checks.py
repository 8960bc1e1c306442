"""What must hold between keys, and what may stand there though a user should hear about it.

Mistakes are read from the document itself, so that one of shape in one place hides none of these elsewhere; what has
not the shape to be checked is passed over, because its shape is a fault already. Warnings are of good settings.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from urllib.parse import urlsplit

from exporter.hosts import is_loopback
from exporter.outbound import Outbound
from exporter.replicas.lease import LEASE, RENEWALS
from exporter.settings import durations
from exporter.settings.confidential import missing, tokens_in, weak
from exporter.settings.errors import KeyPath, dotted, shown
from exporter.settings.model import AccountSettings, GroupSettings, PollSettings, Settings
from exporter.settings.postgres import doubts, is_postgres
from exporter.settings.reader import Scalar
from exporter.tasks.parted import Parted

LEFT = 1 - 1 / RENEWALS
"""So much of a lease is left when it is renewed."""

Complaint = tuple[KeyPath, str]
"""Where, and what is wrong and allowed."""


# ---- mistakes --------------------------------------------------------------------------------------------------------


def check(root: Mapping[str, object]) -> Iterator[Complaint]:
    """Everything that does not fit together."""
    accounts = list(_members(root, "accounts"))
    groups = list(_members(root, "task_groups"))
    poll = _mapping(_mapping(root.get("global")).get("poll"))
    yield from _unique(accounts)
    yield from chain.from_iterable(_one_key(path, account) for path, account in accounts)
    yield from _intervals(("global", "poll"), poll)
    yield from _lease(_mapping(root.get("ledger")), accounts)
    yield from _unique(groups)
    declared = _declared(root)
    for path, group in groups:
        yield from _account_of(path, group, accounts)
        yield from _labels(path, group, declared)
        if own := _mapping(group.get("poll")):
            yield from _intervals((*path, "poll"), {**poll, **own})
        for at, item in enumerate(_list(group.get("static_configs"))):
            if isinstance(item, Mapping):
                yield from check_item((*path, "static_configs", at), item, declared)
        for at, source in enumerate(_list(group.get("http_sd_configs"))):
            yield from _one_pair((*path, "http_sd_configs", at, "tls_config"), _mapping(source).get("tls_config"))


def check_item(path: KeyPath, item: Mapping[str, object], declared: frozenset[str] | None) -> Iterator[Complaint]:
    """What does not fit together in one item that names tasks; ``declared`` None is not known."""
    if "task_ids" not in item and "out_task_ids" not in item:
        yield path, "names no task; task_ids or out_task_ids is needed"
    for key in ("task_ids", "out_task_ids"):
        yield from _no_id_twice((*path, key), _list(item.get(key)))
    yield from _labels(path, item, declared)


def _no_id_twice(path: KeyPath, ids: Sequence[object]) -> Iterator[Complaint]:
    seen = Parted[int]()  # of a million ids, perhaps
    for at, value in enumerate(ids):
        if (name := _text(value)) is not None and (first := seen.setdefault(name, at)) != at:
            yield (*path, at), f"{shown(name)} is named twice, first at [{first}]; keep one"


def _unique(members: Iterable[tuple[KeyPath, Mapping[str, object]]]) -> Iterator[Complaint]:
    seen: dict[str, str] = {}
    for path, member in members:
        name = _text(member.get("name"))
        if name is None:
            continue
        if name in seen:
            yield (*path, "name"), f"{shown(name)} is taken by {seen[name]}; each needs a name of its own"
        else:
            seen[name] = f"{path[0]}[{path[1]}]"


def _one_key(path: KeyPath, account: Mapping[str, object]) -> Iterator[Complaint]:
    if "api_key_env" in account and "api_key_file" in account:
        yield (*path, "api_key_file"), "api_key_env stands here too; exactly one of the two is allowed"
    elif account and "api_key_env" not in account and "api_key_file" not in account:
        yield path, "has no API key; exactly one of api_key_env and api_key_file is needed"


def _one_pair(path: KeyPath, tls: object) -> Iterator[Complaint]:
    given = [key for key in ("cert_file", "key_file") if key in _mapping(tls)]
    if len(given) == 1:
        yield (*path, *given), "cert_file and key_file are needed together"


def _account_of(
    path: KeyPath, group: Mapping[str, object], accounts: list[tuple[KeyPath, Mapping[str, object]]]
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


def _labels(path: KeyPath, holder: Mapping[str, object], declared: frozenset[str] | None) -> Iterator[Complaint]:
    if declared is None:
        return
    allowed = f"allowed: {', '.join(sorted(declared))}" if declared else "no label is declared yet"
    for name in _mapping(holder.get("labels")):
        if name not in declared:
            yield (*path, "labels", name), f"is not declared in global.labels; {allowed}"


def _declared(root: Mapping[str, object]) -> frozenset[str] | None:
    names = [_text(name) for name in _list(_mapping(root.get("global")).get("labels"))]
    return None if None in names else frozenset(name for name in names if name)


def _intervals(path: KeyPath, poll: Mapping[str, object]) -> Iterator[Complaint]:
    least = _seconds(poll.get("min_interval"), PollSettings().min_interval)
    most = _seconds(poll.get("max_interval"), PollSettings().max_interval)
    if least is not None and most is not None and least > most:
        texts = durations.to_text(least), durations.to_text(most)
        yield path, f"min_interval ({texts[0]}) is longer than max_interval ({texts[1]}); it may be as long at most"


def _lease(
    ledger: Mapping[str, object], accounts: Iterable[tuple[KeyPath, Mapping[str, object]]]
) -> Iterator[Complaint]:
    """A request must end within what is left of a lease; only replicas on PostgreSQL have leases."""
    if not is_postgres(_text(ledger.get("url")) or ""):
        return
    lease = _seconds(ledger.get("lease"), LEASE)
    for path, account in accounts:
        timeout = _seconds(account.get("timeout"), AccountSettings("any").timeout)
        if lease is not None and timeout is not None and timeout > lease * LEFT:
            yield ("ledger", "lease") if "lease" in ledger else (*path, "timeout"), _too_short(lease, path, timeout)


def _too_short(lease: float, path: KeyPath, timeout: float) -> str:
    left, lease_text, wanted = map(durations.to_text, (lease * LEFT, lease, timeout / LEFT))
    return (
        f"of a lease of {lease_text}, {left} are left when it is renewed: too little for a request of {dotted(path)},"
        f" which may take {durations.to_text(timeout)}; let ledger.lease be {wanted} or more, or the timeout shorter"
    )


def _seconds(value: object, default: float) -> float | None:
    try:
        return default if value is None else durations.parse(_text(value) or "")
    except ValueError:
        return None


def _members(root: Mapping[str, object], key: str) -> Iterator[tuple[KeyPath, Mapping[str, object]]]:
    return (((key, at), _mapping(member)) for at, member in enumerate(_list(root.get(key))))


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str | None:
    text = value.text if isinstance(value, Scalar) else value
    return text if isinstance(text, str) else None


# ---- warnings --------------------------------------------------------------------------------------------------------


def warnings(settings: Settings, env: Mapping[str, str]) -> list[str]:
    """Everything worth a warning. It looks at files, so it blocks."""
    return [
        *missing(settings, env),
        *weak(settings, env),
        *not_as_meant(settings),
        *not_streamed(settings),
        *(doubts(settings.ledger.url) if is_postgres(settings.ledger.url) else ()),
        *Outbound.of(env).warnings,
    ]


def not_as_meant(settings: Settings) -> list[str]:
    """What may be right, but seldom is."""
    return [
        *_lease_of_nobody(settings),
        *chain.from_iterable(_odd_base_url(account) for account in settings.accounts),
        *chain.from_iterable(_credentials_in_clear(group) for group in settings.task_groups),
    ]


def _lease_of_nobody(settings: Settings) -> Iterator[str]:
    if settings.ledger.lease != LEASE and not is_postgres(settings.ledger.url):
        yield "ledger.lease: has no effect: only replicas that share a PostgreSQL ledger have leases"


def _odd_base_url(account: AccountSettings) -> Iterator[str]:
    where = f"account {account.name}: base_url"
    if _is_in_clear(account.base_url):
        yield f"{where}: http:// sends the API key unencrypted over the network; write https://"
    if urlsplit(account.base_url).path.endswith("/v1"):
        yield f"{where}: ends in /v1, which is part of every path already: /v1/v1/tasks/query is asked; leave it out"


def _credentials_in_clear(group: GroupSettings) -> Iterator[str]:
    for source in group.http_sd_configs:
        if _is_in_clear(source.url) and (source.authorization or tokens_in(source)):
            yield (
                f"task group {group.name}: http_sd_configs: http:// sends the credentials unencrypted over the network;"
                " write https://"
            )


def _is_in_clear(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")


def not_streamed(settings: Settings) -> list[str]:
    """The groups that ask for streams on an account that has no room for one."""
    narrow = {account.name for account in settings.accounts if account.max_in_flight == 1}
    return [
        f"task group {group.name}: stream: account {group.account} has max_in_flight 1, which is left to polling, so"
        " nothing is streamed; let it have 2 or more"
        for group in settings.task_groups
        if group.stream and group.account in narrow
    ]
