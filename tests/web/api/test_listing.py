"""Pages of tasks that come and go, of as many tasks as there may be, for as many as may ask."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from msgspec import structs

from exporter.tasks.view import TaskView
from exporter.web.api import listing
from exporter.web.api.listing import SLICE
from tests.support.api_rig import api_rig
from tests.support.browse import Browse
from tests.support.fake_exporter import FakeExporter, FakeTasks, task_view

LOCAL = "http://localhost"
ANY = task_view(0)

PATHS = ["/api/v1/tasks?limit=1000", "/sd"]


def ids(answer: httpx.Response) -> list[str]:
    """The ids on a page of the API, or in the targets of service discovery."""
    assert answer.status_code == 200, answer.text
    page = answer.json()
    if isinstance(page, list):
        return [target["labels"]["__param_task_id"] for target in page]
    return [task["task_id"] for task in page["tasks"]]


def alike(number: int) -> TaskView:
    """One of a great many tasks of which nobody looks at the names."""
    return TaskView(number, ANY.labels, ANY.state, ANY.sources)


@pytest.mark.parametrize("path", PATHS)
async def test_tasks_are_given_up_while_pages_are_built(
    tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SLICE", 1)
    async with api_rig(tmp_path) as rig:
        names = [name for number in range(100) for name in (f"goes{number}", f"stays{number}")]
        await rig.register(*names)

        async def give_up() -> None:
            for name in names[::2]:
                assert (await rig.client.delete(f"/api/v1/tasks/{name}")).status_code == 204

        leaving = asyncio.create_task(give_up())
        while not leaving.done():
            listed = ids(await rig.client.get(path))
            assert [name for name in names if name in listed] == listed
            assert set(names[1::2]) <= set(listed)
        await leaving
        assert ids(await rig.client.get(path)) == names[1::2]


async def test_a_page_shows_tasks_as_they_were_when_they_were_read(browse: Browse) -> None:
    tasks = FakeTasks(3 * SLICE)

    def leave(views: Sequence[TaskView]) -> None:
        """Those that were just read, and all of the second slice before it is read."""
        tasks.gone.update(view.number for view in views)
        tasks.gone.update(range(SLICE, 2 * SLICE))

    tasks.after_read = leave
    async with browse(FakeExporter(tasks=tasks)) as client:
        listed = ids(await client.get(f"{LOCAL}/sd"))
    assert listed == [f"t{number}" for number in (*range(SLICE), *range(2 * SLICE, 3 * SLICE))]


async def test_every_task_is_on_one_page(browse: Browse) -> None:
    async with browse(FakeExporter(tasks=FakeTasks(2 * SLICE + 1))) as client:
        listed: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            answer = await client.get(f"{LOCAL}/api/v1/tasks", params={"limit": "700", **cursor})
            listed += ids(answer)
            if answer.json()["next"] is None:
                break
            cursor = {"cursor": answer.json()["next"]}
    assert listed == [f"t{number}" for number in range(2 * SLICE + 1)]


async def test_a_page_costs_what_it_shows(browse: Browse) -> None:
    tasks = FakeTasks(1_000_000, alike)
    async with browse(FakeExporter(tasks=tasks)) as client:
        assert len(ids(await client.get(f"{LOCAL}/api/v1/tasks?limit=1000"))) == 1000
        assert sum(tasks.reads) <= 1000 + SLICE


@pytest.mark.parametrize("query", ["/api/v1/tasks?status=failed", "/sd?group=none"])
async def test_who_asks_for_what_is_nowhere_does_not_stop_the_loop(browse: Browse, query: str) -> None:
    """However many walk through 200,000 tasks: one turn of the loop looks at one slice."""
    tasks, walkers, reads_in_a_turn = FakeTasks(200_000, alike), 3, [0]
    async with browse(FakeExporter(tasks=tasks)) as client:
        walks = [asyncio.create_task(client.get(LOCAL + query)) for _ in range(walkers)]
        while not all(walk.done() for walk in walks):
            before = len(tasks.reads)
            await asyncio.sleep(0)
            reads_in_a_turn.append(len(tasks.reads) - before)
        assert [ids(walk.result()) for walk in walks] == [[]] * walkers
    assert max(tasks.reads) == SLICE
    assert max(reads_in_a_turn) == 1
    assert sum(tasks.reads) in (walkers * tasks.count, tasks.count), "who asks for the same targets shares them"


async def test_who_hurries_does_not_wait_for_who_looks_through_everything(browse: Browse) -> None:
    began = asyncio.Event()
    tasks = FakeTasks(200_000, alike, after_read=lambda _: began.set())
    async with browse(FakeExporter(tasks=tasks)) as client:
        long = asyncio.create_task(client.get(f"{LOCAL}/api/v1/tasks?status=failed"))
        await began.wait()
        assert len(ids(await client.get(f"{LOCAL}/api/v1/tasks"))) == 100
        assert not long.done()
        await long


async def test_a_page_is_written_beside_the_loop(browse: Browse) -> None:
    """10,000 targets are a tenth of a second of JSON: a poll would be late, and a heartbeat."""
    threads: set[threading.Thread] = set()

    class Witness(tuple[tuple[str, str], ...]):
        """User labels that note who reads them."""

        __slots__ = ()

        def __iter__(self) -> Iterator[tuple[str, str]]:
            threads.add(threading.current_thread())
            return super().__iter__()

    def view(number: int) -> TaskView:
        plain = task_view(number)
        return structs.replace(plain, labels=structs.replace(plain.labels, user=Witness([("team", "video")])))

    async with browse(FakeExporter(tasks=FakeTasks(10_001, view))) as client:
        answer = await client.get(f"{LOCAL}/sd")
        assert len(ids(answer)) == 10_000
        assert answer.headers["x-bytespike-left-out"] == "1"
        await client.get(f"{LOCAL}/api/v1/tasks?limit=1000")
    assert threads
    assert threading.main_thread() not in threads


async def test_who_asks_for_the_same_targets_shares_one_list(browse: Browse) -> None:
    """One hundred at once: a list is begun for the first, and another one for all that came meanwhile."""
    tasks = FakeTasks(2 * SLICE, alike)
    async with browse(FakeExporter(tasks=tasks)) as client:
        answers = await asyncio.gather(*(client.get(f"{LOCAL}/sd") for _ in range(100)))
    assert {len(ids(answer)) for answer in answers} == {2 * SLICE}
    assert sum(tasks.reads) <= 2 * tasks.count
