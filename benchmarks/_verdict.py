"""What a long run found about one thing that was asked for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing that was asked for."""

    name: str
    is_good: bool
    found: str
    wanted: str

    def __str__(self) -> str:
        return f"{'ok ' if self.is_good else 'NOT'} {self.name:28} {self.found:34} wanted: {self.wanted}"
