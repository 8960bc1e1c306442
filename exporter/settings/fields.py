"""What one value may be: the field types that the settings are declared with.

Each takes a Scalar of a document, or a plain value as JSON gives it, and answers a wrong one with a ValueError that
says what is allowed. No message repeats a value that could be a secret pasted into the wrong place.

A type also says how its value is held and written back: a duration is held in seconds and written as ``5m``, a path is
held absolute. Relative paths start at the validation context, which is a ``pathlib.Path``.
"""

import glob
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit, urlunsplit

from pydantic import AfterValidator, BeforeValidator, GetCoreSchemaHandler, GetJsonSchemaHandler, WithJsonSchema
from pydantic_core import CoreSchema, core_schema

from exporter.outbound import parsed
from exporter.settings import durations
from exporter.settings.postgres import PATTERN, is_postgres, postgres_url
from exporter.settings.reader import STEP, Scalar
from exporter.suspects import is_key
from exporter.tasks.identity import leads_elsewhere

MAX_NAME = 100
MAX_VALUE = 200
MAX_TEXT = 4096
"""Characters in a name, in an id or a label value, and in anything else."""

MAX_PORT = 65535
NO_KEY = "looks like an API key; a key belongs in a file or an environment variable, and its path or name here"

MAX_RATE = 1_000_000
UNLIMITED = "unlimited"
"""What a rate may be at most, and in place of a number."""

RESERVED_LABELS = frozenset(
    {
        *("account", "group", "model", "status", "error_code", "type", "reason", "endpoint", "task_id", "out_task_id"),
        *("job", "instance", "le", "quantile"),
    }
)
"""Label names that the exporter or Prometheus uses for itself."""


class Confidential(StrEnum):
    """Annotates a field that says where a secret is: what kind of secret that is."""

    GIVEN = "given by somebody else: an API key"
    CHOSEN = "chosen by whoever operates the exporter: a token"
    PRIVATE_KEY = "a private key, in PEM"


class Strategy(StrEnum):
    """How the next poll of a task is timed."""

    ETA = "eta"
    ADAPTIVE = "adaptive"


# ---- from what stands in the file to a value -------------------------------------------------------------------------

_NAME = "^[A-Za-z0-9][A-Za-z0-9_.-]*$"
_LABEL = "^[a-zA-Z_][a-zA-Z0-9_]*$"
_VARIABLE = "^[A-Za-z_][A-Za-z0-9_]*$"
_MOMENT = "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$"
_SQLITE = "^sqlite:///[^?#]+$"
_ADDRESS = r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]*):[0-9]{1,5}$"


def _text(value: object) -> str:
    match value:
        case Scalar(text=text) | str(text):
            if not text or len(text) > MAX_TEXT:
                raise ValueError("is empty; expected text" if not text else f"is longer than {MAX_TEXT} characters")
            if is_key(text):
                raise ValueError(NO_KEY)
            return text
    raise ValueError("expected text")


def _whole(value: object) -> int:
    number = _plain(value)
    if isinstance(number, str) and re.fullmatch("[-+]?[0-9]{1,15}", number):
        return int(number)
    if isinstance(number, int) and not isinstance(number, bool):
        return number
    raise ValueError("expected a whole number, such as 2")


def _number(value: object) -> float:
    number = _plain(value)
    if isinstance(number, str) and re.fullmatch(r"[-+]?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?", number):
        number = float(number)
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        raise ValueError("expected a number, such as 2 or 0.5")
    return float(number)


def _rate(value: object) -> float:
    if (value.text if isinstance(value, Scalar) else value) == UNLIMITED:  # quoted or not
        return math.inf
    try:
        rate = _number(value)
    except ValueError as error:
        raise ValueError(f"{error}, or {UNLIMITED}") from None
    if rate <= 0:
        raise ValueError("must be more than 0")
    if rate > MAX_RATE:
        raise ValueError(f"must be at most {MAX_RATE}, or {UNLIMITED}")
    return rate


def _flag(value: object) -> bool:
    flag = _plain(value)
    if isinstance(flag, bool):
        return flag
    if flag not in {"true", "false"}:
        raise ValueError("expected true or false")
    return flag == "true"


def _plain(value: object) -> object:
    """What stands without quotes, where only that can be meant."""
    if not isinstance(value, Scalar):
        return value if not isinstance(value, str) else None
    return value.text if value.plain else None


def _strategy(value: object) -> Strategy:
    text = _text(value)
    if text not in set(Strategy):
        raise ValueError(f"is not a known strategy; allowed: {', '.join(Strategy)}")
    return Strategy(text)


def _bearer(value: object) -> str:
    """The one scheme of authorization that is spoken."""
    if _text(value) != "Bearer":
        raise ValueError("is not a known scheme; allowed: Bearer")
    return "Bearer"


def _name(text: str) -> str:
    if not re.fullmatch(_NAME, text) or len(text) > MAX_NAME:
        raise ValueError(f"expected a name of letters, digits, _ . - (a letter or digit first, {MAX_NAME} at most)")
    return text


def _label_name(text: str) -> str:
    if text in RESERVED_LABELS or text.startswith("__"):
        raise ValueError(f"{text[:MAX_NAME]} is reserved; choose a label name of your own")
    if not re.fullmatch(_LABEL, text) or len(text) > MAX_NAME:
        raise ValueError(f"expected a label name: letters, digits and _ (no digit first, {MAX_NAME} at most)")
    return text


def _label_value(text: str) -> str:
    if len(text) > MAX_VALUE or not text.isprintable():
        raise ValueError(f"expected printable text of {MAX_VALUE} characters at most")
    return text


def task_id(value: object) -> str:
    """The id that a value of a document is; ValueError says why it is none."""
    return _task_id(_text(value))


def _task_id(text: str) -> str:
    if len(text) > MAX_VALUE or not text.isprintable() or " " in text:
        raise ValueError(f"expected an id: printable, without spaces, {MAX_VALUE} characters at most")
    if leads_elsewhere(text):
        raise ValueError("must not have . or .. between slashes, nor be one of them: in a URL it would lead elsewhere")
    return text


_PLAIN = re.compile("[!-$&-\\-/-~]*")
"""Characters of which no id is wrong: printable, and neither dots nor what may be one unquoted."""


def plain_ids(values: Sequence[object]) -> tuple[str, ...]:
    """The ids that these values are, where that is beyond doubt: of thousands hardly any is odd, and so all are looked
    at together. None of them otherwise, or where they are too long for one go: then ``task_id`` tells of each.
    """
    if len(values) > STEP or {*map(type, values)} != {str}:
        return ()
    texts = tuple(map(str, values))
    lengths = [*map(len, texts)]
    if min(lengths) == 0 or max(lengths) > MAX_VALUE or sum(lengths) > STEP:
        return ()
    together = "".join(texts)
    return texts if _PLAIN.fullmatch(together) and not is_key(together) else ()


def _variable(text: str) -> str:
    if not re.fullmatch(_VARIABLE, text) or len(text) > MAX_NAME:
        raise ValueError("expected the name of an environment variable (letters, digits and _), not the key itself")
    return text


def _file(text: str) -> str:
    if not text.isprintable():
        raise ValueError("expected the path of a file, without control characters")
    return os.fsdecode(text.encode())  # the bytes that the file says, whatever the locale takes names for


def path_text(path: Path | str) -> str:
    """A path fit to be written: names of files may be no text."""
    return os.fsencode(path).decode(errors="backslashreplace")


def _moment(text: str) -> float:
    try:
        if re.fullmatch(_MOMENT, text):
            return datetime.fromisoformat(text.upper()).timestamp()
    except ValueError:
        pass
    raise ValueError("expected a time with its offset, such as 2026-05-25T08:30:00Z (RFC 3339)")


def _url(text: str) -> str:
    """An http(s) URL without credentials; it is never repeated in a message, since one might stand in it."""
    try:
        parts = urlsplit(text)
        fit = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fit = False
    else:
        if "@" in parts.netloc:
            raise ValueError("must not carry a user or password; a secret belongs in a file of its own")
    if not fit or parsed(text) is None or not text.isprintable() or " " in text or "\\" in text:
        raise ValueError("expected a URL such as https://host or http://host:8080/path")
    return text


def _base_url(text: str) -> str:
    text = _url(text)
    if "?" in text or "#" in text:
        raise ValueError("must not carry a query or fragment; expected a URL such as https://host/path")
    return text.rstrip("/")


def _address(text: str) -> str:
    if not re.fullmatch(_ADDRESS, text) or int(text.rpartition(":")[2]) > MAX_PORT:
        raise ValueError("expected HOST:PORT, such as 127.0.0.1:9878, :9878 or [::1]:9878")
    return text


def ledger_url(text: str) -> str:
    """The URL of a ledger that a text is; ValueError says why it is none."""
    if is_postgres(text):
        return postgres_url(text)
    if not re.fullmatch(_SQLITE, text) or not text.isprintable():
        raise ValueError(
            "expected sqlite:///path/of/a/file (four slashes where the path is absolute) or postgresql://user@host/name"
        )
    return text


def between(least: str, most: str) -> AfterValidator:
    """A bound on a duration, both ends included."""
    low, high = durations.parse(least), durations.parse(most)

    def check(seconds: float) -> float:
        if not low <= seconds <= high:
            raise ValueError(f"must be from {least} to {most}, not {durations.to_text(seconds)}")
        return seconds

    return AfterValidator(check)


# ---- and back --------------------------------------------------------------------------------------------------------


def rate_text(rate: float) -> float | str:
    """A rate as the file says it."""
    return UNLIMITED if rate == math.inf else rate


def _utc(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def _without_query(url: str) -> str:
    """A URL fit to be shown: its query may carry a token."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query="hidden" if parts.query else "", fragment=""))


# ---- both, as types --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Written:
    """Annotates a field whose value is written otherwise than it is held; ``back`` makes of it what the file says."""

    back: Callable[[Any], object]


@dataclass(frozen=True, slots=True)
class _Text:
    """Annotates a field: text that a check takes; the pattern tells editors most of what it wants.

    Where there is a ``resolve``, the directory of the file and the text become the value.
    """

    check: Callable[[str], object]
    pattern: str = ""
    longest: int = MAX_TEXT
    resolve: Callable[[Path, str], object] | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if (resolve := self.resolve) is None:
            return core_schema.no_info_plain_validator_function(lambda value: self.check(_text(value)))

        def resolved(value: object, info: core_schema.ValidationInfo) -> object:
            return resolve(info.context or Path(), str(self.check(_text(value))))

        return core_schema.with_info_plain_validator_function(resolved)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, object]:
        pattern = {"pattern": self.pattern} if self.pattern else {}
        return {"type": "string", **pattern, "minLength": 1, "maxLength": self.longest}


def _glob(base: Path, pattern: str) -> str:
    """Whatever stands in the name of the directory, it is no pattern."""
    return str(Path(glob.escape(str(base))) / pattern)


@dataclass(frozen=True, slots=True)
class Members:
    """Annotates a tuple: a list of so many members. Unlike pydantic's own bounds of tuples it counts bad ones too."""

    least: int
    most: int

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        member = handler.generate_schema(get_args(source)[0])
        members = core_schema.list_schema(member, min_length=self.least, max_length=self.most)
        return core_schema.no_info_after_validator_function(tuple, members)


class _SortedPairs:
    """Annotates a field: a mapping in the file, held as pairs that are sorted by key, and so can be hashed."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        mapping = handler.generate_schema(dict[str, LabelValue])
        return core_schema.no_info_after_validator_function(_pairs, mapping)


def _pairs(members: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(members.items()))


def _sorted_set(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))


Name = Annotated[str, _Text(_name, _NAME, MAX_NAME)]
LabelName = Annotated[str, _Text(_label_name, _LABEL, MAX_NAME)]
LabelValue = Annotated[str, _Text(_label_value, longest=MAX_VALUE)]
TaskId = Annotated[str, _Text(_task_id, r"^\S+$", MAX_VALUE)]
Variable = Annotated[str, _Text(_variable, _VARIABLE, MAX_NAME)]
File = Annotated[Path, _Text(_file, resolve=Path.joinpath), Written(path_text)]
Glob = Annotated[str, _Text(_file, resolve=_glob), Written(path_text)]
Url = Annotated[str, _Text(_url, "^https?://[^@]+$"), Written(_without_query)]
BaseUrl = Annotated[str, _Text(_base_url, "^https?://[^@?#]+$")]
Address = Annotated[str, _Text(_address, _ADDRESS)]
LedgerUrl = Annotated[str, _Text(ledger_url, f"{_SQLITE}|^{PATTERN}$")]
Moment = Annotated[float, _Text(_moment, _MOMENT), Written(_utc)]
Duration = Annotated[float, _Text(durations.parse, durations.PATTERN), Written(durations.to_text)]
Whole = Annotated[int, BeforeValidator(_whole)]
Number = Annotated[float, BeforeValidator(_number)]
Rate = Annotated[
    float,
    BeforeValidator(_rate),
    WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": MAX_RATE}, {"const": UNLIMITED}]}),
    Written(rate_text),
]
Flag = Annotated[bool, BeforeValidator(_flag)]
Scheme = Annotated[Literal["Bearer"], BeforeValidator(_bearer)]
PollStrategy = Annotated[Strategy, BeforeValidator(_strategy), Written(str)]
Labels = Annotated[tuple[tuple[str, str], ...], _SortedPairs(), Written(dict)]
SORTED_SET = AfterValidator(_sorted_set)
"""Annotates a list of text in which neither order nor repetition means anything."""
