"""What stands behind the API: every task, money and time, without any I/O.

Time enters as ``now`` (Unix seconds) and never runs backwards; chance comes from one seed. The same seed and the same
calls at the same times give the same ids, latencies, bills and outcomes.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from heapq import heappop, heappush
from itertools import islice
from random import Random

from ulid import ULID

from exporter.simulator.accounts import Account, Caller
from exporter.simulator.books import Books
from exporter.simulator.catalogue import Catalogue
from exporter.simulator.errors import ApiError
from exporter.simulator.money import KeySpending, Wallet
from exporter.simulator.scenarios import FailureWave, PoisonWave, Schedule, SlowWave
from exporter.simulator.tasks import (
    Lifecycle,
    Plan,
    Status,
    Submission,
    Task,
    TaskRef,
    cancel_bill,
    draw_lifecycle,
    draw_plan,
)

MAX_TASKS = 1_000_000
"""So many tasks are remembered, for ever; after that submitting is answered with 503."""


def _ignore(_task: Task) -> None:
    """Nobody wants to know."""


class Backend:
    """Every task of every account. ``on_end`` is told of each task as it ends, in the order of the ends."""

    def __init__(
        self,
        accounts: Sequence[Account],
        catalogue: Catalogue,
        *,
        seed: int,
        now: float,
        time_scale: float = 1.0,
        schedule: Schedule | None = None,
        duplicate_status: int = 409,
        max_tasks: int = MAX_TASKS,
        on_end: Callable[[Task], None] = _ignore,
    ) -> None:
        self.catalogue = catalogue
        self.schedule = schedule or Schedule()
        self.books = Books()
        self.now = now
        self.on_end = on_end
        self._time_scale = time_scale
        self._duplicate_status = duplicate_status
        self._max_tasks = max_tasks
        self._ids, self._draws = Random(f"{seed}/ids"), Random(f"{seed}/fates")
        self._poisons = Random(f"{seed}/poison")  # apart, so that a poisoned task changes no other one
        self._tasks: dict[str, Task] = {}
        self._by_out_task_id: dict[tuple[str, str], str] = {}
        self._ends: list[tuple[float, str]] = []
        self._wallets = {account.name: Wallet(account) for account in accounts}
        self._spending = {key.name: KeySpending(key) for account in accounts for key in account.keys}

    def advance(self, now: float) -> None:
        """Let time pass: settle every task that has ended since."""
        self.now = max(self.now, now)
        while self._ends and self._ends[0][0] <= self.now:
            end_at, task_id = heappop(self._ends)
            task = self._tasks[task_id]
            if task.lifecycle.end_at == end_at:  # not so where the task was cancelled before
                self._settle(task)

    def submit(self, caller: Caller, submission: Submission, now: float) -> Task:
        """Take a submission, or find the task it repeats; raises ApiError 400/409, 403, 402, 429 or 503."""
        self.advance(now)
        existing = self._repeated(caller, submission)
        if existing is not None:
            return existing
        if caller.key.models and submission.slug not in caller.key.models:
            raise ApiError.forbidden("model_not_in_group", "The key's group does not include this model.")
        if len(self._tasks) >= self._max_tasks:
            raise ApiError.server(503)
        estimate = submission.model.price(submission.units)
        self._check_funds(caller, estimate)
        self._spending[caller.key.name].check_windows(self.now)
        return self._admit(caller, submission, self.plan(caller, submission))

    def insert(self, caller: Caller, submission: Submission, plan: Plan, now: float) -> Task:
        """Add a task whose plan is given, past every limit; raises ApiError 409 or 503."""
        self.advance(now)
        existing = self._repeated(caller, submission)
        if existing is not None:
            return existing
        if len(self._tasks) >= self._max_tasks:
            raise ApiError.server(503)
        return self._admit(caller, submission, plan)

    def query(self, caller: Caller, ref: TaskRef, now: float) -> Task:
        """The task it refers to; raises ApiError 404 (another key's task is unknown, too) or 429."""
        self.advance(now)
        task = self._find(caller, ref)
        self._spending[caller.key.name].check_windows(self.now)
        return task

    def cancel(self, caller: Caller, ref: TaskRef, now: float) -> Task:
        """The task, cancelled at once (invented); an ended one stays as it is. Raises ApiError 404 or 429."""
        task = self.query(caller, ref, now)
        if task.ended_by(self.now):
            return task
        cancelled = replace(task, lifecycle=self._cancelled(task))
        self._tasks[task.task_id] = cancelled
        self._settle(cancelled)
        return cancelled

    def plan(self, caller: Caller, submission: Submission) -> Plan:
        """Draw how a task submitted now would go."""
        account, schedule = caller.account.name, self.schedule
        plan = draw_plan(
            submission.model,
            submission.units,
            failures=schedule.effect(FailureWave, account, self.now),
            slowness=schedule.effect(SlowWave, account, self.now),
            time_scale=self._time_scale,
            rng=self._draws,
        )
        wave = schedule.effect(PoisonWave, account, self.now)
        return plan if wave is None else replace(plan, poison=wave.draw(self._poisons))

    def spending(self, caller: Caller) -> KeySpending:
        return self._spending[caller.key.name]

    def wallet(self, caller: Caller) -> Wallet:
        return self._wallets[caller.account.name]

    def tasks(self, *, offset: int = 0, limit: int | None = None) -> Iterable[Task]:
        """Tasks in the order of submission."""
        return islice(self._tasks.values(), offset, None if limit is None else offset + limit)

    def task(self, task_id: str) -> Task:
        """The task of that id, whosever it is, as it stands."""
        return self._tasks[task_id]

    def __len__(self) -> int:
        return len(self._tasks)

    def _repeated(self, caller: Caller, submission: Submission) -> Task | None:
        # Idempotency is per key (invented) and compares model and params.
        task_id = self._by_out_task_id.get((caller.key.name, submission.out_task_id or ""))
        if task_id is None:
            return None
        task = self._tasks[task_id]
        if task.fingerprint != submission.fingerprint:
            text = "out_task_id was used before with another model or other params."
            raise ApiError(self._duplicate_status, "invalid_request_error", "duplicate_out_task_id", text)
        return task

    def _check_funds(self, caller: Caller, estimate: int) -> None:
        self.wallet(caller).check(estimate)
        self.spending(caller).check_quota(estimate)

    def _admit(self, caller: Caller, submission: Submission, plan: Plan) -> Task:
        model, estimate = submission.model, submission.model.price(submission.units)
        task = Task(
            task_id=self._new_id(),
            out_task_id=submission.out_task_id,
            account=caller.account.name,
            key=caller.key.name,
            model=submission.slug,
            kind=model.kind,
            units=submission.units,
            size=(model.width, model.height),
            submitted_at=self.now,
            eta=plan.eta,
            estimate=estimate,
            lifecycle=draw_lifecycle(plan, model=model, estimate=estimate, submitted_at=self.now, rng=self._draws),
            fingerprint=submission.fingerprint,
            callback_url=submission.callback_url,
            poison=plan.poison,
            tag=plan.tag,
        )
        self._enter(task)
        return task

    def _enter(self, task: Task) -> None:
        self._tasks[task.task_id] = task
        if task.out_task_id:
            self._by_out_task_id[task.key, task.out_task_id] = task.task_id
        heappush(self._ends, (task.lifecycle.end_at, task.task_id))
        self._wallets[task.account].hold(task.estimate)
        self._spending[task.key].hold(task.estimate)
        self.books.submitted(task)

    def _settle(self, task: Task) -> None:
        spent = task.lifecycle.credits_used or 0
        self._wallets[task.account].settle(held=task.estimate, spent=spent)
        self._spending[task.key].settle(task.lifecycle.end_at, held=task.estimate, spent=spent)
        self.books.ended(task)
        self.on_end(task)

    def _find(self, caller: Caller, ref: TaskRef) -> Task:
        task_id = ref.task_id or self._by_out_task_id.get((caller.key.name, ref.out_task_id or ""), "")
        task = self._tasks.get(task_id)
        if task is None or task.key != caller.key.name:
            raise ApiError.task_not_found()
        return task

    def _cancelled(self, task: Task) -> Lifecycle:
        lifecycle, credits_used = task.lifecycle, None
        if task.status_at(self.now) is Status.RUNNING:
            progress = (self.now - lifecycle.run_at) / (lifecycle.end_at - lifecycle.run_at)
            credits_used = cancel_bill(self.catalogue[task.model], task.estimate, progress)
        return Lifecycle(lifecycle.run_at, self.now, Status.CANCELLED, credits_used)

    def _new_id(self) -> str:
        milliseconds = int(self.now * 1000)
        return f"task_{ULID.from_bytes(milliseconds.to_bytes(6) + self._ids.randbytes(10))}"
