"""The simulator with an account for each of the plan's, whose books are the truth; and the tasks that come to it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.chaos.plan import Plan

MODEL = "sora-2"
FAILURE_RATIO, CANCEL_RATIO = 0.15, 0.1

LIVES = 7
"""So many lots live from an ever longer part of the longest life to all of it."""

REGISTERED = 5
"""One in so many lots of tasks is registered at a replica, and stands on no list."""


@dataclass(frozen=True, slots=True)
class Book:
    """What became of one account's tasks; outcomes and credits by status."""

    submitted: int
    open: int
    outcomes: Mapping[str, int]
    credits: Mapping[str, float]
    most_in_flight: int


def key_of(account: str) -> str:
    """The API key of an account."""
    return f"sk-byts-{account}"


def group_of(account: str) -> str:
    """The group of an account's tasks."""
    return f"tasks-of-{account}"


def write_accounts(path: Path, plan: Plan) -> None:
    """The accounts, as the simulator reads them."""
    accounts = [
        {"name": name, "concurrency": 100, "keys": [{"name": name, "key": key_of(name)}]} for name in plan.names
    ]
    path.write_text(json.dumps(accounts))


class Upstream:
    """The simulator over its admin routes, and a list of tasks for each account; one in five lots is registered."""

    def __init__(self, url: str, lists: Path, plan: Plan, *, register: Callable[[Mapping[str, Any]], None]) -> None:
        self._http = httpx.Client(base_url=url, timeout=60.0, trust_env=False, headers={"connection": "close"})
        self._lists = lists
        self._register = register
        self._plan = plan
        self._items: dict[str, list[dict[str, Any]]] = {name: [] for name in plan.names}
        self._submitted = self._lots = 0
        for name in plan.names:
            self._write(name)

    def close(self) -> None:
        self._http.close()

    def go_on(self, now: float) -> None:
        """Submit what is due at this time of the run, and list it."""
        due = int(now * self._plan.arrivals) - self._submitted
        if due <= 0:
            return
        for name in self._plan.names:
            self._submit(name, due)
            self._write(name)
        self._submitted += due

    def books(self) -> dict[str, Book]:
        """The truth, by account."""
        books = self._http.get("/sim/books").raise_for_status().json()
        return {group["account"]: _book(group, books["traffic"]) for group in books["groups"]}

    def _submit(self, account: str, count: int) -> None:
        wanted = {
            "count": count,
            "account": account,
            "model": MODEL,
            "latency_seconds": self._plan.life * (self._lots % LIVES + 1) / LIVES,
            "failure_ratio": FAILURE_RATIO,
            "cancel_ratio": CANCEL_RATIO,
            "error_code": "too_hot",
            "out_task_id_prefix": f"{account}-{self._submitted}-",
        }
        answer = self._http.post("/sim/tasks", json=wanted).raise_for_status().json()
        item = _item(answer["task_ids"], answer["out_task_ids"], self._lots)
        self._lots += 1
        if self._lots % REGISTERED == 0:
            self._register({"group": group_of(account), **item})
        else:
            self._items[account].append(item)

    def _write(self, account: str) -> None:
        """As it should be done: at once."""
        file = self._lists / f"{account}.json"
        new = file.with_suffix(".new")
        new.write_text(json.dumps(self._items[account]))
        new.rename(file)


def _item(task_ids: list[str], out_task_ids: list[str], number: int) -> dict[str, Any]:
    """Some by the API's ids, some by their own, some by both: which are one task each all the same."""
    names: tuple[dict[str, Any], ...] = (
        {"task_ids": task_ids},
        {"out_task_ids": out_task_ids},
        {"task_ids": task_ids, "out_task_ids": out_task_ids},
    )
    return {"model": MODEL, **names[number % len(names)]}


def _book(group: Mapping[str, Any], traffic: Mapping[str, Any]) -> Book:
    return Book(
        submitted=group["submitted"],
        open=group["open"],
        outcomes={status: count for status, count in group["outcomes"].items() if count},
        credits=group["credits_used_by_status"],
        most_in_flight=traffic.get(group["account"], {}).get("max_concurrent", 0),
    )
