"""Ten quiet minutes, then everything goes wrong at once, each thing with an account of its own; then it is well again.

One run of it takes a minute and a half, so it is played once, and what it showed is kept for all tests to look at.
"""

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from monitoring.durations import seconds
from tests.e2e.alerting.plan import CASES, OWN, Case
from tests.e2e.alerting.stack import OTHER, SPEED, Stack
from tests.support.processes import RunningExporter, start_exporter
from tests.support.webhook import Told

HEALTHY_SECONDS = seconds("10m") / SPEED

STORM_SECONDS = 90.0
CALM_SECONDS = 90.0
TROUBLE_SECONDS = 60.0
"""How long is waited at most. Two idle cores need a good half of each."""

AGAIN_SECONDS = 50.0
"""A scenario that is over, but was not told of within so long, is begun once more: the machine was busy."""

LASTING = "slow_wave"
"""The scenario that stays till the end of the storm: its alert is the one to be held back."""

OPEN_TASKS = 5
"""Tasks of the other exporter that are open all the time, so that there are always some to look at."""

CAUGHT_UP = 200
"""Tasks that end in time, as many as it takes that most of an hour's do."""

LOOK_SECONDS = 0.2
LOCKED_SECONDS = 2.2
"""A little more than the exporter waits for a locked ledger: one commit fails."""
UNLOCKED_SECONDS = 1.3
"""A little more than it waits before it tries again."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the story; Unix seconds."""

    start: float
    end: float


@dataclass(slots=True)
class Story:
    """What happened.

    ``begun`` is when each account's scenario last was (Unix seconds), ``held_back`` what Alertmanager held while an
    exporter was gone: the statuses of alerts by name.
    """

    stack: Stack
    healthy: Phase = field(default=Phase(0.0, 0.0))
    storm: Phase = field(default=Phase(0.0, 0.0))
    calm: Phase = field(default=Phase(0.0, 0.0))
    begun: dict[str, float] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    held_back: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

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

    def is_over(self, name: str, **labels: str) -> bool:
        """Whether each alert of that name that came was told of as resolved at last."""
        last = {
            frozenset(told.labels.items()): told.is_resolved for told in self.told(name, is_resolved=None, **labels)
        }
        return bool(last) and all(last.values())


def play(stack: Stack) -> Story:
    """The whole story. What does not come in time is left to the tests to miss."""
    story = Story(stack)
    stack.upstream.submit(OPEN_TASKS, account=OTHER, latency_seconds=90, spread_seconds=20)
    stack.upstream.submit(1, account=OTHER, latency_seconds=1, failure_ratio=1)
    for case in CASES:
        if case.early:
            begin(story, case)
    wait(lambda: is_quiet(stack), TROUBLE_SECONDS)
    story.healthy = phase(lambda: time.sleep(HEALTHY_SECONDS))
    story.storm = phase(lambda: storm(story))
    story.calm = phase(lambda: calm(story))
    return story


def storm(story: Story) -> None:
    """Everything at once, until every alert has come; beside it the other exporter's own troubles, and its death."""
    for case in CASES:
        if not case.early:
            begin(story, case)
    with ThreadPoolExecutor(1) as beside:
        troubles = beside.submit(have_troubles, story)
        wait(lambda: has_shown(story), STORM_SECONDS)
        troubles.result()
    # Alertmanager never tells that an alert is over which ends while it is held back
    wait(lambda: are_over(story, [case for case in CASES if not is_lasting(case)]), CALM_SECONDS)
    die(story)


def calm(story: Story) -> None:
    """The causes are gone, and the alerts go."""
    end(story, LASTING)
    story.stack.upstream.submit(CAUGHT_UP, account="wrong", latency_seconds=5)
    come_back(story)
    wait(lambda: are_over(story, CASES) and all(story.is_over(f"ByteSpike{name}") for name in OWN), CALM_SECONDS)


def has_shown(story: Story) -> bool:
    """Whether every scenario has; what has is ended, unless it is kept, and what was too short is begun again."""
    for case in CASES:
        if case.seconds and not has_told(story, case) and time.time() > story.begun[case.account] + AGAIN_SECONDS:
            begin(story, case)
    shown = {scenario: all(has_told(story, case) for case in of) for scenario, of in by_scenario().items()}
    for scenario, is_shown in shown.items():
        if is_shown and scenario != LASTING:
            end(story, scenario)
    return all(shown.values())


def has_told(story: Story, case: Case) -> bool:
    return all(story.has_arrived(f"ByteSpike{name}", account=case.account) for name in case.alerts)


def by_scenario() -> dict[str, list[Case]]:
    return {scenario: [case for case in CASES if case.scenario == scenario] for scenario in {c.scenario for c in CASES}}


def are_over(story: Story, cases: Iterable[Case]) -> bool:
    return all(story.is_over(f"ByteSpike{name}", account=case.account) for case in cases for name in case.alerts)


def is_lasting(case: Case) -> bool:
    return case.scenario == LASTING and not case.seconds


def begin(story: Story, case: Case) -> None:
    """Switch a scenario on, for its account alone."""
    story.begun[case.account] = time.time()
    story.stack.upstream.scenario(
        case.scenario, {**case.params, "account": case.account}, duration=case.seconds or None
    )


def end(story: Story, scenario: str) -> None:
    """Switch it off, once."""
    if scenario not in story.ended:
        story.ended.add(scenario)
        with suppress(httpx.HTTPStatusError):  # it is over by itself
            story.stack.upstream.end_scenario(scenario)


def is_quiet(stack: Stack) -> bool:
    """Everything is scraped, and what fired while it was not has ceased to."""
    scraped = stack.prometheus.instant("count(up == 1) == count(up)")
    firing = {alert["labels"]["alertname"] for alert in stack.alertmanager.alerts()}
    return bool(scraped) and firing == {"ByteSpikeWatchdog"}


# ---- the other exporter's troubles -----------------------------------------------------------------------------------


def have_troubles(story: Story) -> None:
    """A configuration that is none, a ledger that is locked now and then, and one that is locked for long."""
    other, directory = story.stack.other, story.stack.directory / "other"
    with spoilt(directory / "exporter.yml", other):
        wait(lambda: story.has_arrived("ByteSpikeConfigReloadFailed"), TROUBLE_SECONDS)

    def is_told_of_failures() -> bool:
        with locked(directory / "ledger.db"):
            time.sleep(LOCKED_SECONDS)
        time.sleep(UNLOCKED_SECONDS)
        return story.has_arrived("ByteSpikeLedgerFailing")

    wait(is_told_of_failures, TROUBLE_SECONDS)
    with locked(directory / "ledger.db"):
        wait(lambda: story.has_arrived("ByteSpikeLedgerStalled"), TROUBLE_SECONDS)


@contextmanager
def spoilt(config: Path, exporter: RunningExporter) -> Iterator[None]:
    """A configuration that cannot be loaded, and the good one again."""
    good = config.read_text()
    config.write_text("accounts: [")
    assert httpx.post(f"{exporter.url}/-/reload").status_code >= 400
    yield
    config.write_text(good)
    httpx.post(f"{exporter.url}/-/reload").raise_for_status()


@contextmanager
def locked(ledger: Path) -> Iterator[None]:
    """Nobody else can write."""
    with closing(sqlite3.connect(ledger, timeout=10, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def die(story: Story) -> None:
    """The other exporter dies while alerts fire; what they are then, in Alertmanager."""
    stack = story.stack
    stack.other.kill()
    wait(lambda: story.has_arrived("ByteSpikeExporterDown"), TROUBLE_SECONDS)
    for alert in stack.alertmanager.alerts():
        story.held_back.setdefault(alert["labels"]["alertname"], []).append(alert["status"])


def come_back(story: Story) -> None:
    """It comes back at the same address."""
    stack = story.stack
    config, address = stack.directory / "other" / "exporter.yml", stack.other.url.removeprefix("http://")
    stack.other = start_exporter(config, address=address, log="again.log")


# ---- time ------------------------------------------------------------------------------------------------------------


def phase(act: Callable[[], None]) -> Phase:
    start = time.time()
    act()
    return Phase(start, time.time())


def wait(look: Callable[[], object], limit: float) -> None:
    """Until it is so, or so many seconds are over."""
    deadline = time.monotonic() + limit
    while not look() and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
