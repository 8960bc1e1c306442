"""The tests' clock, which also moves outside a loop, from an instant the expected texts are written for."""

from tests.support.fake_clock import FakeClock

START = 1_764_000_000.0


class ManualClock(FakeClock):
    """A clock that stands still until it is told to move."""

    def __init__(self) -> None:
        super().__init__(wall=START, monotonic=0.0)

    def pass_by(self, seconds: float) -> None:
        """Move without waking anybody."""
        self._move_to(self.monotonic() + seconds)
