"""However many tasks there are, the event loop comes round after no more steps than with few.

Counted are calls, so a busy machine changes nothing; a walk that one call of a built-in makes is not seen.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest

from exporter.ledger.lane import BATCH
from exporter.ledger.ledger import Batch, Entry
from exporter.ledger.store import SqliteLedger
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.state import begin, observe
from tests.support.api_rig import Rig, api_rig, write_config
from tests.support.fake_clock import FakeClock
from tests.support.turns import steps_counted

MOST = 60_000
"""Steps of a turn; 2,000 tasks need some 25,000, which is one slice of each loop that is at work. A slice is a
millisecond, so a quick machine does more in it: 200,000 tasks took 42,000. All in one turn would be millions."""

DAY = 86400.0


class Crowd:
    """Most tasks stand in two files, a quarter in the configuration, each of these as an entry of its own."""

    def __init__(self, directory: Path, count: int) -> None:
        self.directory = directory
        self.clock = FakeClock()
        self.listed = [f"t{number}" for number in range(count * 3 // 4)]
        self.configured = [f"task_{number}" for number in range(count // 4)]
        half = len(self.listed) // 2
        for name, ids in (("one", self.listed[:half]), ("other", self.listed[half:])):
            (directory / f"{name}.txt").write_text("\n".join(ids))

    def __len__(self) -> int:
        return len(self.listed) + len(self.configured)

    def config(self, *, model: str = "sora-2", retention: str = "1d", is_empty: bool = False) -> str:
        targets = [{"task_ids": [task_id]} for task_id in self.configured]
        files = [{"files": [f"{self.directory}/{name}.txt"]} for name in ("one", "other")]
        sources = {} if is_empty else {"static_configs": targets, "file_sd_configs": files}
        return (
            f"global: {{retention: {retention}}}\n"
            'accounts: [{name: one, base_url: "http://upstream.test", api_key_env: KEY}]\n'
            f"task_groups: [{json.dumps({'name': 'renders', 'model': model} | sources)}]\n"
        )

    def remember(self) -> None:
        """Let the ledger know that most of them have ended."""
        ledger = SqliteLedger(f"sqlite:///{self.directory}/ledger.db")
        ledger.open()
        ended = self.listed[: len(self.listed) * 9 // 10]
        for batch, at in enumerate(range(0, len(ended), BATCH), 1):
            entries = [self._ended(out_task_id) for out_task_id in ended[at : at + BATCH]]
            ledger.commit(Batch(batch, entries), now=self.clock.wall())
        ledger.close()

    def _ended(self, out_task_id: str) -> Entry:
        item = Item(TaskRef("one", None, out_task_id), TaskLabels("one", "renders", "sora-2"))
        state = begin(item, now=self.clock.wall() - 500)
        return Entry(observe(state, Observation(Status.COMPLETED), now=self.clock.wall() - 400).state)


async def until(condition: Callable[[], bool]) -> None:
    """Files are read in a thread, in real time."""
    while not condition():  # noqa: ASYNC110 - what is waited for sets no event
        await asyncio.sleep(0.005)


@contextmanager
def no_long_step(what: str) -> Iterator[None]:
    with steps_counted() as turns:
        yield
    print(what, turns.longest)
    assert turns.longest < MOST, what


async def go_through(crowd: Crowd, rig: Rig) -> None:
    """All that happens to many tasks at once, from their arrival to their second one."""
    exporter = rig.exporter
    write_config(crowd.directory, crowd.config())
    with no_long_step("arrival"):
        await exporter.reload()
        await until(lambda: len(exporter.tasks) == len(crowd))
        await exporter.flush()
    with no_long_step("a scrape"):
        census = exporter.snapshot().census
    assert sum(census.counts.values()) == len(crowd)
    assert sum(count for (_, status), count in census.counts.items() if status is Status.COMPLETED) > len(crowd) / 2

    with no_long_step("polling"):
        await rig.clock.advance(1.0)
    with no_long_step("a page"):
        page = await rig.client.get("/api/v1/tasks", params={"limit": 1000, "status": "failed"})
        assert page.json()["tasks"] == []
    with no_long_step("a reload that changes nothing"):
        assert (await exporter.reload()).is_empty

    write_config(crowd.directory, crowd.config(model="veo"))
    with no_long_step("other labels"):
        await exporter.reload()
        await until(lambda: {labels.model for labels in exporter.tasks.label_sets} == {"veo"})

    write_config(crowd.directory, crowd.config(model="veo", retention="1m"))
    with no_long_step("a shorter retention"):
        await exporter.reload()
        await rig.clock.advance(2.0)
    assert sum(exporter.snapshot().census.counts.values()) < len(crowd) / 2

    rig.clock.suspend(40 * DAY)  # every row of the ledger is old
    with no_long_step("pruning"):
        await rig.clock.leap(3600.0)
        for _ in range(3):
            await rig.clock.advance(1.0)
            await exporter.flush()

    write_config(crowd.directory, crowd.config(is_empty=True))
    with no_long_step("dropping all"):
        await exporter.reload()
        await exporter.flush()
    assert len(exporter.tasks) == 0

    write_config(crowd.directory, crowd.config())
    await exporter.reload()
    await until(lambda: len(exporter.tasks) == len(crowd))


@pytest.mark.slow
@pytest.mark.parametrize("count", [1_000, 4_000, pytest.param(200_000, marks=pytest.mark.long)])
async def test_no_step_grows_with_the_number_of_tasks(tmp_path: Path, count: int) -> None:
    crowd = Crowd(tmp_path, count)
    crowd.remember()
    async with AsyncExitStack() as running:
        empty = crowd.config(is_empty=True)
        rig = await running.enter_async_context(api_rig(tmp_path, empty, clock=crowd.clock))
        await go_through(crowd, rig)
        with no_long_step("stopping"):
            await running.aclose()
