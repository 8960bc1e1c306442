"""The files, written: never over one that is there already, unless that is asked for."""

from collections.abc import Sequence
from pathlib import Path

from exporter.errors import ExporterError
from exporter.scaffold.rendering import File


class ScaffoldError(ExporterError):
    """A file cannot be written, or is there already."""


def write(files: Sequence[File], directory: Path, *, force: bool) -> list[Path]:
    """Write the files below the directory, which is made where it is not there; their paths.

    ScaffoldError where one cannot be written. Where one is there already, and not ``force``, none is written.
    """
    paths = [directory / file.path for file in files]
    if not force:
        _refuse_existing(paths)
    try:
        for file, path in zip(files, paths, strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, file.text, force=force)
    except FileExistsError as error:  # it came meanwhile, or a directory's place is taken
        raise ScaffoldError(f"{error.filename} is there already, and was left as it is") from None
    except OSError as error:
        raise ScaffoldError(f"{error.filename}: cannot be written: {error.strerror}") from None
    return paths


def _refuse_existing(paths: Sequence[Path]) -> None:
    existing = [str(path) for path in paths if path.is_symlink() or path.exists()]
    if existing:
        verb = "is" if len(existing) == 1 else "are"
        raise ScaffoldError(
            f"{', '.join(existing)} {verb} there already; nothing was written. Choose another directory, or --force to "
            "write over it"
        )


def _write(path: Path, text: str, *, force: bool) -> None:
    """What is there is kept until the new one is whole; a link is not followed, the file takes its place."""
    target = path.with_name(f".{path.name}.new") if force else path
    if force:
        target.unlink(missing_ok=True)
    with target.open("x", encoding="utf-8") as file:
        file.write(text)
    if force:
        target.replace(path)
