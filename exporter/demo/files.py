"""The files that the demo gives the exporter: keys and a configuration."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

Items = Sequence[Mapping[str, object]]
"""Entries of ``static_configs``."""


def write_key(directory: Path, account: str, key: str) -> Path:
    """The file of an account's API key, for its owner alone."""
    path = directory / f"{account}.key"
    path.touch(mode=0o600)
    path.write_text(key)
    return path


def write_config(path: Path, *, base_url: str, keys: Mapping[str, Path], items: Mapping[str, Items]) -> None:
    """A configuration with one group for each account; it replaces the old one at once, never half-written."""
    config = {
        "global": {"poll": {"min_interval": "1s", "max_interval": "10s"}, "retention": "10m"},
        "accounts": [
            {"name": account, "base_url": base_url, "api_key_file": str(key)} for account, key in keys.items()
        ],
        "task_groups": [
            {"name": f"{account}-tasks", "account": account, "static_configs": list(items[account])} for account in keys
        ],
        "ledger": {"url": f"sqlite:///{path.with_name('ledger.db')}"},
    }
    new = path.with_suffix(".new")
    new.write_text(yaml.safe_dump(config, sort_keys=False))
    new.replace(path)
