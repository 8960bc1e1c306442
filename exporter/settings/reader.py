"""From the bytes of a file to a document: mappings, lists and scalars that know their lines.

Only what a configuration needs is read: UTF-8 within limits, one YAML document, no tags, no merge keys, few anchors.
"""

from collections.abc import Iterator
from collections.abc import Sequence as AnySequence
from dataclasses import dataclass
from itertools import count
from typing import Generic, TypeVar

import yaml
from yaml import events as ev
from yaml.reader import Reader

from exporter.settings.errors import ConfigError, Fault, KeyPath, dotted, shown

MAX_BYTES = 16 * 1024 * 1024
"""Of a configuration, and of a list of tasks."""

MAX_DEPTH = 20
MAX_VALUES = 2_000_000
"""What one text may grow to; an anchor counts as often as it is used."""

MAX_KEYS = 1000
"""In one mapping."""

MAX_FAULTS = 1000
"""After so many in one text no more are looked for."""

NO_TAGS = "tags (!...) mean nothing here; leave it out"

STEP = 16 * 1024
"""Characters that C code may look at in one go: a long text is not to keep the interpreter from other threads."""

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})

# libyaml is some ten times faster; a PyYAML built without it reads the same.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


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

    def line(self, path: KeyPath) -> int:
        """The line of a value, or of the closest thing around it that is there."""
        return _line_within(self.root, path, line=1)

    def fault(self, path: KeyPath, message: str) -> Fault:
        """A fault that stands at this path."""
        return Fault(self.file, self.line(path), dotted(path), message)


def _line_within(value: object, path: KeyPath, *, line: int) -> int:
    """The line of what stands at a path in a value that begins on a line."""
    for part in path:
        below = _below(value, part)
        if below is None:
            break
        line, value = below
    return line


def _below(value: object, part: str | int) -> tuple[int, object] | None:
    """A member of a mapping or list and its line, where there is such a member."""
    match value, part:
        case Mapping(), str() if part in value:
            return value.lines[part], value[part]
        case Sequence(), int() if part < len(value):
            return value.lines[part], value[part]
    return None


def decode(content: bytes, *, file: str, max_bytes: int = MAX_BYTES) -> str:
    """The text of a file; ConfigError where it is too large or not UTF-8 (a byte order mark is taken away)."""
    if len(content) > max_bytes:
        message = f"is larger than {max_bytes // 1024 // 1024} MiB, the most that is allowed"
        raise ConfigError([Fault(file, 0, "", message)])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError([Fault(file, line, "", "is not UTF-8, the one encoding that is allowed")]) from None


def read(text: str, *, file: str) -> Document[Mapping]:
    """Read a configuration; ConfigError where it is no YAML or no mapping. Lesser faults stand in the document."""
    root, faults = _read(text, file, empty="the file is empty; accounts is needed")
    if not isinstance(root, Mapping):
        raise ConfigError([Fault(file, 1, "", "a configuration is a mapping, with the keys accounts and task_groups")])
    return Document(file, root, faults)


def read_lenient(text: str, *, file: str, keys: str) -> Document[Mapping]:
    """As ``read``, of a file that may be empty and whose keys may lack a value (None), as Go programs read theirs.

    ``keys`` are those that the file may have, for a message.
    """
    root, faults = _read(text, file, empty=None)
    if root is None or (isinstance(root, Scalar) and root.plain and root.text in _NULLS):
        root = Mapping()
    if not isinstance(root, Mapping):
        raise ConfigError([Fault(file, 1, "", f"a configuration is a mapping, with the keys {keys}")])
    return Document(file, root, faults)


def read_items(text: str, *, file: str, max_values: int = MAX_VALUES) -> "Items":
    """Read a list, an item at a time; iterating raises ConfigError where it is no YAML or no list."""
    return Items(text, file, max_values)


def _read(text: str, file: str, *, empty: str | None) -> tuple[object, tuple[Fault, ...]]:
    """The root; where ``empty`` says nothing against a file without one, and keys without a value, None for these."""
    _refuse_control_characters(text, file)
    reader = _Reader(file, _events(text), empty=empty)
    try:
        return reader.document(), tuple(reader.faults)
    except yaml.YAMLError as error:
        raise _syntax(error, file) from None


class Items:
    """The items of a YAML list, one after the other, of which the latest is held.

    ``fault`` says where something stands in the latest, by a path from the root of the list. Once all are read,
    ``faults`` is what is wrong all the same.
    """

    def __init__(self, text: str, file: str, max_values: int) -> None:
        self._text = text
        self._file = file
        self._reader = _Reader(file, _events(text), empty="is empty; a list without items is []", max_values=max_values)
        self._line = 1
        self._item: object = None

    @property
    def faults(self) -> AnySequence[Fault]:
        return self._reader.faults

    def __iter__(self) -> Iterator[object]:
        _refuse_control_characters(self._text, self._file)
        try:
            for line, item in self._reader.items():
                self._line, self._item = line, item
                yield item
        except yaml.YAMLError as error:
            raise _syntax(error, self._file) from None

    def fault(self, path: KeyPath, message: str) -> Fault:
        """A fault that stands at this path."""
        line = _line_within(self._item, path[1:], line=self._line) if path else 1
        return Fault(self._file, line, dotted(path), message)


@dataclass(frozen=True, slots=True)
class _Anchored:
    value: object
    size: int


class _Reader:
    """Builds values from the parser's events, which keeps nesting and growth in our hands."""

    def __init__(
        self, file: str, events: Iterator[ev.Event], *, empty: str | None, max_values: int = MAX_VALUES
    ) -> None:
        self.faults: list[Fault] = []
        self._file = file
        self._empty = empty
        self._events = events
        self._anchors: dict[str, _Anchored | None] = {}
        self._max_values = max_values
        self._values = 0

    def document(self) -> object:
        first = self._root()
        if first is None:
            return None
        root = self._value(first, ())
        self._end()
        return root

    def items(self) -> Iterator[tuple[int, object]]:
        """The items of a document that is a list, each with the line on which it begins."""
        root = self._root()
        if not isinstance(root, ev.SequenceStartEvent):
            if root is not None:
                self._value(root, ())
                self._end()
            raise ConfigError([Fault(self._file, 1, "", "expected a list of items, as in static_configs")])
        if root.anchor is not None:
            self._anchors[root.anchor] = None
        if root.tag is not None:
            self._fault(root, (), NO_TAGS)
        for at in count():
            if isinstance(event := next(self._events), ev.SequenceEndEvent):
                break
            yield _line(event), self._value(event, (at,))
        self._end()

    def _root(self) -> ev.Event | None:
        next(self._events)
        if not isinstance(next(self._events), ev.StreamEndEvent):
            return next(self._events)
        if self._empty is None:
            return None
        raise ConfigError([Fault(self._file, 1, "", self._empty)])

    def _end(self) -> None:
        next(self._events)
        if not isinstance(after := next(self._events), ev.StreamEndEvent):
            raise self._fatal(after, (), "a second document begins here; only one is allowed")

    def _value(self, event: ev.Event, path: KeyPath) -> object:
        self._values += 1
        if self._values > self._max_values or len(path) > MAX_DEPTH:
            is_long = self._values > self._max_values
            limit = f"more than {self._max_values} values" if is_long else f"more than {MAX_DEPTH} levels"
            raise self._fatal(event, path[:3], f"{limit}; no more are allowed")
        if isinstance(event, ev.AliasEvent):
            return self._alias(event, path)
        anchor = getattr(event, "anchor", None)
        if anchor is None:
            return self._own(event, path)
        self._anchors[anchor] = None
        before = self._values
        value = self._own(event, path)
        self._anchors[anchor] = _Anchored(value, self._values - before)
        return value

    def _alias(self, event: ev.AliasEvent, path: KeyPath) -> object:
        name = event.anchor or ""
        if name not in self._anchors:
            raise self._fatal(event, path, f"*{shown(name)} names no anchor that stands before it")
        anchored = self._anchors[name]
        if anchored is None:
            raise self._fatal(event, path, f"*{shown(name)} stands within what it names")
        self._values += anchored.size
        return anchored.value

    def _own(self, event: ev.Event, path: KeyPath) -> object:
        if getattr(event, "tag", None) is not None:
            self._fault(event, path, NO_TAGS)
        if isinstance(event, ev.ScalarEvent):
            return self._scalar(event, path)
        return self._mapping(path) if isinstance(event, ev.MappingStartEvent) else self._sequence(path)

    def _scalar(self, event: ev.ScalarEvent, path: KeyPath) -> Scalar | None:
        scalar = Scalar(event.value, plain=not event.style)
        if path and scalar.plain and scalar.text in _NULLS:
            if self._empty is not None:
                self._fault(event, path, "has no value; write one, or leave the key out")
            return None
        return scalar

    def _sequence(self, path: KeyPath) -> Sequence:
        items = Sequence()
        while not isinstance(event := next(self._events), ev.SequenceEndEvent):
            items.lines.append(_line(event))
            items.append(self._value(event, (*path, len(items))))
        return items

    def _mapping(self, path: KeyPath) -> Mapping:
        members = Mapping()
        while not isinstance(event := next(self._events), ev.MappingEndEvent):
            if not isinstance(event, ev.ScalarEvent):
                raise self._fatal(event, path, "a key is plain text, not a list, a mapping or an alias")
            self._member(members, event, path)
        return members

    def _member(self, members: Mapping, event: ev.ScalarEvent, path: KeyPath) -> None:
        if len(members) >= MAX_KEYS:
            raise self._fatal(event, path, f"more than {MAX_KEYS} keys; no more are allowed")
        key, line = event.value, _line(event)
        value = self._value(next(self._events), (*path, key))
        if key in members:
            self._fault(event, (*path, key), f"stands twice, first on line {members.lines[key]}; keep one")
        else:
            members.lines[key] = line
            members[key] = value

    def _fault(self, event: ev.Event, path: KeyPath, message: str) -> None:
        if len(self.faults) >= MAX_FAULTS:
            raise self._fatal(event, path, f"more than {MAX_FAULTS} faults; no more are looked for")
        self.faults.append(Fault(self._file, _line(event), dotted(path), message))

    def _fatal(self, event: ev.Event, path: KeyPath, message: str) -> ConfigError:
        return ConfigError([*self.faults, Fault(self._file, _line(event), dotted(path), message)])


def _events(text: str) -> Iterator[ev.Event]:
    """The events of a text; the parser gets it bit by bit, and lets other threads go on whenever it asks for more."""
    return yaml.parse(_Pieces(text), Loader=_LOADER)


class _Pieces:
    """A text to be read from."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def read(self, size: int = STEP, /) -> str:
        """The next so many characters at most; none at the end."""
        start, self._at = self._at, self._at + min(size, STEP)
        return self._text[start : self._at]


def _line(event: ev.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _refuse_control_characters(text: str, file: str) -> None:
    for start in range(0, len(text), STEP):
        if match := Reader.NON_PRINTABLE.search(text, start, start + STEP):
            line = text.count("\n", 0, match.start()) + 1
            message = f"a control character (U+{ord(match[0]):04X}); only text is allowed"
            raise ConfigError([Fault(file, line, "", message)])


def _syntax(error: yaml.YAMLError, file: str) -> ConfigError:
    mark = getattr(error, "problem_mark", None)
    # The parser's words on what is wrong quote nothing of the file, so no secret can slip out with them.
    problem = getattr(error, "problem", None) or "it cannot be read"
    return ConfigError([Fault(file, mark.line + 1 if mark else 0, "", f"this is not YAML: {problem}")])
