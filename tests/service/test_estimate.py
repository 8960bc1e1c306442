"""What ``check-config --estimate`` says is held against what an exporter really serves."""

from collections.abc import Iterable

from prometheus_client.samples import Sample

from exporter.settings.estimate import estimate
from exporter.settings.load import load
from tests.service.rig import Rig


def count(samples: Iterable[Sample], prefix: str) -> int:
    return sum(sample.name.startswith(prefix) for sample in samples)


async def test_no_scrape_has_more_series_than_was_estimated(rig: Rig) -> None:
    ids, _ = rig.submit(30, latency_seconds=5, spread_seconds=20, failure_ratio=0.3, cancel_ratio=0.1)
    targets = [{"task_ids": ids[i::3], "model": f"model-{i}"} for i in range(3)]
    rig.configure(groups={"renders": {"static_configs": targets}})
    forecast = estimate(load(rig.config_file))
    await rig.start()
    await rig.advance(40)

    samples = list(rig.page())
    aggregates = count(samples, "bytespike_tasks")
    assert 0.5 * forecast.aggregate_series <= aggregates <= forecast.aggregate_series + forecast.error_code_series
    assert count(samples, "bytespike_task_") <= forecast.task_series
    own = len(samples) - aggregates - count(samples, "bytespike_task_")
    assert own <= forecast.exporter_series
