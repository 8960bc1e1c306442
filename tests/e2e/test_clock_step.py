"""The real program, whose clock is set two hours forward while tasks are open."""

from pathlib import Path

import pytest

from tests.e2e.upstream import Upstream, configuration
from tests.support.processes import RunningExporter
from tests.support.waiting import until_sum

pytestmark = pytest.mark.e2e

SEEN, FINISHED = "bytespike_tasks_followed_total", "bytespike_tasks_finished_total"
TASKS = 20


@pytest.mark.slow
def test_two_hours_are_in_no_histogram(tmp_path: Path, upstream: Upstream) -> None:
    ids, _ = upstream.submit(TASKS, latency_seconds=15)
    config, step = configuration(tmp_path, upstream, task_ids=ids), tmp_path / "step"
    with RunningExporter(
        *("serve", "--config.file", str(config), "--web.listen-address", "127.0.0.1:0", "--log.format", "json"),
        program=("tests.e2e.stepping",),
        log=tmp_path / "serve.log",
        env={"CLOCK_STEP": str(step)},
    ) as exporter:
        url = f"http://{exporter.wait_for_event('listening')['address']}"
        until_sum(url, SEEN, lambda seen: seen == TASKS, seconds=30)
        (tmp_path / "new").write_text("7200")
        (tmp_path / "new").rename(step)
        page = until_sum(url, FINISHED, lambda ended: ended == TASKS, seconds=60)
        assert page.sum("bytespike_exporter_clock_steps_total") == 1
        assert page.sum("bytespike_tasks_duration_seconds_count") == 0
        assert page.sum("bytespike_tasks_eta_ratio_count") == 0
        assert page.sum("bytespike_exporter_observation_gap_seconds_sum") < TASKS * 30
        assert [line["seconds"] for line in exporter.events("clock_stepped")] == [pytest.approx(7200, abs=1)]
        assert exporter.stop() == 0
