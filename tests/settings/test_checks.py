"""What a user should hear about though it may stand there."""

import os
from pathlib import Path

import pytest

from exporter.settings.checks import check_secrets, not_streamed, warnings
from exporter.settings.load import parse
from exporter.settings.model import Settings

FULL = """\
accounts:
  - {name: first, api_key_env: FIRST_KEY}
  - {name: second, api_key_file: key}
task_groups:
  - name: renders
    account: first
    http_sd_configs:
      - {url: "http://app/tasks", authorization: {credentials_file: sd_token}}
      - {url: "https://app/open", tls_config: {cert_file: sd_cert, key_file: sd_key}}
    callback_config: {secret_file: callback}
  - {name: images, account: second, file_sd_configs: [{files: [a.yml]}], api_config: {}, stream: true}
  - {name: plain, account: second}
api: {token_file: token}
"""


def settings(base: Path) -> Settings:
    return parse(FULL, file="exporter.yml", base=base)


def test_every_secret_that_is_not_there(tmp_path: Path) -> None:
    assert check_secrets(settings(tmp_path), {}) == [
        "account first: api_key_env: the environment variable FIRST_KEY is not set; set it to the API key",
        f"account second: api_key_file: there is no file {tmp_path}/key; write the secret into it",
        f"api.token_file: there is no file {tmp_path}/token; write the secret into it",
        f"task group renders: credentials_file: there is no file {tmp_path}/sd_token; write the secret into it",
        f"task group renders: key_file: there is no file {tmp_path}/sd_key; write the secret into it",
        f"task group renders: secret_file: there is no file {tmp_path}/callback; write the secret into it",
    ]


def test_all_secrets_are_there(tmp_path: Path) -> None:
    for name in ("key", "token", "sd_token", "sd_key", "callback"):
        (tmp_path / name).write_text("secret")

    assert check_secrets(settings(tmp_path), {"FIRST_KEY": "secret"}) == []


def test_blank_is_not_there(tmp_path: Path) -> None:
    for name in ("key", "token", "sd_token", "sd_key", "callback"):
        (tmp_path / name).write_text("")

    found = check_secrets(settings(tmp_path), {"FIRST_KEY": " "})

    assert found[:2] == [
        "account first: api_key_env: the environment variable FIRST_KEY is not set; set it to the API key",
        f"account second: api_key_file: {tmp_path}/key is empty; write the secret into it",
    ]
    assert len(found) == 6


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("secret")
    # Root, as which tests may run, reads whatever the mode says.
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)

    assert f"account second: api_key_file: {tmp_path}/key cannot be read; let the exporter's user read it" in (
        check_secrets(settings(tmp_path), {})
    )


def test_a_stream_on_an_account_without_room_for_one(tmp_path: Path) -> None:
    narrow = FULL.replace("api_key_file: key}", "api_key_file: key, max_in_flight: 1}")

    assert not_streamed(settings(tmp_path)) == []
    assert not_streamed(parse(narrow, file="exporter.yml", base=tmp_path)) == [
        (
            "task group images: stream: account second has max_in_flight 1, which is left to polling, so nothing is"
            " streamed; let it have 2 or more"
        )
    ]


def test_warnings_are_both(tmp_path: Path) -> None:
    narrow = FULL.replace("api_key_file: key}", "api_key_file: key, max_in_flight: 1}")

    assert len(warnings(parse(narrow, file="exporter.yml", base=tmp_path), {})) == 6 + 1
