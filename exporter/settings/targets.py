"""Items that name tasks and stand elsewhere than in the configuration, by the rules of ``static_configs``.

There may be a million of them, or one with a million ids, all of them wrong. So ids are checked one by one, by the very
function that the settings are declared with, and what else an item says once for all that say the same. But nearly all
ids are plain, which is told of many in one go.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Protocol

from pydantic import TypeAdapter

from exporter.settings.checks import Complaint, check_item
from exporter.settings.confidential import MISPLACED
from exporter.settings.errors import KeyPath
from exporter.settings.fields import plain_ids, task_id
from exporter.settings.load import narrowed, validated
from exporter.settings.model import TargetSettings
from exporter.settings.reader import Scalar

MAX_KEYS = 100
"""An item may have so many keys, and as many labels: what is wrong with each would take long to say."""

REMEMBERED = 1000
"""So many different things that items say besides their ids are remembered."""

_TARGET = TypeAdapter(TargetSettings)


class KnownSecrets(Protocol):
    """The secrets of the exporter, none of which may become a task."""

    def refresh(self) -> None:
        """Look at those in files again; it blocks."""
        ...

    def holds(self, text: str) -> bool:
        """Whether a text is or holds one of them."""
        ...

    def may_be_among(self, texts: Sequence[str]) -> bool:
        """Whether any of these may be or hold one: false only where none is."""
        ...


class NoSecrets:
    """Where there are none."""

    def refresh(self) -> None:
        pass

    def holds(self, _text: str) -> bool:
        return False

    def may_be_among(self, _texts: Sequence[str]) -> bool:
        return False


class TargetReader:
    """Reads the items of one list.

    ``inherited`` has the model and labels of the group, ``declared`` are the names of ``global.labels``. None of the
    ``secrets`` is taken, nor repeated.
    """

    def __init__(
        self,
        inherited: TargetSettings,
        declared: frozenset[str],
        *,
        secrets: KnownSecrets | None = None,
    ) -> None:
        self._inherited = inherited
        self._declared = declared
        self._secrets = secrets or NoSecrets()
        self._known: dict[object, TargetSettings] = {}

    def read(self, item: object, *, at: int, most_faults: int) -> TargetSettings | list[Complaint]:
        """The target of the item at that index, or what is wrong with it: all of that, or about ``most_faults``."""
        path, wrong = (at,), list[Complaint]()
        if not isinstance(item, dict):
            validated(_TARGET, TargetSettings, item, wrong, path=path)
            return wrong
        if too_many := list(_too_many_keys(path, item)):
            return too_many
        plain = {key: ids for key, given in _lists_of_ids(item) if (ids := self._plain(given))}
        doubtful = {key: [] if key in plain else value for key, value in item.items()}
        if secret := list(islice(self._secrets_in(path, doubtful), most_faults)):
            return secret
        read = {key: _read_ids((at, key), ids, wrong, most_faults) for key, ids in _lists_of_ids(doubtful)} | plain
        rest = self._read_rest(path, {key: value for key, value in item.items() if key not in read}, wrong)
        wrong += islice(check_item(path, doubtful, self._declared), most_faults)
        if wrong or rest is None:
            return wrong
        return replace(rest, task_ids=read.get("task_ids", ()), out_task_ids=read.get("out_task_ids", ()))

    def _plain(self, given: list[object]) -> tuple[str, ...]:
        """All of these ids, where nothing is wrong with any, for all that can be told of them together; else none."""
        ids = plain_ids(given)
        return () if len({*ids}) < len(ids) or self._secrets.may_be_among(ids) else ids

    def _secrets_in(self, path: KeyPath, item: Mapping[str, object]) -> Iterator[Complaint]:
        """Where in an item a secret stands: among its ids, or in what it says besides them."""
        for key, value in item.items():
            if self._secrets.holds(key):
                yield path, MISPLACED
            elif isinstance(value, list):
                yield from (
                    ((*path, key, at), MISPLACED) for at, each in enumerate(value) if self._is_secret_text(each)
                )
            elif isinstance(value, dict):
                yield from (((*path, key), MISPLACED) for pair in value.items() if any(map(self._is_secret_text, pair)))
            elif self._is_secret_text(value):
                yield (*path, key), MISPLACED

    def _is_secret_text(self, value: object) -> bool:
        text = value.text if isinstance(value, Scalar) else value
        return isinstance(text, str) and self._secrets.holds(text)

    def _read_rest(self, path: KeyPath, said: dict[str, object], wrong: list[Complaint]) -> TargetSettings | None:
        """What an item says besides its ids, with what its group says where it says nothing."""
        key = _key(said)
        known = self._known.get(key)
        if known is None and (read := validated(_TARGET, TargetSettings, said, wrong, path=path)):
            known = narrowed(read, self._inherited.model, self._inherited.labels)
            if key is not None and len(self._known) < REMEMBERED:
                self._known[key] = known
        return known


def _key(said: Mapping[str, object]) -> object:
    """What two items have in common that say the same; None where that is not plain."""
    members = tuple((name, tuple(value.items()) if isinstance(value, dict) else value) for name, value in said.items())
    try:
        hash(members)
    except TypeError:
        return None
    return members


def _too_many_keys(path: KeyPath, item: Mapping[str, object]) -> Iterator[Complaint]:
    labels = item.get("labels")
    for at, members in ((path, item), ((*path, "labels"), labels)):
        if isinstance(members, dict) and len(members) > MAX_KEYS:
            yield at, f"has more than {MAX_KEYS} keys"


def _read_ids(path: KeyPath, ids: list[object], wrong: list[Complaint], most: int) -> tuple[str, ...]:
    """The ids of a list; those that are none are added to what is ``wrong``."""
    read: list[str] = []
    for at, value in enumerate(ids):
        try:
            read.append(task_id(value))
        except ValueError as error:
            wrong.append(((*path, at), str(error)))
            if len(wrong) > most:
                break
    return tuple(read)


def _lists_of_ids(item: Mapping[str, object]) -> Iterator[tuple[str, list[object]]]:
    for key in ("task_ids", "out_task_ids"):
        if isinstance(ids := item.get(key), list):
            yield key, ids
