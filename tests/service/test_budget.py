"""The budget in a whole exporter: what the attainable interval says is what results."""

import pytest

from tests.service.rig import Rig

ATTAINABLE = "bytespike_exporter_attainable_interval_seconds"


@pytest.mark.slow
async def test_the_attainable_interval_is_what_results(rig: Rig) -> None:
    many, _ = rig.submit(80, latency_seconds=5000)
    few, _ = rig.submit(2, latency_seconds=5000)
    account = {"name": "default", "base_url": "http://upstream.test", "api_key_file": str(rig.key_file)}
    rig.configure(
        groups={"many": many, "few": few},
        accounts=[{**account, "max_requests_per_second": 2}],
        **{"global": {"poll": {"max_interval": "5s"}}},
    )
    await rig.start()
    await rig.advance(60)
    before = rig.requests
    await rig.advance(120)

    assert rig.page().sum(ATTAINABLE, account="default") == 82 / 2
    assert 82 * 120 / (rig.requests - before) == 82 / 2
