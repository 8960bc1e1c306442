"""What names a task, and what its name tells about its age."""

import re
from collections.abc import Iterator
from typing import Self
from urllib.parse import unquote

import msgspec

# How far a ULID may lie before and after the first sight of its task to be believed (design §7).
ULID_BEFORE_FIRST_SIGHT = 24 * 3600.0
ULID_AFTER_FIRST_SIGHT = 60.0

# Each new task's id is read, of which a library makes a hundred steps: the milliseconds are the first ten digits.
ULID = re.compile("[0-7][0-9A-HJKMNP-TV-Z]{25}", re.ASCII | re.IGNORECASE)
ULID_TIME = slice(0, 10)
BASE32 = str.maketrans("ABCDEFGHJKMNPQRSTVWXYZ", "ABCDEFGHIJKLMNOPQRSTUV")
"""From Crockford's digits, which leave out I, L, O and U, to those that ``int`` reads."""

_SEPARATOR = re.compile(r"[/\\]")

UNQUOTED = 4
"""So often an id is unquoted in search of dots: a proxy and a server may do it once each, and more by mistake."""

IdKey = tuple[str, str, str]
"""Account, kind of id, id."""


class TaskRef(msgspec.Struct, frozen=True, gc=False):
    """A task of one account, by the API's ``task_id``, the caller's ``out_task_id``, or both once they are known.

    Both ids are unique within an account alone: the API answers 404 for another key's task. There is one of these for
    each task, and it is compared with every poll: so it is a struct.
    """

    account: str
    task_id: str | None = None
    out_task_id: str | None = None

    def __post_init__(self) -> None:
        if not (self.task_id or self.out_task_id):
            raise ValueError("a task needs a task_id or an out_task_id")

    def joined(self, other: Self) -> Self:
        """This reference with the ids it lacks taken from the other; itself where it lacks none of them."""
        task_id, out_task_id = self.task_id or other.task_id, self.out_task_id or other.out_task_id
        if task_id is self.task_id and out_task_id is self.out_task_id:
            return self
        return type(self)(self.account, task_id, out_task_id)

    def has(self, other: Self) -> bool:
        """Whether each id of the other is one of its own."""
        return other.task_id in (None, self.task_id) and other.out_task_id in (None, self.out_task_id)

    def may_be(self, other: Self) -> bool:
        """Whether both can name one task: two different ``task_id`` never do, even under one ``out_task_id``."""
        return not (self.task_id and other.task_id) or self.task_id == other.task_id

    def ids(self) -> Iterator[IdKey]:
        """What to look the task up by: one for each id that is known."""
        if self.task_id:
            yield self.account, "task_id", self.task_id
        if self.out_task_id:
            yield self.account, "out_task_id", self.out_task_id

    def each(self) -> Iterator[Self]:
        """The references by one id alone that name this task."""
        if self.task_id:
            yield type(self)(self.account, task_id=self.task_id)
        if self.out_task_id:
            yield type(self)(self.account, out_task_id=self.out_task_id)

    def __str__(self) -> str:
        return self.task_id or f"out_task_id={self.out_task_id}"


def leads_elsewhere(name: str) -> bool:
    """Whether an id is, or holds, a dot segment: within the path of a URL it would name another path.

    However often it is percent-encoded, between slashes or backslashes, and with parameters (``..;x``): somebody on the
    way may decode it or take one for the other. Such ids are refused wherever they come from.
    """
    if "." not in name and "%" not in name:
        return False
    for _ in range(UNQUOTED):
        if any(part.partition(";")[0].strip() in (".", "..") for part in _SEPARATOR.split(name)):
            return True
        name, before = unquote(name, errors="replace"), name
        if name == before:
            return False
    return True  # nobody quotes an id so often who means well


def ulid_time(task_id: str, *, first_seen_at: float) -> float | None:
    """Unix seconds of the ULID in ``task_…``, where there is one and it lies close enough to the first sight."""
    text = task_id.rpartition("_")[2]
    if not ULID.fullmatch(text):
        return None
    at = int(text[ULID_TIME].upper().translate(BASE32), 32) / 1000
    believable = -ULID_BEFORE_FIRST_SIGHT <= at - first_seen_at <= ULID_AFTER_FIRST_SIGHT
    return at if believable else None
