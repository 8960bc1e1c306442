"""Tasks by their names: what to ask a database for, and what is known of a task under either of its ids."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Generic, NamedTuple, Protocol, TypeVar

from exporter.tasks.identity import TaskRef


class OfTask(Protocol):
    """Something that is said of one task."""

    @property
    def ref(self) -> TaskRef: ...


T = TypeVar("T", bound=OfTask)


KINDS = ("task_id", "out_task_id")


class Names(NamedTuple):
    """The ids of some tasks, by account and kind: what one statement each can ask for.

    Each comes once, and they are in order, as an index is: so the next one is mostly on the page at hand.
    ``are_distinct``: none is the name of two of them.
    """

    by_kind: Mapping[tuple[str, str], Mapping[str, None]]
    are_distinct: bool

    def have_all(self, ref: TaskRef) -> bool:
        """Whether each id of this task is among them."""
        account, task_id, out_task_id = ref.account, ref.task_id, ref.out_task_id
        return (not task_id or task_id in self.by_kind.get((account, "task_id"), ())) and (
            not out_task_id or out_task_id in self.by_kind.get((account, "out_task_id"), ())
        )

    def beyond(self, others: "Names") -> "Names":
        """Those that are not among the others."""
        rest = {
            key: {name: None for name in names if name not in others.by_kind.get(key, ())}
            for key, names in self.by_kind.items()
        }
        return Names({key: names for key, names in rest.items() if names}, self.are_distinct)


def names_of(refs: Iterable[TaskRef]) -> Names:
    """The names of these tasks."""
    by_account: dict[str, list[TaskRef]] = defaultdict(list)
    for ref in refs:
        by_account[ref.account].append(ref)
    given = {
        (account, kind): [*filter(None, map(attrgetter(kind), some))]
        for account, some in by_account.items()
        for kind in KINDS
    }
    by_kind = {key: dict.fromkeys(sorted(names)) for key, names in given.items() if names}
    return Names(by_kind, all(len(by_kind[key]) == len(names) for key, names in given.items() if names))


class ByName(Generic[T]):
    """What is said of tasks, found under whichever of its names a task comes."""

    def __init__(self, said: Iterable[T] = ()) -> None:
        self._accounts: dict[str, _Account[T]] = defaultdict(_Account)
        for each in said:
            self.add(each)

    def add(self, said: T) -> None:
        """Let this be found, too."""
        ref = said.ref
        account = self._accounts[ref.account]
        if ref.task_id:
            account.by_task_id.setdefault(ref.task_id, []).append(said)
        if ref.out_task_id:
            account.by_out_task_id.setdefault(ref.out_task_id, []).append(said)

    def find(self, ref: TaskRef) -> Sequence[T]:
        """All that is said of what may be this task, each once."""
        account = self._accounts.get(ref.account)
        if account is None:
            return ()
        found, others = account.by_task_id.get(ref.task_id), account.by_out_task_id.get(ref.out_task_id)
        if others is None or found == others:
            return found or ()  # whatever goes by its task_id may be it
        both = {id(each): each for each in (*(found or ()), *others)}.values()
        return [each for each in both if each.ref.may_be(ref)]


class _Account(Generic[T]):
    """What is said of one account's tasks, by each of their ids; none has the id None."""

    __slots__ = ("by_out_task_id", "by_task_id")

    def __init__(self) -> None:
        self.by_task_id: dict[str | None, list[T]] = {}
        self.by_out_task_id: dict[str | None, list[T]] = {}
