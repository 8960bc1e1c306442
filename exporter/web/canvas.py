"""The pictures of the last hour, all of one time on one canvas. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from exporter.metrics.readings import Open
from exporter.web.figures import Figure, Layer, Values, area, block, figure, floor, highest, line
from exporter.web.timeline import Column, Done, rates


@dataclass(frozen=True, slots=True)
class Canvas:
    """What all pictures of one time have in common: the columns in which nobody answered, and those with a sample."""

    blind: Sequence[bool]
    seen: Sequence[bool]
    height: int

    def open(self, words: str, columns: Sequence[Column[Open]]) -> Figure:
        """Those of which something is known, and on top of them the others."""
        fullest = [max(column, key=lambda it: it.all) if column else None for column in columns]
        everything: Values = [float(it.all) if it else None for it in fullest]
        known: Values = [float(it.known) if it else None for it in fullest]
        top = highest(everything)
        return self._drawn(
            "Open tasks",
            words,
            area("unheard", everything, top=top, base=self.height, room=self.height),
            area("open", known, top=top, base=self.height, room=self.height),
        )

    def ended(self, title: str, words: str, done: Sequence[Done | None]) -> Figure:
        """Those that completed stand on the line, with those that were lost on top; those that failed hang from it."""
        return self.mirrored(
            title,
            words,
            rates(done, lambda ended: ended.completed, 60),
            rates(done, lambda ended: ended.failed, 60),
            rates(done, lambda ended: ended.completed + ended.other, 60),
        )

    def credits(self, words: str, done: Sequence[Done | None]) -> Figure:
        """Credits an hour."""
        values = rates(done, lambda ended: ended.credits, 3600)
        return self._drawn(
            "Credits per hour", words, area("open", values, top=highest(values), base=self.height, room=self.height)
        )

    def line(self, title: str, words: str, values: Values, *, top: float | None = None) -> Figure:
        """A number over time; it fills the canvas at ``top``, or at its own highest."""
        most = highest(values) if top is None else top
        return self._drawn(title, words, line("line", values, top=most, base=self.height, room=self.height - 1))

    def mirrored(self, title: str, words: str, good: Values, bad: Values, other: Values = ()) -> Figure:
        """One scale for both, and as much room for either as it needs."""
        up, down = highest(good, other), highest(bad)
        below = min(self.height - 4, max(4, round(self.height * down / (up + down)))) if down else 0
        base = self.height - below
        top = max(up / base, down / below if below else 0.0)  # of one unit of height
        return self._drawn(
            title,
            words,
            area("other", other, top=top * base, base=base, room=base),
            area("good", good, top=top * base, base=base, room=base),
            area("bad", bad, top=top * below, base=base, room=-below),
            base=base,
        )

    def _drawn(self, title: str, words: str, *layers: Layer, base: int | None = None) -> Figure:
        behind = block("blind", self.blind, above=self.height, base=self.height)
        under = floor(self.seen, self.height if base is None else base)
        return figure(title, words, columns=len(self.seen), height=self.height, layers=[behind, *layers, under])
