"""Reading the simulator's YAML files and checking what comes from outside against a dataclass."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from exporter.simulator.errors import SimulatorError

T = TypeVar("T")

MAX_FILE_BYTES = 1 << 20


def read_text(path: Path) -> str:
    """The text of a small file."""
    try:
        data = path.read_bytes()
        if len(data) > MAX_FILE_BYTES:
            raise SimulatorError(f"{path}: larger than {MAX_FILE_BYTES} bytes")
        return data.decode()
    except OSError as error:
        raise SimulatorError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SimulatorError(f"{path}: not UTF-8") from error


def parse_yaml(text: str, *, of: str) -> object:
    """The one document in the text; ``of`` names it in errors."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SimulatorError(f"{of}: not YAML: {error}") from error


def checked(kind: type[T], value: object, *, of: str) -> T:
    """The value as the given type; every mistake in it is told at once."""
    adapter: TypeAdapter[T] = TypeAdapter(kind)
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        raise SimulatorError("\n".join(f"{of}: {_told(fault)}" for fault in error.errors())) from error


def _told(fault: Any) -> str:
    place = ".".join(map(str, fault["loc"]))
    return f"{place}: {fault['msg']}" if place else str(fault["msg"])
