"""What is wrong with a configuration, and where in it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from exporter.errors import ExporterError
from exporter.suspects import masked

KeyPath = tuple[str | int, ...]
"""Keys and list indexes from the root of the file."""


def dotted(path: KeyPath) -> str:
    """A path as people write it: ``accounts[0].max_in_flight``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{shown(part)}" for part in path)
    return text.removeprefix(".")


def shown(key: str) -> str:
    """A key fit for a message: short, printable whatever it holds, and without what may be a secret."""
    key = masked(key)
    key = key if key.isprintable() else ascii(key)[1:-1]
    return key if len(key) <= 60 else f"{key[:57]}..."


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One mistake: where it stands, which key it is about, what is wrong and what is allowed.

    ``line`` is 0 where there is none to name, ``key`` is empty where the fault is of the whole file. The
    place is named, but nothing of what stands there that may be a secret.
    """

    file: str
    line: int
    key: str
    message: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", masked(self.key))
        object.__setattr__(self, "message", masked(self.message))

    def without(self, mask: Callable[[str], str]) -> "Fault":
        """The fault without secrets that are known."""
        return replace(self, key=mask(self.key), message=mask(self.message))

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
