"""Logs: one line an event, as logfmt or JSON, with no secret in it."""

import json
import logging
import sys
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from urllib.parse import quote

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

MASK = "***"
MIN_SECRET = 6
"""Shorter values are not masked: they would mask ordinary words, and nobody guards anything with them."""

MIN_WHOLE = 8
MIN_PART = 12
"""What is not shorter is sought among task ids and labels: as the whole of one, and as a part of it."""

FEW = 16
"""So many secrets are sought one by one."""

# They tell each request and each migration step at INFO; what matters of these is logged by us.
_CHATTY = ("httpx", "httpcore", "alembic", "uvicorn.access", "asyncio")


class LogLevel(StrEnum):
    """The least severity that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"

    @property
    def number(self) -> int:
        """The level as the standard library counts it."""
        return logging.WARNING if self is LogLevel.WARN else logging.getLevelNamesMapping()[self.upper()]


class LogFormat(StrEnum):
    """How a line is written."""

    LOGFMT = "logfmt"
    JSON = "json"


class Secrets:
    """Values that must be neither shown nor taken for anything else: what holds a secret adds it here before its use.

    Any thread may add one. They are never taken away: one that has been replaced may still be in use elsewhere.
    """

    def __init__(self) -> None:
        self._adding = threading.Lock()
        self._values: frozenset[str] = frozenset()
        self._forms: tuple[str, ...] = ()
        self._long: tuple[str, ...] = ()
        self._heads: Mapping[str, tuple[str, ...]] = {}

    def add(self, value: str) -> None:
        """Mask this value from now on."""
        if len(value) < MIN_SECRET or value in self._values:
            return
        # What is nested in a field is masked when the line is written, so the value is also sought as escaped there.
        forms = {value, json.dumps(value)[1:-1], value.replace('"', '\\"'), repr(value)[1:-1], quote(value, safe="")}
        with self._adding:
            self._values |= {value}
            self._forms = tuple(sorted(forms.union(self._forms), key=len, reverse=True))
            if len(value) >= MIN_PART:
                head = value[:MIN_PART]
                self._long = (*self._long, value)
                self._heads = {**self._heads, head: (*self._heads.get(head, ()), value)}

    def holds(self, text: str) -> bool:
        """Whether a text is a secret, or a secret of some length stands in it."""
        if len(text) < MIN_WHOLE:
            return False
        if text in self._values:
            return True
        if len(self._long) <= FEW:
            return any(value in text for value in self._long)
        heads = self._heads
        parts = {text[at : at + MIN_PART] for at in range(len(text) - MIN_PART + 1)}
        return any(value in text for head in heads.keys() & parts for value in heads[head])

    def may_be_among(self, texts: Sequence[str]) -> bool:
        """Whether any of these texts may be or hold a secret; none does where this is false. One look for all."""
        return not self._values.isdisjoint(texts) or self.holds("".join(texts))

    def mask(self, text: str) -> str:
        """The text without any secret."""
        for form in self._forms:
            text = text.replace(form, MASK)
        return text

    def __repr__(self) -> str:
        return "Secrets()"


def configure(
    *,
    level: LogLevel = LogLevel.INFO,
    log_format: LogFormat = LogFormat.LOGFMT,
    secrets: Secrets | None = None,
    handler: logging.Handler | None = None,
) -> None:
    """Send every log of the process, ours and the libraries', through one pipeline to a handler (standard error)."""
    before = _before()
    handler = handler or logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_writing(log_format, secrets or Secrets()),
            ],
            foreign_pre_chain=[*before, _logged_at, structlog.stdlib.add_logger_name],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.number, force=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(level.number, logging.WARNING))
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level.number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _before() -> Sequence[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]


def _logged_at(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A library's line is dated when it was logged: it may be written later."""
    at = datetime.fromtimestamp(event["_record"].created, UTC)
    return {**event, "ts": at.isoformat(timespec="microseconds").replace("+00:00", "Z")}


def _writing(log_format: LogFormat, secrets: Secrets) -> Sequence[Processor]:
    def masked_values(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {key: secrets.mask(value) if isinstance(value, str) else value for key, value in event.items()}

    def masked_line(_logger: WrappedLogger, _method: str, line: EventDict | str) -> str:
        return secrets.mask(str(line))

    if log_format is LogFormat.JSON:
        return [masked_values, structlog.processors.JSONRenderer(default=str), masked_line]
    order = ["ts", "level", "event"]
    renderer = structlog.processors.LogfmtRenderer(key_order=order, drop_missing=True, bool_as_flag=False)
    return [masked_values, _on_one_line, renderer, masked_line]


def _on_one_line(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Control characters escaped, so that no value can begin a line of its own or paint a terminal."""
    return {key: _escaped(value) for key, value in event.items()}


def _escaped(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = str(value)
    if text.isprintable():
        return text
    return "".join(part if part.isprintable() or part == "\n" else ascii(part)[1:-1] for part in text)
