"""``/sd``: what is followed and open, as Prometheus' HTTP service discovery wants it."""

from pathlib import Path

import pytest

from exporter.web.api import sd
from tests.support.api_rig import Upstream, api_rig


async def test_targets_lead_to_probe(tmp_path: Path) -> None:
    upstream = Upstream({"done": {"status": "completed"}, "open": {"status": "running"}})
    async with api_rig(tmp_path, upstream=upstream) as rig:
        await rig.register("done", "open")
        await rig.clock.advance(6)
        answer = await rig.client.get("/sd")
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-bytespike-left-out"] == "0"
        meta = {
            "__meta_bytespike_group": "renders",
            "__meta_bytespike_model": "sora-2",
            "__meta_bytespike_label_team": "video",
        }
        assert answer.json() == [
            {
                "targets": ["localhost:9877"],
                "labels": {"__param_account": "one", "__param_task_id": "open", **meta},
            }
        ]


async def test_the_id_that_is_known(tmp_path: Path) -> None:
    async with api_rig(tmp_path) as rig:
        await rig.register(out_task_ids=["x1"])
        assert (await rig.client.get("/sd")).json()[0]["labels"]["__param_out_task_id"] == "x1"


async def test_filters_and_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sd, "MAX_TARGETS", 2)
    async with api_rig(tmp_path) as rig:
        await rig.register("t1", "t2", "t3")
        answer = await rig.client.get("/sd?group=renders&account=one")
        assert [group["labels"]["__param_task_id"] for group in answer.json()] == ["t1", "t2"]
        assert answer.headers["x-bytespike-left-out"] == "1"
        assert (await rig.client.get("/sd?group=images")).json() == []


@pytest.mark.parametrize("query", ["status=running", "url=http://evil.test"])
async def test_other_parameters(tmp_path: Path, query: str) -> None:
    async with api_rig(tmp_path) as rig:
        assert (await rig.client.get(f"/sd?{query}")).status_code == 400
