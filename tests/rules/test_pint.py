"""pint itself finds nothing in the rules, and finds what breaks them. What else it asks a Prometheus: e2e/alerting."""

from pathlib import Path

import pytest

from monitoring.document import document
from monitoring.rule import Group, Record
from tests.support import pint
from tests.support.monitoring import start_prometheus

pytestmark = pytest.mark.skipif(not pint.is_installed(), reason=pint.WHY_NOT)

BROKEN = [
    ("severity: warning", "severity: fatal", "rule/label"),
    ("for: 5m", "for: 0m", "rule/for"),
    ("summary: Far more", "summary: far more", "alerts/annotation"),
    ("ByteSpikeTasksNotFound.md", "ByteSpikeTaskNotFound.md", "alerts/annotation"),
    ("dashboard_url: /d/bytespike-", "dashboard_url: /d/", "alerts/annotation"),
    ("$labels.group", "$labels.instance", "alerts/template"),
    ("status=~", "status=~~", "promql/syntax"),
    ('"completed|failed"', '"completed"', "promql/regexp"),
]


def test_it_finds_nothing() -> None:
    assert pint.faults("--offline") == ""


@pytest.mark.parametrize(("good", "bad", "rule"), BROKEN, ids=lambda value: value)
def test_it_finds_what_breaks_its_rules(good: str, bad: str, rule: str, tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    for path in pint.RULES.iterdir():
        (folder / path.name).write_text(path.read_text().replace(good, bad))
    assert f"({rule})" in pint.faults("--offline", rules=[folder])


@pytest.mark.slow
def test_beside_a_prometheus_it_asks_for_the_series(tmp_path: Path) -> None:
    # one that scrapes no exporter: what the end-to-end run finds nothing in is looked at
    nowhere = "127.0.0.1:1"
    rules = tmp_path / "rules"
    rules.mkdir()
    one = Group("one", (Record("account:bytespike_tasks:sum", "sum without (instance) (bytespike_tasks)"),))
    (rules / "one.yml").write_text(document([one]))
    with start_prometheus(tmp_path / "prometheus", exporters=[nowhere], alertmanager=nowhere, speed=20) as prometheus:
        config = pint.beside(prometheus.url, tmp_path)
        assert "(promql/series)" in pint.faults("--enabled=promql/series", config=config, rules=[rules])
