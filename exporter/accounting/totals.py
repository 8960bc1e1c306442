"""The committed totals in memory, and what the exporter counts of itself until the next commit takes it along.

All of it lives on the event loop; a view is a copy and may go anywhere.
"""

from collections.abc import Mapping
from types import MappingProxyType

from exporter.accounting.series import Exemplar, Increments, Series

OWN = ("bytespike_api_", "bytespike_exporter_")
"""What may be shown before it is committed, while the ledger fails. Task outcomes never are."""


class Aggregates:
    """What has been counted. No number that a view has shown is ever lower in a later view."""

    def __init__(self) -> None:
        self._totals: dict[Series, float] = {}
        self._exemplars: dict[Series, Exemplar] = {}
        self._pending = Increments()
        self._taken = Increments()
        self._shown: dict[Series, float] = {}

    @property
    def totals(self) -> Mapping[Series, float]:
        """The committed totals, live and read-only."""
        return MappingProxyType(self._totals)

    @property
    def exemplars(self) -> Mapping[Series, Exemplar]:
        """A copy of the latest exemplars."""
        return MappingProxyType(dict(self._exemplars))

    def load(self, totals: Mapping[Series, float]) -> None:
        """Start from what the ledger holds."""
        self._totals = dict(totals)

    def publish(self, increments: Mapping[Series, float], exemplars: Mapping[Series, Exemplar] | None = None) -> None:
        """Add what has just been committed, the meters taken for that commit included."""
        for series, by in increments.items():
            self._totals[series] = self._totals.get(series, 0.0) + by
        self._exemplars.update(exemplars or {})
        self._taken = Increments()

    def meter(self, increments: Mapping[Series, float]) -> None:
        """Add to what waits for the next commit."""
        self._pending.merge(increments)

    def take_meters(self) -> Increments:
        """Hand over what waits, for a commit that ends in ``publish`` or ``give_back``; one at a time."""
        taken, self._pending = self._pending, Increments()
        self._taken.merge(taken)
        return taken

    def give_back(self, increments: Mapping[Series, float]) -> None:
        """Let taken meters wait again: their commit failed."""
        self._pending.merge(increments)
        self._taken = Increments()

    def view(self, *, include_pending: bool = False) -> Mapping[Series, float]:
        """The numbers to show: the committed ones, with the exporter's own uncommitted ones where asked for.

        A number once shown uncommitted stays until its commit has caught up with it.
        """
        numbers = dict(self._totals)
        if include_pending:
            self._show_pending()
        for series, shown in list(self._shown.items()):
            if shown <= numbers.get(series, 0.0):
                del self._shown[series]
            else:
                numbers[series] = shown
        return MappingProxyType(numbers)

    def _show_pending(self) -> None:
        waiting = self._taken.copy()
        waiting.merge(self._pending)
        for series, by in waiting.items():
            if series.family.startswith(OWN):
                live = self._totals.get(series, 0.0) + by
                self._shown[series] = max(live, self._shown.get(series, 0.0))
