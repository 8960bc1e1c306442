"""The simulator's admin routes, and what a faithful observer must arrive at."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.scraped import Scraped

KEY = "sk-byts-demo"


class Upstream:
    """A running simulator."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, timeout=30)

    def close(self) -> None:
        self._http.close()

    def submit(self, count: int, **batch: Any) -> tuple[list[str], list[str]]:
        """Let it have so many tasks; their task_ids and out_task_ids."""
        answer = self._post("/sim/tasks", {"count": count, "account": "demo", **batch})
        return answer["task_ids"], answer["out_task_ids"]

    def scenario(self, name: str, params: Mapping[str, object], *, duration: float | None = None) -> None:
        """Switch a scenario on, for so many seconds, or until it is ended."""
        limit = {} if duration is None else {"duration_seconds": duration}
        self._post("/sim/scenarios", {"name": name, "params": params, **limit})

    def end_scenario(self, name: str) -> None:
        self._http.delete(f"/sim/scenarios/{name}").raise_for_status()

    def revoke(self, key: str) -> None:
        self._post(f"/sim/keys/{key}/revoke", {})

    def restore(self, key: str) -> None:
        self._post(f"/sim/keys/{key}/restore", {})

    def books(self) -> dict[str, Any]:
        return self._get("/sim/books")

    def requests(self, account: str = "demo") -> int:
        """How many requests of the account it has seen."""
        traffic = self.books()["traffic"].get(account)
        return int(traffic["requests"]) if traffic else 0

    def _get(self, path: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._http.get(path).raise_for_status().json()
        return answer

    def _post(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        response = self._http.post(path, json=body)
        assert response.is_success, response.text
        return dict(response.json()) if response.content else {}


def configuration(
    directory: Path,
    upstream: Upstream,
    *,
    task_ids: Iterable[str] = (),
    out_task_ids: Iterable[str] = (),
    poll: str = "{min_interval: 2s, max_interval: 6s}",
    account: str = "{}",
    group: str = "{}",
    task_series: int = 0,
    more: str = "{}",
) -> Path:
    """A configuration file that follows these tasks; ``account``, ``group`` and ``more`` are further keys, as JSON."""
    key_file = directory / "key"
    key_file.write_text(KEY)
    config = {
        "global": {"poll": "POLL", "task_series": {"limit": task_series}},
        "accounts": [
            {"name": "default", "base_url": upstream.url, "api_key_file": str(key_file), **json.loads(account)}
        ],
        "task_groups": [
            {
                "name": "renders",
                "static_configs": [{"task_ids": list(task_ids), "out_task_ids": list(out_task_ids)}],
                **json.loads(group),
            }
        ],
        "ledger": {"url": f"sqlite:///{directory}/ledger.db"},
        **json.loads(more),
    }
    path = directory / "exporter.yml"
    path.write_text(json.dumps(config).replace('"POLL"', poll))
    return path


def assert_books_are_equal(page: Scraped, books: Mapping[str, Any]) -> None:
    """What /metrics has counted is what the simulator did, to the cent."""
    assert page.by("status", "bytespike_tasks_finished_total") == books["outcomes"]
    assert page.by("error_code", "bytespike_tasks_failed_total") == books["error_codes"]
    assert page.sum("bytespike_tasks_credits_used_total") == pytest.approx(books["credits_used"], abs=0.005)
    for status, credits_used in books["credits_used_by_status"].items():
        counted = page.sum("bytespike_tasks_credits_used_total", status=status)
        assert counted == pytest.approx(credits_used, abs=0.005), status
    assert page.by("status", "bytespike_tasks_duration_seconds_count") == books["outcomes"]
    assert page.by("type", "bytespike_tasks_outputs_total") == books["outputs"]
