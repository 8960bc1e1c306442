import stat
from pathlib import Path

from exporter.demo.files import write_config, write_key
from exporter.settings.load import load


def test_a_key_is_its_owners_alone(tmp_path: Path) -> None:
    path = write_key(tmp_path, "demo", "sk-byts-demo")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == "sk-byts-demo"


def test_the_configuration_is_one_the_exporter_takes(tmp_path: Path) -> None:
    keys = {name: write_key(tmp_path, name, f"sk-byts-{name}") for name in ("one", "two")}
    items = {"one": [{"task_ids": ["task_1"], "out_task_ids": ["mine"], "model": "sora-2"}], "two": []}
    path = tmp_path / "exporter.yml"
    for _ in range(2):  # the second replaces the first
        write_config(path, base_url="http://127.0.0.1:1", keys=keys, items=items)
    settings = load(path)
    assert [(group.name, group.account) for group in settings.task_groups] == [
        ("one-tasks", "one"),
        ("two-tasks", "two"),
    ]
    assert settings.task_groups[0].static_configs[0].out_task_ids == ("mine",)
    assert settings.accounts[1].api_key_file == keys["two"]
    assert settings.ledger.url == f"sqlite:///{tmp_path}/ledger.db"
    assert {path.name for path in tmp_path.iterdir()} == {"exporter.yml", "one.key", "two.key"}
