"""Loading a configuration: every mistake at once, or the settings."""

from pathlib import Path

from pydantic import ValidationError

from exporter.settings.build import build
from exporter.settings.checks import check
from exporter.settings.errors import ConfigError, Fault, in_order
from exporter.settings.mistakes import complaints
from exporter.settings.model import Settings
from exporter.settings.reader import read
from exporter.settings.schema import ConfigFile
from exporter.settings.text import MAX_BYTES, decode


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
        raise ConfigError(in_order(faults))
    return build(config, base=base)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise ConfigError([Fault(str(path), 0, "", f"cannot be read: {reason}")]) from None
    return decode(content, file=str(path))
