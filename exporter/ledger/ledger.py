"""What a ledger is: the values that go in and come out, and the calls that every kind of ledger answers.

Everything that counts is decided here, once: a ledger knows which tasks have ended and which of its batches it has.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

import msgspec

from exporter.accounting.series import Exemplar, Increments, Series
from exporter.errors import ExporterError
from exporter.replicas.lease import Fence
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, Registration
from exporter.tasks.state import TaskState

EVERYTHING = ""
"""The lease for all that a ledger holds, where one exporter has it."""

HINTED = ""
"""The group of what is no registration but a hint: no group is called so."""


class LedgerError(ExporterError):
    """The ledger cannot be opened, read or written; the text says which, why and what to do."""


class UsurpedError(LedgerError):
    """Another process may write what this one wanted to; ``fence`` is the one that was passed by, where one was."""

    def __init__(self, message: str, fence: Fence | None = None) -> None:
        super().__init__(message)
        self.fence = fence


# ---- what goes in ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Count:
    """What is to be added once, and the exemplars to show for it when it has been."""

    increments: Increments
    exemplars: Mapping[Series, Exemplar] = field(default_factory=dict)


class Entry(msgspec.Struct, frozen=True, gc=False):
    """The latest state of one task, and what is to be counted with it.

    ``followed`` is counted unless the ledger already knows that it has been, ``started`` unless it knows that the task
    ran, ``ended`` unless it knows its outcome.

    While a list arrives, one waits for each of its tasks: as structs, the collector of cyclic garbage does not walk
    over them, nor comes for them. They are in no cycle.
    """

    state: TaskState
    followed: Count | None = None
    started: Count | None = None
    ended: Count | None = None

    @property
    def counts(self) -> bool:
        """Whether anything would be lost with it that nobody could observe again."""
        return not (self.followed is self.started is self.ended is None)

    def followed_by(self, later: Self) -> Self:
        """The one entry that says what both say."""
        return type(self)(
            later.state,
            self.followed or later.followed,
            self.started or later.started,
            self.ended or later.ended,
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction makes durable, under a number that is one more than that of the batch before it.

    Whoever does not know whether a batch is durable commits the very same one again: the ledger recognises it.
    ``marks`` are added to the totals as they are, ``meters`` to what the exporter counts of itself. ``fence`` is what
    lets this process write for one account, whose batches are numbered on their own; None: it has the whole ledger.
    """

    number: int
    entries: Sequence[Entry] = ()
    meters: Increments = field(default_factory=Increments)
    marks: Increments = field(default_factory=Increments)
    fence: Fence | None = None


# ---- what comes out --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Committed:
    """What a batch really added to the totals: this much, and no more, may be shown.

    ``is_repeat``: the batch was durable before, so that nothing was added now, and what it added then is not known.
    """

    increments: Increments = field(default_factory=Increments)
    exemplars: Mapping[Series, Exemplar] = field(default_factory=dict)
    is_repeat: bool = False


@dataclass(frozen=True, slots=True)
class Books:
    """Everything that has been added up, by tasks and by the exporter about itself, and the last batch's number."""

    totals: Mapping[Series, float]
    meters: Mapping[Series, float]
    batch: int


@dataclass(frozen=True, slots=True)
class Aged:
    """A row that was last looked at long ago: of which table, by which key, dated how, and the task it is about."""

    table: str
    row: int
    looked_at: float
    ref: TaskRef


@dataclass(frozen=True, slots=True)
class Learnt:
    """What was learnt of the tasks of one account, group and model; the ledger keeps the text and does not read it."""

    account: str
    group: str
    model: str
    text: str


@dataclass(frozen=True, slots=True)
class LedgerView:
    """The ledger as its writer sees it: how many records wait, whether commits fail, and when (Unix seconds) the last
    one succeeded."""

    pending: int = 0
    failing: bool = False
    last_commit_at: float | None = None


# ---- what it does ----------------------------------------------------------------------------------------------------


class Ledger(Protocol):
    """The durable record. Every call blocks, belongs to one thread at a time, and raises LedgerError where it cannot.

    What a call that raised has done is not known; each may be made again. Where several processes share a ledger, each
    account is one process's at a time, and a call that writes brings the ``fences`` of the accounts that are this
    one's: it raises UsurpedError where one of them is another's by now. Who has a ledger alone brings none.
    """

    def open(self) -> None:
        """Take the ledger for this process alone, unless it is shared, and bring its tables to this version."""

    def close(self) -> None:
        """Give the ledger up. What is closed may be closed again, and opened."""

    def books(self, account: str | None = None) -> Books:
        """What has been added up so far, of one account or of all; its size is that of /metrics, not of history."""
        ...

    def recall(
        self, refs: Sequence[TaskRef], *, now: float, fences: Sequence[Fence] = ()
    ) -> Mapping[TaskRef, TaskState]:
        """What is known of these tasks from earlier, by the reference that was asked for.

        They are named (see aged), those of another process's accounts excepted.
        """
        ...

    def commit(self, batch: Batch, *, now: float) -> Committed:
        """Make a batch durable: each task's outcome and start are counted once, meters are added as they are."""
        ...

    def registrations(self) -> Sequence[Registration]:
        """Every registration, in the order in which they came."""
        ...

    def registration_versions(self) -> Mapping[str, int]:
        """Of each account that has registrations: a number that goes up whenever they change, in a shared ledger."""
        ...

    def registrations_since(self, account: str, version: int) -> tuple[Sequence[Registration], Sequence[Registration]]:
        """Those that are new since an account had that version, and those that are gone.

        One that is new may be known, by another word: it was given up in between, and came again. What changes while
        this is read may be among it, and will be again.
        """
        ...

    def register(
        self, new: Sequence[Registration], items: Sequence[Item], *, now: float, fences: Sequence[Fence] = ()
    ) -> Mapping[TaskRef, TaskState]:
        """Keep registrations and the first sight of their items; return what is now known of the items' tasks.

        Registrations of any account are kept; of items only those whose account is this process's: whoever owns the
        others will see for himself.
        """
        ...

    def unregister(self, gone: Sequence[Registration], *, now: float) -> None:
        """Keep these registrations no more; what is known of their tasks stays."""

    def hint(self, refs: Sequence[TaskRef], *, now: float) -> None:
        """Tell whoever shares this ledger and follows these tasks to ask about them.

        ``registrations_since`` has each as a registration of the group HINTED that is gone already.
        """

    def learnt(self) -> Sequence[Learnt]:
        """What was learnt, that which was kept last at the end; what a row says is for the reader to check."""
        ...

    def keep_learnt(self, news: Sequence[Learnt], *, now: float, limit: int) -> None:
        """Keep this in place of what was learnt of the same tasks before; of all, the latest so many are kept."""

    def aged(
        self,
        *,
        before: float,
        except_accounts: Collection[str],
        limit: int,
        accounts: Collection[str] | None = None,
    ) -> Sequence[Aged]:
        """Some rows that were last looked at before then, of these ``accounts`` (None: of all), save those.

        A row goes when it is looked at a second time and no source names its task: ``prune`` is told what became of
        each. With ``before`` half a retention ago, a row is kept for a retention after its outcome at least, and for
        half of one after its task was last named, for whoever asks for a task that was missed has it named by
        ``recall``. A row of a followed task is written once in half a retention at most.
        """
        ...

    def prune(self, *, gone: Sequence[Aged], kept: Sequence[Aged], now: float, fences: Sequence[Fence] = ()) -> int:
        """Note which aged rows belong to tasks that no source names, and which do not; return how many were deleted.

        What they counted stays counted. A row that anybody has touched since ``aged`` returned it is left alone, and so
        is one of another process's account. No list of tasks may be taken between the two calls: it might name one that
        is being called gone.
        """
        ...
