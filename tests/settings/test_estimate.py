"""How far a configuration can reach, by hand-counted figures."""

from pathlib import Path

import pytest

from exporter.settings.estimate import AccountEstimate, SeriesCost, estimate
from exporter.settings.load import parse
from exporter.settings.model import Settings

COST = SeriesCost(per_label_set=10, per_error_code=1, per_task=5, per_account=7, fixed=3)


def settings(text: str) -> Settings:
    return parse(text, file="exporter.yml", base=Path("/etc"))


def tasks(count: int) -> str:
    return "[" + ", ".join(f"task_{at}" for at in range(count)) + "]"


def test_nothing_to_follow() -> None:
    found = estimate(settings("accounts: [{name: a, api_key_env: A}]"), COST)

    assert found.accounts == (AccountEstimate("a", 0, 0, 0, 0, allowed=10, when_slow=0.2, interval=0),)
    assert found.series == 7 + 3


def test_requests() -> None:
    found = estimate(
        settings(f"""\
accounts: [{{name: a, api_key_env: A, max_requests_per_second: 2, max_in_flight: 4, timeout: 10s}}]
task_groups:
  - {{name: g, static_configs: [{{task_ids: {tasks(20)}, out_task_ids: [x]}}]}}
  - {{name: h, poll: {{min_interval: 10s, max_interval: 20s}}, static_configs: [{{task_ids: {tasks(10)}}}]}}
""")
    ).accounts[0]

    assert found == AccountEstimate(
        name="a",
        tasks=31,
        wanted=21 / 5 + 10 / 10,
        least=21 / 300 + 10 / 20,
        most=21 / 2 + 10 / 10,
        allowed=2,
        when_slow=0.4,
        interval=15.5,
    )
    assert not found.fits


@pytest.mark.parametrize(
    ("poll", "interval"),
    [("{}", 5.0), ("{default_eta: 6s}", 2.0), ("{default_eta: 1h}", 300.0), ("{polls_per_eta: 3}", 10.0)],
)
def test_the_interval_is_the_published_one(poll: str, interval: float) -> None:
    text = f"accounts: [{{name: a, api_key_env: A}}]\ntask_groups: [{{name: g, poll: {poll}, static_configs: "
    account = estimate(settings(f"{text}[{{task_ids: [t]}}]}}]")).accounts[0]

    assert account.wanted == pytest.approx(1 / interval)
    assert account.fits


def test_series() -> None:
    found = estimate(
        settings(f"""\
global: {{labels: [team], label_values: {{limit: 4}}, task_series: {{limit: 6}}}}
accounts: [{{name: a, api_key_env: A}}, {{name: b, api_key_env: B}}]
task_groups:
  - name: g
    account: a
    static_configs:
      - {{task_ids: {tasks(2)}}}
      - {{task_ids: [x], model: sora-2}}
      - {{task_ids: [y], labels: {{team: video}}}}
  - {{name: h, account: b}}
"""),
        COST,
    )

    assert found.label_sets == 4
    assert found.aggregate_series == 40
    assert found.error_code_series == 4 * 5
    assert found.task_series == 4 * 5
    assert found.exporter_series == 2 * 7 + 3
    assert found.series == 40 + 20 + 20 + 17
    assert found.open_groups == ()


@pytest.mark.parametrize("source", ["api_config: {}", "file_sd_configs: [{files: [a]}]"])
def test_tasks_from_elsewhere_may_fill_the_limit(source: str) -> None:
    text = f"accounts: [{{name: a, api_key_env: A}}]\ntask_groups: [{{name: g, {source}}}]"

    found = estimate(settings(text), COST)

    assert found.task_series == 1000 * 5
    assert found.open_groups == ("g",)


def test_the_limit_holds() -> None:
    text = f"""\
global: {{task_series: {{limit: 3}}}}
accounts: [{{name: a, api_key_env: A}}]
task_groups: [{{name: g, static_configs: [{{task_ids: {tasks(9)}}}]}}]
"""

    assert estimate(settings(text), COST).task_series == 3 * 5
