"""Loading a configuration: every mistake at once, or the settings."""

from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from exporter.settings.build import build
from exporter.settings.checks import check
from exporter.settings.errors import ConfigError, Fault
from exporter.settings.mistakes import complaints
from exporter.settings.model import Settings
from exporter.settings.reader import read
from exporter.settings.schema import ConfigFile

MAX_BYTES = 16 * 1024 * 1024


def load(path: Path) -> Settings:
    """The settings of a file; ConfigError with every mistake in it. It blocks while it reads."""
    return parse(_text(path), file=str(path), base=path.parent)


def parse(text: str, *, file: str, base: Path) -> Settings:
    """The settings of a text; ``file`` names it in faults, relative paths start at ``base``."""
    document = read(text, file=file)
    faults = list(document.faults)
    config = None
    try:
        config = ConfigFile.model_validate(document.root)
    except ValidationError as error:
        faults += [document.fault(*complaint) for complaint in complaints(error, ConfigFile)]
    faults += [document.fault(*complaint) for complaint in check(document.root)]
    if config is None or faults:
        raise ConfigError(_in_order(faults))
    return build(config, base=base)


def _in_order(faults: Iterable[Fault]) -> list[Fault]:
    """By line, and one for each key: what was found first is closest to the cause."""
    first: dict[tuple[int, str], Fault] = {}
    for fault in faults:
        first.setdefault((fault.line, fault.key), fault)
    return sorted(first.values(), key=lambda fault: fault.line)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise _unreadable(path, f"cannot be read: {reason}") from None
    if len(content) > MAX_BYTES:
        raise _unreadable(path, f"is larger than {MAX_BYTES // 1024 // 1024} MiB, the most that is allowed")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _unreadable(path, "is not UTF-8, the one encoding that is allowed", line) from None


def _unreadable(path: Path, message: str, line: int = 0) -> ConfigError:
    return ConfigError([Fault(str(path), line, "", message)])
