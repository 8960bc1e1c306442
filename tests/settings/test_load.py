"""Loading: every mistake has one exact text, and a good file becomes frozen settings."""

import math
import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from exporter.settings.errors import ConfigError
from exporter.settings.fields import Strategy
from exporter.settings.load import load, parse
from exporter.settings.model import (
    AccountSettings,
    ApiConfigSettings,
    ApiSettings,
    AuthorizationSettings,
    CallbackSettings,
    FileSdSettings,
    GlobalSettings,
    GroupSettings,
    HttpSdSettings,
    LabelSetsSettings,
    LabelValuesSettings,
    LedgerSettings,
    PollSettings,
    Settings,
    TargetSettings,
    TaskSeriesSettings,
    TlsSettings,
)
from exporter.settings.reader import MAX_BYTES

BAD = Path(__file__).parent / "bad"
EXAMPLE = Path(__file__).parents[2] / "config" / "exporter.yml"
BASE = Path("/etc/exporter")
ACCOUNT = "accounts: [{name: default, api_key_env: KEY}]\n"


def read(text: str) -> Settings:
    return parse(text, file="exporter.yml", base=BASE)


def faults(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(text)
    return [f"{fault.line} {fault.key}: {fault.message}" for fault in caught.value.faults]


@pytest.mark.parametrize("name", sorted(path.stem for path in BAD.glob("*.yml")))
def test_each_mistake_has_its_text(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BAD)

    with pytest.raises(ConfigError) as caught:
        load(Path(f"{name}.yml"))

    assert f"{caught.value}\n" == Path(f"{name}.txt").read_text(encoding="utf-8")


def test_no_text_repeats_a_secret() -> None:
    texts = [path.read_text(encoding="utf-8") for path in BAD.glob("*.txt")]

    assert len(texts) >= 40
    assert not [text for text in texts if "hunter2" in text or "do-not-repeat" in text]


def test_the_smallest_file_has_every_default() -> None:
    assert read(ACCOUNT) == Settings(
        accounts=(AccountSettings(name="default", base_url="https://llm.bytespike.ai", api_key_env="KEY"),),
        task_groups=(),
    )


def test_the_largest_file_says_everything() -> None:
    settings = read("""\
global:
  poll: {strategy: eta, min_interval: 1s, max_interval: 10m, polls_per_eta: 4, default_eta: 1m}
  labels: [tier, team]
  overdue_factor: 2.5
  retention: 1w
  not_found_grace: 0
  task_series: {limit: 0}
  label_values: {limit: 10}
  label_sets: {limit: 20}
accounts:
  - name: default
    base_url: http://localhost:8080/proxy/
    api_key_file: keys/default
    max_in_flight: 4
    max_requests_per_second: 0.5
    timeout: 1500ms
task_groups:
  - name: renders
    model: sora-2-pro
    labels: {team: video}
    poll: {max_interval: 1m}
    static_configs:
      - task_ids: [task_1]
        out_task_ids: [render-1]
        model: sora-2
        labels: {tier: gold, team: trailers}
        submitted_at: 2026-05-25T10:30:00+02:00
      - task_ids: [task_2]
    file_sd_configs: [{files: ["tasks/*.yml", /abs/*.json], refresh_interval: 1m}]
    http_sd_configs:
      - url: http://my-app/tasks?kind=video
        refresh_interval: 30s
        authorization: {credentials_file: sd_token}
      - url: https://other/tasks
        tls_config: {ca_file: ca, cert_file: cert, key_file: /key, server_name: other.internal}
    api_config: {}
    callback_config: {secret_file: /run/secrets/callback, register_unknown: true}
    stream: true
api: {token_file: token}
ledger: {url: sqlite:////var/lib/ledger.db, retention: 10d}
""")

    assert settings == Settings(
        accounts=(
            AccountSettings(
                name="default",
                base_url="http://localhost:8080/proxy",
                api_key_file=Path("/etc/exporter/keys/default"),
                max_in_flight=4,
                max_requests_per_second=0.5,
                timeout=1.5,
            ),
        ),
        task_groups=(
            GroupSettings(
                name="renders",
                account="default",
                model="sora-2-pro",
                labels=(("team", "video"),),
                poll=PollSettings(
                    strategy=Strategy.ETA, min_interval=1, max_interval=60, polls_per_eta=4, default_eta=60
                ),
                static_configs=(
                    TargetSettings(
                        task_ids=("task_1",),
                        out_task_ids=("render-1",),
                        model="sora-2",
                        labels=(("team", "trailers"), ("tier", "gold")),
                        submitted_at=1_779_697_800.0,
                    ),
                    TargetSettings(task_ids=("task_2",), model="sora-2-pro", labels=(("team", "video"),)),
                ),
                file_sd_configs=(FileSdSettings(("/etc/exporter/tasks/*.yml", "/abs/*.json"), 60.0),),
                http_sd_configs=(
                    HttpSdSettings(
                        "http://my-app/tasks?kind=video",
                        30.0,
                        AuthorizationSettings(credentials_file=Path("/etc/exporter/sd_token")),
                    ),
                    HttpSdSettings(
                        "https://other/tasks",
                        tls_config=TlsSettings(
                            ca_file=Path("/etc/exporter/ca"),
                            cert_file=Path("/etc/exporter/cert"),
                            key_file=Path("/key"),
                            server_name="other.internal",
                        ),
                    ),
                ),
                api_config=ApiConfigSettings(),
                callback_config=CallbackSettings(Path("/run/secrets/callback"), register_unknown=True),
                stream=True,
            ),
        ),
        globals=GlobalSettings(
            poll=PollSettings(strategy=Strategy.ETA, min_interval=1, max_interval=600, polls_per_eta=4, default_eta=60),
            labels=("team", "tier"),
            overdue_factor=2.5,
            retention=604_800,
            not_found_grace=0,
            task_series=TaskSeriesSettings(0),
            label_values=LabelValuesSettings(10),
            label_sets=LabelSetsSettings(20),
        ),
        api=ApiSettings(Path("/etc/exporter/token")),
        ledger=LedgerSettings(url="sqlite:////var/lib/ledger.db", retention=864_000),
    )


@pytest.mark.parametrize(
    "text", ["123", "on", "1e3", "0x1F", "2026-05-25", "1:30", "NO", "'null'", '"~"', "=", "1_000"]
)
def test_text_is_what_stands_there(text: str) -> None:
    settings = read(f"{ACCOUNT}task_groups: [{{name: renders, static_configs: [{{task_ids: [{text}]}}]}}]")

    assert settings.task_groups[0].static_configs[0].task_ids == (text.strip("'\""),)


@pytest.mark.parametrize(
    ("text", "rate"),
    [("1", 1.0), ("0.25", 0.25), ("1e2", 100.0), ("+2", 2.0), ("unlimited", math.inf), ("1000000", 1e6)],
)
def test_numbers(text: str, rate: float) -> None:
    settings = read(f"accounts: [{{name: default, api_key_env: KEY, max_requests_per_second: {text}}}]")

    assert settings.accounts[0].max_requests_per_second == rate


@pytest.mark.parametrize("text", ["unlimited", "'unlimited'"])
def test_a_rate_may_have_no_limit(text: str) -> None:
    settings = read(f"accounts: [{{name: default, api_key_env: KEY, max_requests_per_second: {text}}}]")

    assert settings.accounts[0].max_requests_per_second == math.inf


@pytest.mark.parametrize("text", ["1_0", "0x10", "1:30", ".inf", ".nan", "1.", "true", "'1'", "1e999", "[1]"])
def test_what_is_no_number(text: str) -> None:
    assert faults(f"accounts:\n- {{name: default, api_key_env: KEY, max_requests_per_second: {text}}}") == [
        "2 accounts[0].max_requests_per_second: expected a number, such as 2 or 0.5, or unlimited"
    ]


def test_anchors_are_followed() -> None:
    settings = read(
        "accounts:\n- {name: a, api_key_env: A, timeout: &slow 20s}\n- {name: b, api_key_env: B, timeout: *slow}\n"
    )

    assert [account.timeout for account in settings.accounts] == [20.0, 20.0]


def test_variables_never_expand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL", "sora-2")

    assert read(f"{ACCOUNT}task_groups: [{{name: g, model: $MODEL}}]").task_groups[0].model == "$MODEL"


def test_a_fault_of_shape_hides_none_between_keys() -> None:
    text = "accounts:\n- {name: a, api_key_env: A, timeout: soon}\ntask_groups:\n- {name: g, account: b}\n"

    assert [fault.split(": ")[0] for fault in faults(text)] == ["2 accounts[0].timeout", "4 task_groups[0].account"]


def test_nothing_is_made_of_references_to_faulty_names() -> None:
    """An account whose name is missing may well be the one that the group means."""
    text = "accounts:\n- {api_key_env: A}\ntask_groups:\n- {name: g, account: b}\n"

    assert faults(text) == ["2 accounts[0].name: is needed: The account's name, its account label."]


def test_labels_are_not_compared_with_a_faulty_declaration() -> None:
    text = f"{ACCOUNT}global: {{labels: [[team]]}}\ntask_groups: [{{name: g, labels: {{team: a}}}}]"

    assert faults(text) == ["2 global.labels[0]: expected text"]


def test_a_key_with_a_secret_shape_is_cut_short() -> None:
    assert faults(ACCOUNT + "k" * 200 + ": 1")[0].startswith(f"2 {'k' * 57}...: unknown key; ")


@pytest.mark.parametrize("length", [4096, 4097])
def test_the_length_of_text_has_a_limit(length: int) -> None:
    text = f"accounts:\n- name: default\n  api_key_file: {'x' * length}\n"

    if length <= 4096:
        assert read(text).accounts[0].api_key_file == BASE / ("x" * length)
    else:
        assert faults(text) == ["3 accounts[0].api_key_file: is longer than 4096 characters"]


def test_the_number_of_entries_has_a_limit() -> None:
    labels = ", ".join(f"label_{at}" for at in range(21))

    assert faults(f"{ACCOUNT}global: {{labels: [{labels}]}}") == [
        "2 global.labels: has more entries than the 20 allowed"
    ]


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yml: cannot be read: No such file or directory$"):
        load(tmp_path / "nowhere.yml")


def test_a_directory(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r": cannot be read: Is a directory$"):
        load(tmp_path)


def test_a_path_that_is_none() -> None:
    with pytest.raises(ConfigError, match=r": cannot be read: not a path$"):
        load(Path("a\0b"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    file = tmp_path / "exporter.yml"
    file.write_text(ACCOUNT)
    file.chmod(0)

    with pytest.raises(ConfigError, match=r": cannot be read: Permission denied$"):
        load(file)


def test_a_file_too_large(tmp_path: Path) -> None:
    file = tmp_path / "exporter.yml"
    with file.open("wb") as stream:
        stream.truncate(MAX_BYTES + 1)

    with pytest.raises(ConfigError, match=r": is larger than 16 MiB, the most that is allowed$"):
        load(file)


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    file = tmp_path / "exporter.yml"
    file.write_text(ACCOUNT, encoding="utf-8-sig")

    assert load(file).accounts[0].name == "default"


def test_relative_paths_start_at_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "exporter.yml").write_text("accounts: [{name: a, api_key_file: key}]")
    monkeypatch.chdir(tmp_path)

    assert load(Path("etc/exporter.yml")).accounts[0].api_key_file == tmp_path / "etc" / "key"


def test_the_name_of_a_directory_is_no_pattern() -> None:
    text = f"{ACCOUNT}task_groups: [{{name: g, file_sd_configs: [{{files: ['*.yml', /abs/*.json]}}]}}]"

    settings = parse(text, file="exporter.yml", base=Path("/etc/[a]*"))

    assert settings.task_groups[0].file_sd_configs[0].files == ("/etc/[[]a][*]/*.yml", "/abs/*.json")


def test_the_example_loads() -> None:
    settings = load(EXAMPLE)

    defaults = read("global: {labels: [team]}\naccounts: [{name: default, api_key_env: BYTESPIKE_API_KEY}]")
    assert settings.accounts == defaults.accounts
    assert (settings.globals, settings.api, settings.ledger) == (defaults.globals, defaults.api, defaults.ledger)
    assert [group.name for group in settings.task_groups] == ["renders"]


def answer(text: str) -> Settings | ConfigError:
    """Whatever stands there, it loads or it has faults; nothing else is raised."""
    try:
        return read(text)
    except ConfigError as error:
        return error


@given(st.text(max_size=200))
def test_any_text_is_answered(text: str) -> None:
    found = answer(text)

    assert isinstance(found, Settings) or found.faults


KEYS = st.sampled_from(
    ["global", "accounts", "task_groups", "name", "poll", "labels", "static_configs", "task_ids", "api_key_env", "x"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=25,
)


@pytest.mark.slow
@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_any_shape_is_answered_in_order(shape: dict[str, object]) -> None:
    found = answer(yaml.safe_dump(shape))

    lines = [] if isinstance(found, Settings) else [fault.line for fault in found.faults]
    assert lines == sorted(lines)
