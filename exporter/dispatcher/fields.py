"""Reading one JSON object field by field, noting where it is not as documented."""

import math
import re
from collections.abc import Mapping

from exporter.dispatcher.answer import Drift

NUMBER_LIMIT = 1e12
"""Credits and seconds beyond it are not believed: added up, such numbers would drown everything else."""

_NUMERAL = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?")


def numeral(text: str) -> float | None:
    """The finite number that a string spells in plain decimal, or None."""
    text = text.strip()
    if not _NUMERAL.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


class Fields:
    """One JSON object; ``drift`` holds each kind of deviation met, once. JSON's null counts as absent."""

    def __init__(self, record: Mapping[str, object], drift: dict[Drift, None] | None = None) -> None:
        self._record = record
        self._drift: dict[Drift, None] = {} if drift is None else drift

    @property
    def drift(self) -> tuple[Drift, ...]:
        return tuple(self._drift)

    def note(self, drift: Drift) -> None:
        self._drift[drift] = None

    def inner(self, record: Mapping[str, object]) -> "Fields":
        """An object inside this one; what it deviates in is noted here."""
        return Fields(record, self._drift)

    def has(self, name: str) -> bool:
        return self._record.get(name) is not None

    def get(self, name: str) -> object:
        return self._record.get(name)

    def number(self, name: str) -> float | None:
        """A number from 0 to NUMBER_LIMIT, also where it comes as a string."""
        value = self._record.get(name)
        if value is None:
            return None
        number = _number(value)
        if number is None:
            self.note(Drift.MISTYPED_FIELD)
        return number

    def word(self, name: str, *, limit: int) -> str | None:
        """A non-empty string of at most so many printable characters, fit for an id or a label."""
        value = self._record.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or not 0 < len(value) <= limit or not value.isprintable():
            self.note(Drift.MISTYPED_FIELD)
            return None
        return value

    def prose(self, name: str, *, limit: int) -> str | None:
        """Text for people, on one line, cut to so many characters."""
        value = self._record.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            self.note(Drift.MISTYPED_FIELD)
            return None
        # twice the limit is looked at, so that a long text costs no more than a short one
        line = "".join(mark if mark.isprintable() else " " for mark in value[: 2 * limit])
        return line.strip()[:limit] or None


def _number(value: object) -> float | None:
    if isinstance(value, str):
        value = numeral(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= NUMBER_LIMIT else None
