"""A ledger that fails when it is told to: put in front of the real one, never in place of it."""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum

from exporter.ledger.ledger import Aged, Batch, Books, Committed, Learnt, Ledger, LedgerError
from exporter.replicas.lease import Fence
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, Registration
from exporter.tasks.state import TaskState


class Fault(StrEnum):
    """What goes wrong with a commit."""

    BEFORE = "before it is durable"
    AFTER = "after it is durable: the answer is lost"
    SUMS = "after it is durable, and so does every reading of the sums"


class FaultyLedger:
    """``fault`` holds until it is taken away. ``error`` is what is raised then.

    ``pause`` is what a commit does first, in the ledger's thread: where it waits there, the disk is a slow one.
    ``hold`` makes the next call wait in the ledger's thread, and all others behind it, until ``release``.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.real = ledger
        self.fault: Fault | None = None
        self.error: Exception = LedgerError("disk full")
        self.pause: Callable[[], object] = lambda: None
        self.commits = 0
        self._may_go = threading.Event()
        self._may_go.set()
        self.is_held = threading.Event()
        self._one_at_a_time = threading.Lock()  # a test that kills closes the ledger from another thread
        self.is_idle = threading.Event()
        self.is_idle.set()

    def hold(self) -> None:
        """Let the next call wait before it begins."""
        self.is_held.clear()
        self._may_go.clear()

    def release(self) -> None:
        """Let what was held go on."""
        self._may_go.set()

    def open(self) -> None:
        with self._call():
            self.real.open()

    def close(self) -> None:
        with self._call():
            self.real.close()

    def books(self, account: str | None = None) -> Books:
        with self._call():
            if self.fault is Fault.SUMS:
                raise self.error
            return self.real.books(account)

    def recall(
        self, refs: Sequence[TaskRef], *, now: float, fences: Sequence[Fence] = ()
    ) -> Mapping[TaskRef, TaskState]:
        with self._call():
            return self.real.recall(refs, now=now, fences=fences)

    def commit(self, batch: Batch, *, now: float) -> Committed:
        self.pause()
        with self._call():
            self.commits += 1
            if self.fault is Fault.BEFORE:
                raise self.error
            committed = self.real.commit(batch, now=now)
            if self.fault is Fault.AFTER or (self.fault is Fault.SUMS and not committed.is_repeat):
                raise self.error
            return committed

    def registrations(self) -> Sequence[Registration]:
        with self._call():
            return self.real.registrations()

    def register(
        self, new: Sequence[Registration], items: Sequence[Item], *, now: float, fences: Sequence[Fence] = ()
    ) -> Mapping[TaskRef, TaskState]:
        with self._call():
            return self.real.register(new, items, now=now, fences=fences)

    def unregister(self, gone: Sequence[Registration], *, now: float) -> None:
        with self._call():
            self.real.unregister(gone, now=now)

    def hint(self, refs: Sequence[TaskRef], *, now: float) -> None:
        with self._call():
            self.real.hint(refs, now=now)

    def registration_versions(self) -> Mapping[str, int]:
        with self._call():
            return self.real.registration_versions()

    def registrations_since(self, account: str, version: int) -> tuple[Sequence[Registration], Sequence[Registration]]:
        with self._call():
            return self.real.registrations_since(account, version)

    def learnt(self) -> Sequence[Learnt]:
        with self._call():
            return self.real.learnt()

    def keep_learnt(self, news: Sequence[Learnt], *, now: float, limit: int) -> None:
        with self._call():
            if self.fault is Fault.BEFORE:
                raise self.error
            self.real.keep_learnt(news, now=now, limit=limit)

    def aged(
        self,
        *,
        before: float,
        except_accounts: Collection[str],
        limit: int,
        accounts: Collection[str] | None = None,
    ) -> Sequence[Aged]:
        with self._call():
            return self.real.aged(before=before, except_accounts=except_accounts, limit=limit, accounts=accounts)

    def prune(self, *, gone: Sequence[Aged], kept: Sequence[Aged], now: float, fences: Sequence[Fence] = ()) -> int:
        with self._call():
            return self.real.prune(gone=gone, kept=kept, now=now, fences=fences)

    @contextmanager
    def _call(self) -> Iterator[None]:
        self.is_idle.clear()
        try:
            if not self._may_go.is_set():
                self.is_held.set()
                self._may_go.wait()
            with self._one_at_a_time:
                yield
        finally:
            self.is_idle.set()
