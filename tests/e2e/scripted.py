"""An exporter before a scripted API: its configuration, what it shows, and its ledger's file once it has ended."""

import json
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from tests.support.scraped import Scraped

FINISHED = "bytespike_tasks_finished_total"

QUICK = {"min_interval": "100ms", "max_interval": "200ms"}
"""What is asked about again is asked about soon."""

WIDE = {"max_in_flight": 20, "max_requests_per_second": 1000}

LEDGER = "ledger.db"


def write_config(
    directory: Path,
    url: str,
    *,
    groups: Mapping[str, Mapping[str, Any]],
    poll: Mapping[str, str] = QUICK,
    accounts: Mapping[str, str] | None = None,
    limits: Mapping[str, int] = WIDE,
    settings: Mapping[str, Any] | None = None,
    ledger: Mapping[str, str] | None = None,
) -> Path:
    """A configuration whose accounts (by name, each with its URL) or the one account ask a scripted API."""
    (directory / "key").write_text("sk-byts-scripted")
    config = {
        "global": {"poll": poll, **(settings or {})},
        "accounts": [
            {"name": name, "base_url": base_url, "api_key_file": str(directory / "key"), **limits}
            for name, base_url in (accounts or {"default": url}).items()
        ],
        "task_groups": [{"name": name, **group} for name, group in groups.items()],
        "ledger": {"url": f"sqlite:///{directory / LEDGER}", **(ledger or {})},
    }
    path = directory / "exporter.yml"
    path.write_text(json.dumps(config))
    return path


def until(is_so: Callable[[], object], what: str, *, seconds: float = 15.0) -> None:
    """Wait for something."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"after {seconds} s still not so: {what}"
        time.sleep(0.03)


def shown(url: str, name: str, **labels: str) -> float:
    """The sum of one family."""
    return family(url, name).sum(name, **labels)


def family(url: str, name: str) -> Scraped:
    """One family alone: the page may be large."""
    response = httpx.get(f"{url}/metrics", params={"name[]": name}, timeout=30)
    return Scraped(response.raise_for_status().text)


def followed(url: str) -> set[str]:
    """The ids of what is followed, of at most 1000."""
    answer = httpx.get(f"{url}/api/v1/tasks", params={"limit": 1000}, timeout=30).raise_for_status()
    return {task["task_id"] or task["out_task_id"] for task in answer.json()["tasks"]}


# ---- the ledger's file, of an exporter that has ended --------------------------------------------------------------


def rows(directory: Path, query: str) -> Sequence[tuple[Any, ...]]:
    with closing(sqlite3.connect(directory / LEDGER)) as db:
        return db.execute(query).fetchall()


def edit(directory: Path, *statements: str) -> None:
    with closing(sqlite3.connect(directory / LEDGER)) as db, db:
        for statement in statements:
            db.execute(statement)


def outcomes(directory: Path) -> list[str]:
    """What has an outcome, by task_id, each as often as it has one."""
    return sorted(name for (name,) in rows(directory, "SELECT task_id FROM outcomes"))


def age_outcomes(directory: Path, seconds: float, *, since_named: bool) -> None:
    """Let all outcomes be older by that much; ``since_named``: and so the last time that a source named them."""
    columns = {column[1] for column in rows(directory, "PRAGMA table_info(outcomes)")}
    for column in {"finished_at", *({"named_at"} if since_named else ())} & columns:
        edit(directory, f"UPDATE outcomes SET {column} = {column} - {seconds}")
