"""What happened, to be asked by the tests; and waiting for what is to happen."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.e2e.alerting.stack import Stack
from tests.support.webhook import Told

LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the story; Unix seconds."""

    start: float
    end: float


@dataclass(slots=True)
class Story:
    """What happened.

    ``begun`` is when each account's scenario last was, ``shown`` when all its alerts had first been told of (Unix
    seconds). ``one_gone`` and ``all_gone`` are what Alertmanager held while one exporter was gone, and all of them: the
    states of alerts by name. ``faults`` is what pint has against the rules, beside this Prometheus.
    """

    stack: Stack
    healthy: Phase = field(default=Phase(0.0, 0.0))
    storm: Phase = field(default=Phase(0.0, 0.0))
    calm: Phase = field(default=Phase(0.0, 0.0))
    begun: dict[str, float] = field(default_factory=dict)
    shown: dict[str, float] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    one_gone: Mapping[str, set[str]] = field(default_factory=dict)
    all_gone: Mapping[str, set[str]] = field(default_factory=dict)
    faults: str = ""

    def told(self, name: str = "", *, is_resolved: bool | None = None, **labels: str) -> list[Told]:
        """The notifications of one alert (of all without a name) with these labels."""
        return [
            told
            for told in self.stack.webhook.told()
            if name in ("", told.name)
            and is_resolved in (None, told.is_resolved)
            and labels.items() <= told.labels.items()
        ]

    def has_arrived(self, name: str, **labels: str) -> bool:
        return bool(self.told(name, is_resolved=False, **labels))

    def states(self) -> dict[str, set[str]]:
        """The states of the alerts that Alertmanager holds now, by name."""
        states: dict[str, set[str]] = {}
        for alert in self.stack.alertmanager.alerts():
            states.setdefault(alert["labels"]["alertname"], set()).add(alert["status"]["state"])
        return states

    def is_over(self, name: str, **labels: str) -> bool:
        """Whether each alert of that name that came was told of as resolved at last."""
        last = {
            frozenset(told.labels.items()): told.is_resolved for told in self.told(name, is_resolved=None, **labels)
        }
        return bool(last) and all(last.values())


def phase(act: Callable[[], None]) -> Phase:
    start = time.time()
    act()
    return Phase(start, time.time())


def wait(look: Callable[[], object], limit: float) -> None:
    """Until it is so, or so many seconds are over."""
    deadline = time.monotonic() + limit
    while not look() and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
