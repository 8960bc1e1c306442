"""The strategy at work in a whole exporter: ends are seen sooner, and no more is asked."""

from pathlib import Path

import pytest

from tests.service.rig import Rig

GAP = "bytespike_exporter_observation_gap_seconds"
TASKS = 15


async def lived(directory: Path, strategy: str) -> tuple[float, int]:
    """The mean gap and the requests of some tasks, after others like them taught what there is to be learnt."""
    rig = Rig(directory)
    account = {"name": "default", "base_url": "http://upstream.test", "api_key_file": str(rig.key_file)}
    parts = {
        "accounts": [{**account, "max_requests_per_second": 100}],
        "global": {"poll": {"strategy": strategy, "min_interval": "1s"}},
    }
    try:
        pages, requests = [], []
        for _ in range(3):
            ids, _ = rig.submit(TASKS, latency_seconds=60)
            rig.configure(groups={"renders": ids}, **parts)
            await (rig.exporter.reload() if rig.exporter else rig.start())
            await rig.advance(90)
            pages.append(rig.page())
            requests.append(rig.requests)
        assert [page.sum("bytespike_tasks_finished_total") for page in pages] == [TASKS, 2 * TASKS, 3 * TASKS], (
            "each counted once"
        )
        seconds = pages[-1].sum(f"{GAP}_sum") - pages[-2].sum(f"{GAP}_sum")
        return seconds / TASKS, requests[-1] - requests[-2]
    finally:
        await rig.kill()


@pytest.mark.slow
async def test_ends_are_seen_sooner_and_no_more_is_asked(tmp_path: Path) -> None:
    for strategy in ("adaptive", "eta"):
        (tmp_path / strategy).mkdir()
    gap, requests = await lived(tmp_path / "adaptive", "adaptive")
    published_gap, published_requests = await lived(tmp_path / "eta", "eta")

    assert gap < 0.5 * published_gap
    assert requests <= 1.2 * published_requests
