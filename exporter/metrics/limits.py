"""How many values a label may take: the bound of what strangers can make the exporter remember and show."""

from collections.abc import Collection, Iterable
from dataclasses import replace

from exporter.accounting.series import Series
from exporter.tasks.item import TaskLabels

MAX_LENGTH = 256
"""The longest value, in characters, of a label whose values come from outside."""


def printable(value: str) -> str:
    """The value without what UTF-8 cannot carry (lone surrogates, which JSON can): one would cost the entire page."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")


OTHER = "other"
"""What a refused value becomes."""

OPEN_LABELS = ("model", "error_code")
"""The labels of the catalogue whose values form no closed set; the user labels join them."""


class LabelBounds:
    """At most ``limit`` distinct values for each label name; the rest become ``other``.

    A value once admitted stays so, whatever the limit becomes: its series must not change their name.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._admitted: dict[str, set[str]] = {}
        self._overflowed = 0

    @property
    def overflowed(self) -> int:
        """How often a value was refused so far."""
        return self._overflowed

    def admit(self, name: str, value: str) -> str:
        """The value, or ``other`` where it is one too many (or longer than any label should be)."""
        value = printable(value)
        if value in ("", OTHER):
            return value
        admitted = self._admitted.setdefault(name, set())
        if value in admitted:
            return value
        if len(admitted) >= self.limit or len(value) > MAX_LENGTH:
            self._overflowed += 1
            return OTHER
        admitted.add(value)
        return value

    def admit_labels(self, labels: TaskLabels) -> TaskLabels:
        """The labels of a task with every open value admitted or replaced."""
        user = tuple((name, self.admit(name, value)) for name, value in labels.user)
        return replace(labels, model=self.admit("model", labels.model), user=user)

    def remember(self, name: str, value: str) -> None:
        """Admit a value that has series already, even beyond the limit."""
        if value not in ("", OTHER):
            self._admitted.setdefault(name, set()).add(value)

    def restore(self, totals: Iterable[Series], *, user: Collection[str]) -> None:
        """Remember every open value in the committed totals; ``user`` are the declared user labels."""
        names = {*OPEN_LABELS, *user}
        for series in totals:
            for name, value in series.labels:
                if name in names:
                    self.remember(name, value)
