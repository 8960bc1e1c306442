"""The files that the demo gives the exporter: keys and a configuration."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

import yaml

FORGET_SECONDS = 300
"""An ended task leaves the list after so long: time enough to see its end, an outage in between."""

REFRESH = "3s"


def write_key(directory: Path, account: str, key: str) -> Path:
    """The file of an account's API key, for its owner alone."""
    path = directory / f"{account}.key"
    path.touch(mode=0o600)
    path.write_text(key)
    return path


def write_config(path: Path, *, simulator: str, keys: Mapping[str, Path]) -> None:
    """A configuration with one group for each account, whose tasks the simulator itself names."""
    config = {
        "global": {"poll": {"min_interval": "1s", "max_interval": "10s"}, "retention": "10m"},
        "accounts": [
            {"name": account, "base_url": simulator, "api_key_file": str(key)} for account, key in keys.items()
        ],
        "task_groups": [
            {"name": f"{account}-tasks", "account": account, "http_sd_configs": [_source(simulator, account)]}
            for account in keys
        ],
        "ledger": {"url": f"sqlite:///{path.with_name('ledger.db')}"},
    }
    path.write_text(yaml.safe_dump(config, sort_keys=False))


def _source(simulator: str, account: str) -> dict[str, str]:
    query = urlencode({"account": account, "finished_within": FORGET_SECONDS})
    return {"url": f"{simulator}/sim/sd?{query}", "refresh_interval": REFRESH}
