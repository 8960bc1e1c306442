"""Ten quiet minutes, then everything goes wrong at once, each thing with an account of its own; then it is well again,
and at last every exporter is gone.

One run of it takes minutes, so it is played once, and what it showed is kept for all tests to look at.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx

from monitoring.durations import seconds
from tests.e2e.alerting.plan import CASES, OWN, Case
from tests.e2e.alerting.stack import OTHER, SPEED, Stack
from tests.e2e.alerting.story import Story, phase, wait
from tests.e2e.alerting.troubles import come_back, die, die_out, have_troubles
from tests.support import pint

HEALTHY_SECONDS = seconds("10m") / SPEED

START_SECONDS = 60.0
STORM_SECONDS = 240.0
CALM_SECONDS = 420.0
"""How long is waited at most. Two idle cores need a good half of each: one alert stays for three minutes."""

AGAIN_SECONDS = 90.0
"""A scenario that is over, but was not told of within so long, is begun once more: the machine was busy."""

LASTING = ("slow_wave", "rate_limit_storm")
"""The scenarios that stay till the end of the storm: the alert of the one must be told of whoever else dies, and the
other holds an account back, so that some of its polls are due whenever somebody looks."""

OPEN_TASKS = 5
"""Tasks of the other exporter that are open all the time, so that there are always some to look at."""

CAUGHT_UP = 400
"""Tasks that end in time, as many as it takes that most of an hour's do."""


def play(stack: Stack) -> Story:
    """The whole story. What does not come in time is left to the tests to miss."""
    story = Story(stack)
    stack.upstream.submit(OPEN_TASKS, account=OTHER, latency_seconds=200, spread_seconds=40)
    fail_one(story)
    for case in CASES:
        if case.early:
            begin(story, case)
    wait(lambda: is_quiet(stack), START_SECONDS)
    story.healthy = phase(lambda: time.sleep(HEALTHY_SECONDS))
    story.storm = phase(lambda: storm(story))
    story.calm = phase(lambda: calm(story))
    die_out(story)
    return story


def storm(story: Story) -> None:
    """Everything at once, until every alert has come; beside it the other exporter's own troubles, and its death."""
    fail_one(story)
    for case in CASES:
        if not case.early:
            begin(story, case)
    with ThreadPoolExecutor(1) as beside:
        troubles = beside.submit(have_troubles, story)
        wait(lambda: has_shown(story), STORM_SECONDS)
        troubles.result()
    if pint.is_installed():  # all series are there now: once it is calm, nothing may be due at the moment
        story.faults = pint.faults(config=pint.beside(story.stack.prometheus.url, story.stack.directory))
    die(story)


def calm(story: Story) -> None:
    """The causes are gone, and the alerts go."""
    for scenario in LASTING:
        end(story, scenario)
    story.stack.upstream.submit(CAUGHT_UP, account="wrong", latency_seconds=5)
    come_back(story)
    wait(lambda: are_over(story) and all(story.is_over(f"ByteSpike{name}") for name in OWN), CALM_SECONDS)


def fail_one(story: Story) -> None:
    """The other exporter sees a task fail, so that there is one to look at."""
    story.stack.upstream.submit(1, account=OTHER, latency_seconds=1, failure_ratio=1)


def has_shown(story: Story) -> bool:
    """Whether every scenario has; what has is ended, unless it is kept, and what was too short is begun again."""
    for case in CASES:
        if case.seconds and not has_told(story, case) and time.time() > story.begun[case.account] + AGAIN_SECONDS:
            begin(story, case)
    shown = {scenario: all(has_told(story, case) for case in of) for scenario, of in by_scenario().items()}
    for scenario, is_shown in shown.items():
        if is_shown and scenario not in LASTING:
            end(story, scenario)
    return all(shown.values())


def has_told(story: Story, case: Case) -> bool:
    has_told = all(story.has_arrived(f"ByteSpike{name}", account=case.account) for name in case.alerts)
    if has_told:
        story.shown.setdefault(case.account, time.time())
    return has_told


def by_scenario() -> dict[str, list[Case]]:
    return {scenario: [case for case in CASES if case.scenario == scenario] for scenario in {c.scenario for c in CASES}}


def are_over(story: Story) -> bool:
    return all(story.is_over(f"ByteSpike{name}", account=case.account) for case in CASES for name in case.alerts)


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
