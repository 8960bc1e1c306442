"""The secrets that a configuration names: whether they are there and good, and that they stay where they belong."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from exporter.settings.confidential import is_open_to_all, missing, secret_places, weak
from exporter.settings.errors import ConfigError
from exporter.settings.fields import Confidential
from exporter.settings.load import load, parse
from exporter.settings.model import Settings

GOOD = "8f0c2d5b7a914e63b1d04c9a6e2f7350"

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


# ---- are they there --------------------------------------------------------------------------------------------------


def test_every_secret_that_is_not_there(tmp_path: Path) -> None:
    assert missing(settings(tmp_path), {}) == [
        "account first: api_key_env: the environment variable FIRST_KEY is not set; set it to the API key",
        f"account second: api_key_file: there is no file {tmp_path}/key; write the secret into it",
        f"task group renders: credentials_file: there is no file {tmp_path}/sd_token; write the secret into it",
        f"task group renders: key_file: there is no file {tmp_path}/sd_key; write the secret into it",
        f"task group renders: secret_file: there is no file {tmp_path}/callback; write the secret into it",
        f"api.token_file: there is no file {tmp_path}/token; write the secret into it",
    ]


def test_all_secrets_are_there(tmp_path: Path) -> None:
    for name in ("key", "token", "sd_token", "sd_key", "callback"):
        (tmp_path / name).write_text("secret")

    assert missing(settings(tmp_path), {"FIRST_KEY": "secret"}) == []


def test_blank_is_not_there(tmp_path: Path) -> None:
    for name in ("key", "token", "sd_token", "sd_key", "callback"):
        (tmp_path / name).write_text("")

    found = missing(settings(tmp_path), {"FIRST_KEY": " "})

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
        missing(settings(tmp_path), {})
    )


# ---- are they good ---------------------------------------------------------------------------------------------------


def one_key(base: Path, *, key: str | bytes, mode: int = 0o600) -> list[str]:
    """What is said of a key in a file."""
    file = base / "key"
    file.write_bytes(key if isinstance(key, bytes) else key.encode())
    file.chmod(mode)
    text = "accounts: [{name: first, api_key_file: key}]"
    found = weak(parse(text, file="exporter.yml", base=base), {})
    assert all(line.startswith("account first: api_key_file: ") for line in found)
    assert not any(GOOD in line for line in found)
    return [line.removeprefix("account first: api_key_file: ") for line in found]


@pytest.mark.parametrize("key", [GOOD, f"\ufeff{GOOD}\r\n", "sk-byts-0123456789abcdef", "correct-horse-battery-staple"])
def test_nothing_is_said_of_a_good_one(tmp_path: Path, key: str) -> None:
    assert one_key(tmp_path, key=key) == []


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("hunter2", "is shorter than 16 characters"),
        ("a" * 64, "repeats a few characters"),
        ("ab" * 16, "repeats a few characters"),
        ("0" * 30 + "12", "repeats a few characters"),
        (f'"{GOOD}"', "stands in quotes"),
        (f"'{GOOD}'", "stands in quotes"),
        (f'{GOOD}"', "stands in quotes"),
        (f"\u201c{GOOD}\u201d", "stands in quotes"),
        (f"Bearer {GOOD}", "begins with a word of the header"),
        (f"authorization: bearer {GOOD}", "begins with a word of the header"),
        (f"BYTESPIKE_API_KEY={GOOD}", "begins with a name"),
        (f"export KEY={GOOD}", "begins with a name"),
        (f"key: {GOOD}", "begins with a name"),
        (f"{GOOD} {GOOD}", "has white space or other characters"),
        (f"{GOOD}\n{GOOD}", "has white space or other characters"),
        (f"{GOOD}\u00e9", "has white space or other characters"),
    ],
)
def test_what_is_odd_about_one(tmp_path: Path, key: str, said: str) -> None:
    found = one_key(tmp_path, key=key)
    assert found[0].startswith(f"the secret {said}")


def test_variables_and_every_kind_of_file_are_looked_at(tmp_path: Path) -> None:
    for name in ("key", "token", "sd_token", "sd_key", "callback"):
        (tmp_path / name).write_text("hunter2")

    found = weak(settings(tmp_path), {"FIRST_KEY": "hunter2"})

    assert [line.partition(": the secret")[0] for line in found] == [
        "account first: api_key_env",
        "account second: api_key_file",
        "task group renders: credentials_file",
        "task group renders: secret_file",
        "api.token_file",
    ]


def test_a_secret_that_is_not_there_is_not_weak(tmp_path: Path) -> None:
    assert weak(settings(tmp_path), {}) == []


@pytest.mark.parametrize(
    ("mode", "above", "is_open"),
    [(0o644, 0o755, True), (0o604, 0o711, True), (0o640, 0o755, False), (0o600, 0o755, False), (0o644, 0o750, False)],
)
def test_a_file_that_everybody_may_read(mode: int, above: int, *, is_open: bool) -> None:
    with TemporaryDirectory() as there:  # what pytest makes, nobody else may enter
        run = Path(there) / "run"
        run.mkdir()
        file = run / "key"
        file.write_text(GOOD)
        (Path(there) / "link").symlink_to(file)
        file.chmod(mode)
        run.chmod(above)
        Path(there).chmod(0o711)
        assert (is_open_to_all(file), is_open_to_all(Path(there) / "link")) == (is_open, is_open)


def test_a_file_that_everybody_may_read_is_told_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("exporter.settings.confidential.is_open_to_all", lambda _: True)
    assert one_key(tmp_path, key=GOOD) == [f"{tmp_path}/key can be read by everybody on this machine; chmod o-r"]


# ---- do they stay in place -------------------------------------------------------------------------------------------

EVERY = """\
global: {labels: [team]}
accounts:
  - {name: first, api_key_env: FIRST_KEY, base_url: "https://host/path"}
  - {name: second, api_key_file: key}
task_groups:
  - name: renders
    account: first
    model: sora-2
    labels: {team: video}
    static_configs: [{task_ids: [task_1], out_task_ids: [mine], model: other, labels: {team: audio}}]
    file_sd_configs: [{files: [a.yml]}]
    http_sd_configs:
      - {url: "http://app/tasks", authorization: {credentials_file: sd_token}}
    callback_config: {secret_file: callback}
api: {token_file: token}
ledger: {url: "sqlite:///data/ledger.db"}
"""
PLACES = [
    *(
        "[team]",
        "name: first",
        "account: first",
        "https://host/path",
        "name: second",
        "name: renders",
        "sora-2",
        "video",
    ),
    *("task_1", "mine", "other", "audio", "a.yml", "http://app/tasks", "data/ledger.db"),
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("secret", ["FIRST_KEY", "key", "sd_token", "callback", "token"])
def test_a_secret_that_was_pasted_into_the_wrong_place(tmp_path: Path, secret: str, place: str) -> None:
    """Each of them, anywhere in the file: the fault names where it stands, and none is repeated."""
    secrets = {name: f"{name}of7words2and" for name in ("FIRST_KEY", "key", "sd_token", "callback", "token")}
    for name, content in secrets.items():
        (tmp_path / name).write_text(f"\ufeff{content}\n")
    head, _, last = place.rpartition(" ")
    text = EVERY.replace(place, f"{head} {secrets[secret]}" if head else place.replace(last, secrets[secret]))
    if place == "[team]":
        text = EVERY.replace(place, f"[{secrets[secret]}]")
    (tmp_path / "exporter.yml").write_text(text)

    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "exporter.yml", {"FIRST_KEY": secrets["FIRST_KEY"]})

    assert any("holds a secret of this exporter" in fault.message for fault in caught.value.faults)
    assert all(fault.line for fault in caught.value.faults)
    assert not any(content in str(caught.value) for content in secrets.values())


def test_a_key_that_looks_like_one_is_refused_though_nobody_knows_it(tmp_path: Path) -> None:
    key = "sk-byts-0a1b2c3d4e5f6071"
    for place in ("task_1", "sora-2", "video", "a.yml", "api_key_file: key"):
        with pytest.raises(ConfigError, match="looks like an API key") as caught:
            parse(
                EVERY.replace(place, place.replace("file: key", "file: ") * (" " in place) + key),
                file="exporter.yml",
                base=tmp_path,
            )
        assert key not in str(caught.value)


def test_the_places_are_those_that_are_declared(tmp_path: Path) -> None:
    found = [(place.where, place.kind) for place in secret_places(settings(tmp_path))]
    assert found == [
        ("account first: api_key_env", Confidential.GIVEN),
        ("account second: api_key_file", Confidential.GIVEN),
        ("task group renders: credentials_file", Confidential.GIVEN),
        ("task group renders: key_file", Confidential.PRIVATE_KEY),
        ("task group renders: secret_file", Confidential.CHOSEN),
        ("api.token_file", Confidential.CHOSEN),
    ]
