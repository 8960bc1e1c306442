"""Descriptors are shared: the sidecar's clients leave some to polls, the ledger and the web server."""

import resource
from pathlib import Path

import pytest

from exporter.cli.sidecar import clients_at_once, connections_out
from exporter.proxy.sidecar import CONNECTIONS
from exporter.settings.load import load
from exporter.settings.model import Settings
from exporter.web.places import capacity


def settings(directory: Path, *, more: str) -> Settings:
    path = directory / "exporter.yml"
    path.write_text(
        "accounts: [{name: default, base_url: 'http://upstream.invalid', api_key_env: KEY, max_in_flight: 4}]\n"
        f"task_groups: [{{name: renders, static_configs: []}}]\n{more}"
    )
    return load(path)


@pytest.mark.parametrize(("limit", "clients"), [(256, 51), (1024, 243), (1 << 20, CONNECTIONS), (16, 4)])
def test_half_of_what_is_left_is_the_sidecars(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limit: int, clients: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    with_sidecar = settings(tmp_path, more="proxy: {}")

    assert clients_at_once(with_sidecar) == clients
    if limit > 100:
        assert connections_out(with_sidecar) + capacity(upstream=connections_out(with_sidecar)).with_kept <= limit - 48


def test_without_a_sidecar_only_polls_take_any(tmp_path: Path) -> None:
    assert connections_out(settings(tmp_path, more="")) == 4
