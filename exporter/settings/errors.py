"""What is wrong with a configuration."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from exporter.errors import ExporterError


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One mistake: where it stands, which key it is about, what is wrong and what is allowed."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class ConfigError(ExporterError):
    """A configuration that cannot be; ``faults`` holds every mistake found, in the order of the file."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)


def in_order(faults: Iterable[Fault]) -> list[Fault]:
    """By line, and one for each key: what was found first is closest to the cause."""
    first: dict[tuple[int, str], Fault] = {}
    for fault in faults:
        first.setdefault((fault.line, fault.key), fault)
    return sorted(first.values(), key=lambda fault: fault.line)


def in_short(error: ConfigError) -> str:
    """The first fault, and how many more there are: for one line of a log."""
    more = len(error.faults) - 1
    return f"{error.faults[0]} (and {more} more)" if more else str(error.faults[0])
