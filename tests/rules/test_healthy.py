"""An exporter that does its work, and no alert."""

from pathlib import Path
from typing import Any

import pytest

from tests.rules import promtool
from tests.rules.cases.api import held, latency
from tests.rules.cases.exporter import lag, ledger, polling, source
from tests.rules.cases.money import QUOTA, WALLET, bucket, cost
from tests.rules.cases.progress import eta, late, queue
from tests.rules.series import counted, finished, raw, series, steady, together
from tests.support.servers import Servers

MINUTES = 3 * 60

EVERYTHING_IS_WELL = together(
    raw("up", steady((MINUTES + 1, 1))),
    raw("process_start_time_seconds", steady((MINUTES + 1, 0))),
    series("bytespike_up", steady((MINUTES + 1, 1))),
    series("bytespike_tasks_followed_total", counted((MINUTES, 3.2))),
    source(failing=((MINUTES, 0),), refreshed=f"0+60x{MINUTES}"),
    finished(completed=counted((MINUTES, 3)), failed=counted((MINUTES, 0.1)), cancelled=counted((MINUTES, 0.1))),
    series("bytespike_tasks_failed_total", counted((MINUTES, 0.1)), error_code="content_policy_violation"),
    late(running=((MINUTES + 1, 6),), overdue=((MINUTES + 1, 1),)),
    series("bytespike_tasks_oldest_submit_timestamp_seconds", f"0+60x{MINUTES}", status="running"),
    queue((MINUTES, 3, 8)),
    eta(near=((MINUTES, 3),), far=((MINUTES, 0.3),)),
    cost(used=((MINUTES, 2),), estimated=((MINUTES, 2),)),
    series(QUOTA, f"9000-2x{MINUTES}"),
    series(WALLET, f"90000-2x{MINUTES}"),
    bucket(steady((MINUTES + 1, 40))),
    latency(quick=((MINUTES, 60),), slow=((MINUTES, 0.1),)),
    polling(f"0+60x{MINUTES}", f"0+60x{MINUTES}"),
    held("server", (MINUTES + 1, 0)),
    lag(punctual=((MINUTES, 60),), late=((MINUTES, 0.5),)),
    ledger(f"0+60x{MINUTES}", steady((MINUTES + 1, 1))),
    series("bytespike_api_schema_drift_total", steady((MINUTES + 1, 0)), kind="legacy_shape"),
    series("bytespike_exporter_ledger_failures_total", steady((MINUTES + 1, 0))),
    series("bytespike_exporter_config_last_reload_successful", steady((MINUTES + 1, 1))),
    series("bytespike_exporter_config_info", steady((MINUTES + 1, 1)), sha256="0123456789abcdef" * 4),
    series("bytespike_exporter_account_owned", steady((MINUTES + 1, 1))),
    series("bytespike_exporter_task_series_dropped", steady((MINUTES + 1, 0))),
    series("bytespike_exporter_label_values_overflowed_total", steady((MINUTES + 1, 0)), limit="label_values"),
    series("bytespike_exporter_label_values_overflowed_total", steady((MINUTES + 1, 0)), limit="label_sets"),
)


@pytest.mark.slow
def test_for_three_hours_nothing_fires_or_is_about_to(servers: Servers, tmp_path: Path) -> None:
    ever = f'count by (alertname) (count_over_time(ALERTS{{alertname!="ByteSpikeWatchdog"}}[{MINUTES + 1}m]))'
    group: dict[str, Any] = {
        "interval": "1m",
        "input_series": [{"series": name, "values": text} for name, text in EVERYTHING_IS_WELL.items()],
        "promql_expr_test": [{"expr": ever, "eval_time": f"{MINUTES}m", "exp_samples": []}],
    }
    promtool.check(tmp_path, promtool.rules(), [group], servers=servers)
