"""A configuration as mappings, lists and scalars that know their lines."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from exporter.settings.errors import Fault
from exporter.settings.paths import Path, dotted


@dataclass(frozen=True, slots=True)
class Scalar:
    """One scalar as it stands in the file; ``plain`` is one without quotes.

    What is expected of its key decides what it is, so an unquoted ``on`` or ``1e3`` is text where text is expected.
    """

    text: str
    plain: bool


class Mapping(dict[str, object]):
    """A mapping; ``lines`` tells where each key stands."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, int] = {}


class Sequence(list[object]):
    """A list; ``lines`` tells where each item begins."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[int] = []


Root = TypeVar("Root", Mapping, Sequence)


@dataclass(frozen=True, slots=True)
class Document(Generic[Root]):
    """A text that is YAML: its root, and what is wrong with it all the same."""

    file: str
    root: Root
    faults: tuple[Fault, ...] = ()

    def line(self, path: Path) -> int:
        """The line of a value, or of the closest thing around it that is there."""
        line = 1
        value: object = self.root
        for part in path:
            below = _below(value, part)
            if below is None:
                break
            line, value = below
        return line

    def fault(self, path: Path, message: str) -> Fault:
        """A fault that stands at this path."""
        return Fault(self.file, self.line(path), dotted(path), message)


def _below(value: object, part: str | int) -> tuple[int, object] | None:
    """A member of a mapping or list and its line, where there is such a member."""
    match value, part:
        case Mapping(), str() if part in value:
            return value.lines[part], value[part]
        case Sequence(), int() if part < len(value):
            return value.lines[part], value[part]
    return None
