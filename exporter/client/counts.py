"""What has become of the tasks that a reporter was told of."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """Tasks since the reporter was made, or since the process was forked; ``waiting`` is how many wait just now."""

    registered: int = 0
    waiting: int = 0
    overflowed: int = 0
    """There were too many waiting already."""
    refused: int = 0
    """The exporter found fault with them."""
    expired: int = 0
    """They were not taken in time, or not before the reporter was closed."""
    unread: int = 0
    """A submission's answer could not be read, so there may be a task that nobody was told of."""

    @property
    def lost(self) -> int:
        """All that the exporter does not know of and will not hear of."""
        return self.overflowed + self.refused + self.expired + self.unread
