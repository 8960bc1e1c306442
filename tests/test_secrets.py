import os
from pathlib import Path

import pytest

from exporter.secrets import SECRET_LIMIT, SecretSource

SECRET = "sk-byts-0123456789abcdef"


def test_a_secret_from_the_environment() -> None:
    source = SecretSource(env="KEY", environ={"KEY": f" {SECRET}\n"})
    assert (source.reveal(), source.fault, source.refresh()) == (SECRET, None, False)


def test_the_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BYTESPIKE_TEST_KEY", SECRET)
    assert SecretSource(env="BYTESPIKE_TEST_KEY").reveal() == SECRET


@pytest.mark.parametrize("environ", [{}, {"KEY": ""}, {"KEY": " \n"}])
def test_a_missing_variable_is_named(environ: dict[str, str]) -> None:
    source = SecretSource(env="KEY", environ=environ)
    assert (source.reveal(), source.fault) == (None, "environment variable KEY is not set or empty")


@pytest.mark.parametrize("content", ["\n {} \r\n", "\ufeff{}", "\ufeff \n{}\n", " \ufeff{}\t"])
def test_what_editors_and_shells_add_to_a_secret_is_taken_away(tmp_path: Path, content: str) -> None:
    path = tmp_path / "key"
    path.write_text(content.format(SECRET))
    assert SecretSource(file=path).reveal() == SECRET
    assert SecretSource(env="KEY", environ={"KEY": content.format(SECRET)}).reveal() == SECRET


def test_a_file_of_a_byte_order_mark_alone_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"\xef\xbb\xbf\n")
    assert SecretSource(file=path).fault == f"{path}: empty"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"x" * (SECRET_LIMIT + 1), "longer than 4096 bytes"),
        (b"\xff\xfe" + SECRET.encode(), "not text"),
    ],
)
def test_a_file_without_a_secret_is_named(tmp_path: Path, content: bytes, fault: str) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    source = SecretSource(file=path)
    assert (source.reveal(), source.fault) == (None, f"{path}: {fault}")


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert SecretSource(file=tmp_path / "no").fault == f"{tmp_path}/no: No such file or directory"
    assert SecretSource(file=tmp_path).fault == f"{tmp_path}: not a regular file"
    assert SecretSource(file=tmp_path / "pipe").fault == f"{tmp_path}/pipe: not a regular file"


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("first-key")
    source = SecretSource(file=path)
    assert not source.refresh()
    path.write_text("other-key")
    os.utime(path, ns=(1, 1))
    assert (source.refresh(), source.reveal()) == (True, "other-key")
    assert not source.refresh()


def test_a_file_touched_without_another_secret_has_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(SECRET)
    source = SecretSource(file=path)
    path.write_text(SECRET + "\n")
    assert (source.refresh(), source.reveal()) == (False, SECRET)


def test_a_symbolic_link_that_is_swapped_is_followed(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(f"key-{name}")
    link = tmp_path / "key"
    link.symlink_to(tmp_path / "one")
    source = SecretSource(file=link)
    (tmp_path / "new").symlink_to(tmp_path / "two")
    (tmp_path / "new").replace(link)
    assert (source.refresh(), source.reveal()) == (True, "key-two")


def test_a_file_that_goes_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "key"
    source = SecretSource(file=path)
    assert (source.refresh(), source.reveal()) == (False, None)
    path.write_text(SECRET)
    assert (source.refresh(), source.reveal(), source.fault) == (True, SECRET, None)
    path.unlink()
    assert (source.refresh(), source.reveal()) == (True, None)


def test_the_secret_is_never_shown(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(SECRET)
    source = SecretSource(file=path)
    assert repr(source) == str(source) == f"{source}" == "SecretSource(***)"
    assert SECRET not in repr(vars(source))


def test_every_secret_is_told_to_whoever_hides_secrets(tmp_path: Path) -> None:
    hidden: list[str] = []
    file = tmp_path / "key"
    file.write_text("first-key\n")

    source = SecretSource(file=file, hide=hidden.append)
    file.write_text("second-key\n")
    source.refresh()
    file.write_text("")
    source.refresh()

    assert hidden == ["first-key", "second-key"]
