"""What the web server tells of its connections, for a page to show. It belongs to the event loop."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Ending(StrEnum):
    """Why the exporter closed a connection that its other end would have kept."""

    HANDSHAKE = "handshake"
    HEAD_TIMEOUT = "head_timeout"
    BODY_TIMEOUT = "body_timeout"
    WRITE_TIMEOUT = "write_timeout"
    BAD_REQUEST = "bad_request"
    EVICTED = "evicted"
    REFUSED = "refused"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class TrafficView:
    """Connections that are open, and how many may be."""

    connections: int = 0
    limit: int = 0


class Traffic:
    """Connections as they come and go. Endings are taken to be counted, each once."""

    def __init__(self) -> None:
        self._look: Callable[[], TrafficView] = TrafficView
        self._endings: Counter[Ending] = Counter()

    def show(self, look: Callable[[], TrafficView]) -> None:
        """Ask this one from now on what is so."""
        self._look = look

    @property
    def view(self) -> TrafficView:
        """What is so now."""
        return self._look()

    def ended(self, why: Ending) -> None:
        """A connection was closed by the exporter."""
        self._endings[why] += 1

    def take_endings(self) -> Mapping[Ending, int]:
        """How many have ended since the last time, by reason."""
        taken, self._endings = self._endings, Counter()
        return taken
