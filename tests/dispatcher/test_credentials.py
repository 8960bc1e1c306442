import os
from pathlib import Path

import pytest

from exporter.dispatcher.credentials import KEY_LIMIT, ApiKey

SECRET = "sk-byts-0123456789abcdef"


def test_a_key_from_the_environment() -> None:
    key = ApiKey(env="KEY", environ={"KEY": f" {SECRET}\n"})
    assert (key.reveal(), key.fault, key.refresh()) == (SECRET, None, False)


def test_the_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BYTESPIKE_TEST_KEY", SECRET)
    assert ApiKey(env="BYTESPIKE_TEST_KEY").reveal() == SECRET


@pytest.mark.parametrize("environ", [{}, {"KEY": ""}, {"KEY": " \n"}])
def test_a_missing_variable_is_named(environ: dict[str, str]) -> None:
    key = ApiKey(env="KEY", environ=environ)
    assert (key.reveal(), key.fault) == (None, "environment variable KEY is not set or empty")


def test_a_key_from_a_file_is_stripped(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(f"\n {SECRET} \r\n")
    assert ApiKey(file=path).reveal() == SECRET


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"x" * (KEY_LIMIT + 1), "longer than 4096 bytes"),
        (b"\xff\xfe" + SECRET.encode(), "not text"),
    ],
)
def test_a_file_without_a_key_is_named(tmp_path: Path, content: bytes, fault: str) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    key = ApiKey(file=path)
    assert (key.reveal(), key.fault) == (None, f"{path}: {fault}")


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert ApiKey(file=tmp_path / "no").fault == f"{tmp_path}/no: No such file or directory"
    assert ApiKey(file=tmp_path).fault == f"{tmp_path}: not a regular file"
    assert ApiKey(file=tmp_path / "pipe").fault == f"{tmp_path}/pipe: not a regular file"


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("first-key")
    key = ApiKey(file=path)
    assert not key.refresh()
    path.write_text("other-key")
    os.utime(path, ns=(1, 1))
    assert (key.refresh(), key.reveal()) == (True, "other-key")
    assert not key.refresh()


def test_a_file_touched_without_another_key_has_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(SECRET)
    key = ApiKey(file=path)
    path.write_text(SECRET + "\n")
    assert (key.refresh(), key.reveal()) == (False, SECRET)


def test_a_symbolic_link_that_is_swapped_is_followed(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(f"key-{name}")
    link = tmp_path / "key"
    link.symlink_to(tmp_path / "one")
    key = ApiKey(file=link)
    (tmp_path / "new").symlink_to(tmp_path / "two")
    (tmp_path / "new").replace(link)
    assert (key.refresh(), key.reveal()) == (True, "key-two")


def test_a_file_that_goes_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "key"
    key = ApiKey(file=path)
    assert (key.refresh(), key.reveal()) == (False, None)
    path.write_text(SECRET)
    assert (key.refresh(), key.reveal(), key.fault) == (True, SECRET, None)
    path.unlink()
    assert (key.refresh(), key.reveal()) == (True, None)


def test_the_key_is_never_shown(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(SECRET)
    key = ApiKey(file=path)
    assert repr(key) == str(key) == f"{key}" == "ApiKey(***)"
    assert SECRET not in repr(vars(key))


def test_every_key_is_told_to_whoever_hides_secrets(tmp_path: Path) -> None:
    hidden: list[str] = []
    file = tmp_path / "key"
    file.write_text("first-key\n")

    key = ApiKey(file=file, hide=hidden.append)
    file.write_text("second-key\n")
    key.refresh()
    file.write_text("")
    key.refresh()

    assert hidden == ["first-key", "second-key"]
