import pytest

from tests.support.browse import Browse
from tests.support.fake_exporter import FakeExporter


@pytest.mark.parametrize("path", ["/-/healthy", "/healthz", "/livez"])
async def test_healthy(browse: Browse, path: str) -> None:
    async with browse(FakeExporter(unready=("not yet",))) as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.text) == (200, "Healthy\n")


@pytest.mark.parametrize("path", ["/-/ready", "/readyz"])
async def test_ready(browse: Browse, path: str) -> None:
    async with browse(FakeExporter(faults=("the prune loop has died",))) as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.text) == (200, "Ready\n")


async def test_every_reason_is_a_line(browse: Browse) -> None:
    async with browse(FakeExporter(faults=("one", "two"), unready=("three", "four"))) as client:
        healthy, ready = await client.get("/-/healthy"), await client.get("/-/ready")
    assert (healthy.status_code, healthy.text) == (503, "one\ntwo\n")
    assert (ready.status_code, ready.text) == (503, "three\nfour\n")
