"""A scenario and its time as the command line names them."""

from dataclasses import dataclass, field

from exporter.settings.durations import parse


@dataclass(frozen=True, slots=True)
class Planned:
    """A scenario to come; ``start`` is seconds from now, without ``duration`` it stays on."""

    name: str
    start: float = 0.0
    duration: float | None = None
    params: dict[str, str] = field(default_factory=dict)


def parse_scenario(text: str) -> Planned:
    """``NAME[@START[+DURATION]][,PARAM=VALUE…]``; raises ValueError."""
    head, *pairs = text.split(",")
    name, _, when = head.partition("@")
    start, _, duration = when.partition("+")
    if not name or not all("=" in pair for pair in pairs):
        raise ValueError("expected NAME@START+DURATION[,PARAM=VALUE...], such as outage@30s+1m")
    return Planned(
        name=name,
        start=parse(start) if start else 0.0,
        duration=parse(duration) if duration else None,
        params=dict(pair.split("=", 1) for pair in pairs),
    )
