"""The YAML files of models and accounts: what they may say, and what is told of one that cannot be."""

from pathlib import Path

import pytest

from exporter.simulator.accounts import Keyring, default_accounts, load_accounts
from exporter.simulator.catalogue import Kind, load_catalogue
from exporter.simulator.errors import SimulatorError
from exporter.simulator.files import MAX_FILE_BYTES

ACCOUNTS = """
- name: studio
  concurrency: 5
  balance: 20
  org: true
  keys:
    - {name: renders, key: sk-byts-renders, quota: 10, rate_limit_5h: 1, models: [sora-2]}
    - {name: tests, key: sk-byts-tests}
"""


def test_the_built_in_models_are_the_published_ones() -> None:
    catalogue = load_catalogue()
    assert {"sora-2", "sora-2-pro", "veo-3.1-fast", "seedance-fast", "gpt-image-2"} <= set(catalogue)
    assert catalogue["sora-2-pro"].price(8) == 185
    assert catalogue["seedream-v4"].kind is Kind.IMAGE


def test_models_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "models.yml"
    path.write_text("tiny: {kind: image, usd: 0.001, latency: [1, 2]}\n")
    assert load_catalogue(path)["tiny"].price(1) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "models.yml: Input should be a valid dictionary"),
        ("a: [", "models.yml: not YAML: "),
        ("a: {kind: smell}", "models.yml: a.kind: Input should be 'video', 'image' or 'text'"),
        ("a: {kind: video, usd: 0}", "models.yml: a.usd: Input should be greater than 0"),
        ("a: {kind: video, cost: 1}", "models.yml: a.cost: Unexpected keyword argument"),
        ("a: {kind: text}", "models.yml: no image or video model with a weight above 0"),
        ("a: {kind: video, latency: [2, 1]}", "models.yml: a.latency: the 10th percentile is greater than the 90th"),
        ("a: {kind: video, error_codes: []}", "models.yml: a.error_codes: a model that fails needs at least one"),
        ("# " + "x" * MAX_FILE_BYTES, f"models.yml: larger than {MAX_FILE_BYTES} bytes"),
    ],
)
def test_a_bad_models_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "models.yml"
    path.write_text(text)
    with pytest.raises(SimulatorError) as error:
        load_catalogue(path)
    assert str(error.value).removeprefix(f"{tmp_path}/").startswith(message)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SimulatorError, match="No such file"):
        load_catalogue(tmp_path / "absent.yml")
    (tmp_path / "binary.yml").write_bytes(b"\xff\xfe")
    with pytest.raises(SimulatorError, match="not UTF-8"):
        load_accounts(tmp_path / "binary.yml")


def test_accounts_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "accounts.yml"
    path.write_text(ACCOUNTS)
    [account] = load_accounts(path)
    assert (account.name, account.concurrency, account.org, len(account.keys)) == ("studio", 5, True, 2)
    assert account.keys[0].models == ("sora-2",)
    assert "sk-byts" not in repr(account)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "accounts: at least one is needed"),
        ("[{name: a, keys: []}]", "accounts.yml: 0.keys: Tuple should have at least 1 item"),
        ("[{name: a, keys: [{name: k, key: short}]}]", "accounts.yml: 0.keys.0.key: String should have at least 8"),
        (ACCOUNTS + ACCOUNTS, "accounts: two have the same name"),
        (ACCOUNTS.replace("tests, ", "renders, "), "accounts: two keys have the same name"),
        (ACCOUNTS.replace("byts-tests", "byts-renders"), "accounts: two keys are the same"),
    ],
)
def test_a_bad_accounts_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "accounts.yml"
    path.write_text(text)
    with pytest.raises(SimulatorError) as error:
        load_accounts(path)
    assert str(error.value).removeprefix(f"{tmp_path}/").startswith(message)


def test_keys_and_accounts_are_found_by_name() -> None:
    keyring = Keyring(default_accounts())
    assert keyring.first_of("").account.name == "demo"
    assert keyring.first_of("second").key.name == "second"
    with pytest.raises(SimulatorError, match="no account is named 'third'"):
        keyring.first_of("third")
    with pytest.raises(SimulatorError, match="no key is named 'third'; there are: demo, second"):
        keyring.revoke("third")
