"""The tasks of one account: submitted to its simulator all the time, listed in a file, taken off it after their end."""

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.soak.plan import Fault, Plan

MODELS = ("sora-2", "sora-2-pro", "veo-3.1")
ERROR_CODES = ("content_policy_violation", "upstream_error", "too_hot")
FAILURE_RATIO, CANCEL_RATIO = 0.1, 0.05
POISONED = 3
"""So many tasks of each turn never answer; they are dropped from the list while they are open."""

REMEMBERED = 20
"""Of so many batches that have left the list, one comes back now and then."""


@dataclass(slots=True)
class Batch:
    """Tasks that were submitted within one turn, by one tag of the simulator's books."""

    tag: str
    items: list[dict[str, Any]] = field(default_factory=list)
    tasks: int = 0
    leaves_at: float | None = None


class Upstream:
    """One simulator over its admin routes, and the list of its tasks."""

    def __init__(self, url: str, listed: Path, plan: Plan) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, timeout=30.0, trust_env=False, headers={"connection": "close"})
        self._file = listed
        self._plan = plan
        self._listed: dict[str, Batch] = {}
        self._gone: deque[Batch] = deque(maxlen=REMEMBERED)
        self._submitted = self._turns = 0
        self.poisoned = 0

    def close(self) -> None:
        self._http.close()

    def begin(self) -> None:
        """An empty list: a source that has nothing yet."""
        self._write()

    def go_on(self, now: float, *, batches: Mapping[str, Any]) -> None:
        """Submit what is due at this time of the run, let go what has ended, and write the list anew."""
        due = int(now * self._plan.arrivals) - self._submitted
        if due > 0:
            self._submit(f"turn-{int(now / self._plan.turn)}", due)
        self._leave(now, batches)
        self._write()

    def next_turn(self, now: float) -> None:
        """Some tasks that never answer come, and some that have long been counted come back for a while."""
        self._turns += 1
        poison = Batch(f"poison-{self._turns}", leaves_at=now + 2 * self._plan.turn)
        self._post_tasks(poison, POISONED, MODELS[0], poison={"kind": "mixed"})
        self.poisoned += POISONED
        self._listed[poison.tag] = poison
        if self._gone and self._turns % 2:
            again = self._gone.popleft()
            again.leaves_at = now + self._plan.turn
            self._listed[again.tag] = again

    def meet(self, fault: Fault, *, seconds: float) -> None:
        """Switch a scenario on for a while."""
        wanted = {"name": fault.name, "params": dict(fault.params), "duration_seconds": seconds}
        self._http.post("/sim/scenarios", json=wanted).raise_for_status()

    def books(self) -> dict[str, Any]:
        """The truth."""
        books: dict[str, Any] = self._http.get("/sim/books").raise_for_status().json()
        return books

    def _submit(self, tag: str, number: int) -> None:
        batch = self._listed.setdefault(tag, Batch(tag))
        self._post_tasks(batch, number, MODELS[self._submitted % len(MODELS)])
        self._submitted += number

    def _post_tasks(self, batch: Batch, number: int, model: str, **more: object) -> None:
        life = self._plan.life
        wanted = {
            "count": number,
            "account": "demo",
            "model": model,
            "latency_seconds": life / 2,
            "spread_seconds": life,
            "failure_ratio": FAILURE_RATIO,
            "cancel_ratio": CANCEL_RATIO,
            "error_code": ERROR_CODES[self._turns % len(ERROR_CODES)],
            "out_task_id_prefix": f"{batch.tag}-{batch.tasks}-",
            "tag": batch.tag,
        }
        answer = self._http.post("/sim/tasks", json=wanted | more).raise_for_status().json()
        batch.tasks += number
        batch.items.append(_item(answer["task_ids"], answer["out_task_ids"], model))

    def _leave(self, now: float, batches: Mapping[str, Any]) -> None:
        newest = f"turn-{int(now / self._plan.turn)}"
        for tag, batch in list(self._listed.items()):
            if batch.leaves_at is None and tag != newest and _is_over(batches.get(tag)):
                batch.leaves_at = now + self._plan.lingering
            if batch.leaves_at is not None and now >= batch.leaves_at:
                del self._listed[tag]
                if not tag.startswith("poison"):
                    self._gone.append(batch)

    def _write(self) -> None:
        """As it should be done: at once."""
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps([item for batch in self._listed.values() for item in batch.items]))
        new.rename(self._file)


def _item(task_ids: list[str], out_task_ids: list[str], model: str) -> dict[str, Any]:
    """Some by the API's ids, some by their own, and a tenth by both."""
    half, both = len(task_ids) // 2, len(task_ids) // 10
    return {"task_ids": task_ids[: half + both], "out_task_ids": out_task_ids[half:], "model": model}


def _is_over(batch: Mapping[str, Any] | None) -> bool:
    """Whether answers have told the end of every task."""
    return batch is not None and batch["detection"]["count"] == batch["tasks"] > 0
