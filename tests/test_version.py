"""The version is the package's, the revision is the image's."""

import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from exporter.version import revision, version

PROJECT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _unread() -> Iterator[None]:
    """Nobody has asked for the version yet, and what a test made it is not kept."""
    version.cache_clear()
    yield
    version.cache_clear()


def test_an_installed_version_is_the_one_in_pyproject() -> None:
    assert version() in {tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"], "unknown"}


def test_the_version_comes_from_the_installed_metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "bytespike_exporter-9.8.7.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bytespike-exporter\nVersion: 9.8.7\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert version() == "9.8.7"


def test_without_metadata_the_version_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", nowhere)
    assert version() == "unknown"


def test_the_metadata_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told = iter(["1.2.3", "4.5.6"])
    monkeypatch.setattr(metadata, "version", lambda _: next(told))
    assert [version(), version()] == ["1.2.3", "1.2.3"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "unknown"), ("", "unknown"), ("  ", "unknown"), ("4f2a9c1", "4f2a9c1"), (" 4f2a9c1\n", "4f2a9c1")],
)
def test_the_revision_comes_from_the_environment(
    value: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BYTESPIKE_EXPORTER_REVISION", raising=False)
    if value is not None:
        monkeypatch.setenv("BYTESPIKE_EXPORTER_REVISION", value)
    assert revision() == expected
