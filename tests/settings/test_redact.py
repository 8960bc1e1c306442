"""The effective configuration for people."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from exporter.settings.load import parse
from exporter.settings.model import Settings
from exporter.settings.redact import as_yaml
from exporter.tasks.identity import leads_elsewhere

CONFIG = Path(__file__).parents[2] / "config" / "exporter.yml"
FULL = """\
global: {labels: [team], task_series: {limit: 0}, not_found_grace: 0}
accounts: [{name: default, api_key_file: key, timeout: 1500ms}]
task_groups:
  - name: renders
    labels: {team: "on"}
    static_configs: [{task_ids: ["123"], submitted_at: "2026-05-25T08:30:00.25Z"}]
    file_sd_configs: [{files: ["tasks/*.yml"]}]
    http_sd_configs:
      - {url: "http://app/tasks", authorization: {credentials_file: sd_token}}
      - {url: "http://app/more"}
      - {url: "https://app/tls", tls_config: {ca_file: ca, cert_file: cert, key_file: key, server_name: app.internal}}
      - {url: "https://app/any", tls_config: {insecure_skip_verify: true}}
    api_config: {}
    callback_config: {secret_file: callback}
    proxy_config: {}
    stream: true
api: {token_file: token}
proxy: {}
"""


def read(text: str) -> Settings:
    return parse(text, file="exporter.yml", base=Path("/etc/exporter"))


def test_the_example() -> None:
    assert (
        as_yaml(read(CONFIG.read_text(encoding="utf-8")))
        == """\
global:
  poll:
    strategy: adaptive
    min_interval: 2s
    max_interval: 5m
    polls_per_eta: 6.0
    default_eta: 30s
  labels:
  - team
  overdue_factor: 3.0
  retention: 1d
  not_found_grace: 2m
  task_series:
    limit: 1000
  label_values:
    limit: 200
  label_sets:
    limit: 1000
accounts:
- name: default
  base_url: https://llm.bytespike.ai
  api_key_env: BYTESPIKE_API_KEY
  max_in_flight: 2
  max_requests_per_second: 10.0
  timeout: 10s
task_groups:
- name: renders
  account: default
  model: sora-2-pro
  labels:
    team: video
  poll:
    strategy: adaptive
    min_interval: 2s
    max_interval: 1m
    polls_per_eta: 6.0
    default_eta: 30s
  static_configs:
  - task_ids:
    - task_01HQX9F2P6Y8VEX3CRZ8GXJVD9
    out_task_ids:
    - my-render-2026-05-25-001
    model: sora-2
    labels:
      team: trailers
  file_sd_configs: []
  http_sd_configs: []
  stream: false
api: {}
ledger:
  url: sqlite:///data/ledger.db
  retention: 30d
  lease: 15s
"""
    )


def test_it_loads_again() -> None:
    assert read(as_yaml(read(FULL))) == read(FULL)


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=20)


@pytest.mark.slow
@given(
    st.lists(TEXT.filter(lambda name: not leads_elsewhere(name)), unique=True, max_size=5),
    TEXT,
    st.integers(min_value=0, max_value=365 * 86_400_000),
    st.floats(min_value=0.001, max_value=1000) | st.just(math.inf),
)
def test_whatever_it_holds_it_loads_again(ids: list[str], model: str, retention: int, rate: float) -> None:
    settings = read(FULL)
    group = settings.task_groups[0]
    target = replace(group.static_configs[0], task_ids=tuple(ids), model=model)
    group = replace(group, model=model, static_configs=(target,))
    account = replace(settings.accounts[0], max_requests_per_second=rate)
    general = replace(settings.globals, retention=retention / 1000)
    settings = replace(settings, globals=general, accounts=(account,), task_groups=(group,))

    assert read(as_yaml(settings)) == settings


def test_the_query_of_a_url_is_hidden() -> None:
    text = as_yaml(read(FULL.replace("http://app/more", "http://app/more?token=hunter2hunter2#x")))

    assert "hunter2" not in text
    assert yaml.safe_load(text)["task_groups"][0]["http_sd_configs"][1]["url"] == "http://app/more?hidden"


def test_long_lists_are_cut() -> None:
    settings = read(FULL.replace('["123"]', "[a, b, c, d]"))

    assert yaml.safe_load(as_yaml(settings, ids=3))["task_groups"][0]["static_configs"][0]["task_ids"] == [
        *("a", "b", "c"),
        "(and 1 more)",
    ]


def test_long_lists_of_targets_are_cut() -> None:
    """Writing 50,000 of them would take the better part of a minute."""
    settings = read(FULL)
    group = settings.task_groups[0]
    group = replace(group, static_configs=group.static_configs * 50_000)
    shown = yaml.safe_load(as_yaml(replace(settings, task_groups=(group,)), ids=3))
    assert shown["task_groups"][0]["static_configs"][3:] == ["(and 49997 more)"]
