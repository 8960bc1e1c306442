"""The lines of one family of few series: each is written anew only when what it shows has changed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

from exporter.metrics.labelling import LabelValues
from exporter.metrics.packing import Piece

Shown = TypeVar("Shown")

CHUNK = 256
"""So many series make a piece, which is compressed again when one of them has changed."""


class Block(Generic[Shown]):
    """Remembers the lines of the last page; ``write`` makes those of one series. 0.0 and -0.0 are one number."""

    def __init__(self, write: Callable[[LabelValues, Shown], str]) -> None:
        self._write = write
        self._written: dict[LabelValues, tuple[Shown, bytes]] = {}
        self._points: Mapping[LabelValues, Shown] = {}
        self._pieces: list[Piece] = []

    def pieces(self, points: Mapping[LabelValues, Shown]) -> Sequence[Piece]:
        """All lines of these series, in their order. What was given once may not change afterwards."""
        if points is self._points:
            return self._pieces
        self._points, before = points, self._written
        self._written = {}
        texts: list[bytes] = []
        for values, shown in points.items():
            known = before.get(values)
            if known is None or known[0] != shown:
                known = (shown, self._write(values, shown).encode())
            self._written[values] = known
            texts.append(known[1])
        self._pieces = list(self._cut(texts))
        return self._pieces

    def _cut(self, texts: Sequence[bytes]) -> Iterable[Piece]:
        """In pieces, each the one that was there before if it is still the same."""
        for number, at in enumerate(range(0, len(texts), CHUNK)):
            own = texts[at : at + CHUNK]
            before = self._pieces[number] if number < len(self._pieces) else None
            yield before if before is not None and before.texts == own else Piece(own)
