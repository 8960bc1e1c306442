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
    path = tmp_path / "exporter.yml"
    write_config(path, simulator="http://127.0.0.1:1", keys=keys)
    settings = load(path)
    assert [(group.name, group.account) for group in settings.task_groups] == [
        ("one-tasks", "one"),
        ("two-tasks", "two"),
    ]
    [source] = settings.task_groups[0].http_sd_configs
    assert (source.url, source.refresh_interval) == (
        "http://127.0.0.1:1/sim/sd?account=one&finished_within=300",
        3.0,
    )
    assert settings.accounts[1].api_key_file == keys["two"]
    assert settings.ledger.url == f"sqlite:///{tmp_path}/ledger.db"
