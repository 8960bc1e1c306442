"""From the text of a list to its items as they are written, one after the other: only one of them is held.

A list may have hundreds of megabytes, and whoever wrote it may mean no good. So no step keeps the interpreter long from
other threads: what C code takes in one go is a few kilobytes of the text, or one scalar.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from json import JSONDecodeError
from json.scanner import py_make_scanner  # type: ignore[attr-defined] # its stub knows the other one alone
from pathlib import PurePath

from exporter.settings.errors import ConfigError, Fault, KeyPath, dotted, shown
from exporter.settings.reader import MAX_VALUES, STEP, read_items
from exporter.tasks.parted import Parted

MAX_IDS = 100_000
"""What one list may hold where nothing else is said; it may have as many items."""

VALUES_A_TASK = 20
"""A YAML list that may name more tasks than usual may have so many values for each."""

API_PREFIX = "task_"
"""Where an id stands alone, one that begins so is the API's own; any other is the caller's."""

WINDOW = 4096
"""Characters of JSON that C code may read in one go."""


_SPACE = re.compile(r"[ \t\n\r]*")


class Format(StrEnum):
    """How a list is written."""

    YAML = "yaml"
    JSON = "json"
    TEXT = "text"

    @classmethod
    def of(cls, path: PurePath) -> "Format":
        """The format of a file, by its suffix; what is neither YAML nor JSON is text."""
        suffixes = {".yml": cls.YAML, ".yaml": cls.YAML, ".json": cls.JSON}
        return suffixes.get(path.suffix, cls.TEXT)


@dataclass(frozen=True, slots=True)
class Written:
    """The items of a list, not yet checked; once they are all read, ``faults`` is what is wrong with how it is written.

    ``fault`` says where something stands in the item that was read last, or in the list as a whole.
    """

    items: Iterator[object]
    fault: Callable[[KeyPath, str], Fault]
    faults: Sequence[Fault] = ()

    @classmethod
    def of(cls, items: Iterator[object], *, name: str) -> "Written":
        """Items that are JSON values: they stand on no line."""
        return cls(items, lambda path, message: Fault(name, 0, dotted(path), message))


def read_written(text: str, form: Format, *, name: str, most: int = MAX_IDS) -> Written:
    """Read a text; reading its items raises ConfigError where it is not in this format.

    What has more than ``most`` ids need not be read whole.
    """
    match form:
        case Format.YAML:
            items = read_items(text, file=name, max_values=max(MAX_VALUES, VALUES_A_TASK * most))
            return Written(iter(items), items.fault, items.faults)
        case Format.JSON:
            return Written.of(_json(text, name), name=name)
        case Format.TEXT:
            return _text(text, name, most)


# ---- JSON ------------------------------------------------------------------------------------------------------------


def _json(text: str, name: str) -> Iterator[object]:
    try:
        yield from _Json(text).items()
    except JSONDecodeError as error:
        raise ConfigError([Fault(name, error.lineno, "", f"this is not JSON: {error.msg}")]) from None
    except RecursionError:
        raise ConfigError([Fault(name, 0, "", "this is not a list of items: it is nested too deep")]) from None
    except _NotAListError:
        raise ConfigError([Fault(name, 0, "", "expected a list of items, as in static_configs")]) from None
    except ValueError as error:
        problem = error if isinstance(error, _NotAllowedError) else "a number has too many digits"
        raise ConfigError([Fault(name, 0, "", f"this is not JSON: {problem}")]) from None


class _NotAllowedError(ValueError):
    """What Python's JSON takes, but the standard does not, or leaves open."""


class _NotAListError(ValueError):
    """What is JSON, but no list."""


class _Json:
    """A JSON list. Its items are read by the standard library: in C where one is short, otherwise in Python, which lets
    other threads go on. Its own list is read here, with the same words for what is wrong.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._decoder = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_no_constant)
        self._scan: Callable[[str, int], tuple[object, int]] = py_make_scanner(self._decoder)

    def items(self) -> Iterator[object]:
        """One item after the other; raises ValueError or RecursionError."""
        text, at = self._text, self._after_space(0)
        if not text.startswith("[", at):
            self._end(self._item(at)[1])
            raise _NotAListError
        at = self._after_space(at + 1)
        while not text.startswith("]", at):
            item, at = self._item(at)
            yield item
            at = self._after_space(at)
            if text.startswith(",", at):
                at = self._after_space(at + 1)
                if text.startswith("]", at):
                    raise JSONDecodeError("Expecting value", text, at)
            elif not text.startswith("]", at):
                raise JSONDecodeError("Expecting ',' delimiter", text, at)
        self._end(at + 1)

    def _item(self, at: int) -> tuple[object, int]:
        try:
            return self._short(at) or self._scan(self._text, at)
        except StopIteration as stop:
            raise JSONDecodeError("Expecting value", self._text, stop.value) from None

    def _short(self, at: int) -> tuple[object, int] | None:
        """An item that ends within a window; None where none does, for whatever reason."""
        window = self._text[at : at + WINDOW]
        try:
            item, length = self._decoder.raw_decode(window)
        except (ValueError, RecursionError):
            return None
        return (item, at + length) if length < len(window) else None

    def _after_space(self, at: int) -> int:
        found = _SPACE.match(self._text, at)
        return found.end() if found else at

    def _end(self, at: int) -> None:
        if (at := self._after_space(at)) != len(self._text):
            raise JSONDecodeError("Extra data", self._text, at)


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members: dict[str, object] = {}
    for key, value in pairs:
        if key in members:
            raise _NotAllowedError(f"{shown(key)} stands twice in one object; keep one")
        members[key] = value
    return members


def _no_constant(name: str) -> object:
    raise _NotAllowedError(f"{name} is no number")


# ---- plain text ------------------------------------------------------------------------------------------------------


def _text(text: str, name: str, most: int) -> Written:
    """Items of some lines each. One that stands twice counts once: a script that appends need not look first."""
    latest = _Lines()

    def items() -> Iterator[object]:
        for some in _words(text, most):
            latest.take(some)
            yield latest.ids

    return Written(items(), lambda path, message: Fault(name, latest.number(path), "", message))


Word = tuple[str, int]
"""What stands on a line, and which that is."""


def _words(text: str, most: int) -> Iterator[list[Word]]:
    """What stands on the lines, some at once, each word once; more than ``most`` are refused, and not all read."""
    seen, first, count = Parted[int](), 1, 0
    for lines in _lines(text):
        words = [
            (word, number)
            for number, line in enumerate(lines, first)
            if (word := line.strip()) and word[0] != "#" and seen.setdefault(word, number) == number
        ]
        if words:
            yield words
        first += len(lines)
        count += len(words)
        if count > most:
            return


class _Lines:
    """The lines of one item: the ids they are, and where each of these stands."""

    def __init__(self) -> None:
        self.ids: dict[str, list[str]] = {}
        self._numbers: dict[str, list[int]] = {}

    def take(self, words: Iterable[Word]) -> None:
        """Be these, in place of those before."""
        own, others = list[Word](), list[Word]()
        for word in words:
            (own if word[0].startswith(API_PREFIX) else others).append(word)
        by_kind = [(key, some) for key, some in (("task_ids", own), ("out_task_ids", others)) if some]
        self.ids = {key: [text for text, _ in some] for key, some in by_kind}
        self._numbers = {key: [number for _, number in some] for key, some in by_kind}

    def number(self, path: KeyPath) -> int:
        """The line of the id at a path, 0 where that is none's."""
        match path:
            case (_, str(key), int(at)):
                return self._numbers[key][at]
        return 0


def _lines(text: str) -> Iterator[list[str]]:
    """Some lines at once, a few kilobytes: millions would be made without a pause for other threads."""
    at = 0
    while len(text) - at > STEP:
        end = text.rfind("\n", at, at + STEP)
        if end < 0 and (end := text.find("\n", at + STEP)) < 0:
            break
        yield text[at:end].split("\n")
        at = end + 1
    yield text[at:].split("\n")
