"""An outage of everything, at a pace of its own: what the exporter takes to notice it is not sped up."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.alerting.plan import OUTAGE
from tests.e2e.alerting.stack import running
from tests.support.servers import Servers

pytestmark = [pytest.mark.e2e, pytest.mark.alerting]

SPEED = 5.0

ALERT, ACCOUNT = "ByteSpikeUpstreamDown", "down"
HEALTHY_SECONDS = 15.0
TOLD_SECONDS = 5 * 60 / SPEED
"""Within five minutes: an outage of eight is told of while it lasts."""

OPEN_TASKS = 3
LASTING_SECONDS = 200.0
"""Tasks that are open all the while: nobody is called for an account that has nothing to ask."""

PATIENCE = 480.0


def test_it_is_told_of_while_it_lasts_and_its_end_is(tmp_path: Path, servers: Servers) -> None:
    with running(tmp_path, [ACCOUNT], speed=SPEED, parts=1, shared=[], servers=servers) as stack:

        def last_told() -> bool | None:
            told = [one.is_resolved for one in stack.webhook.told() if one.name == ALERT]
            return told[-1] if told else None

        stack.upstream.submit(OPEN_TASKS, account=ACCOUNT, latency_seconds=LASTING_SECONDS)
        time.sleep(HEALTHY_SECONDS)
        stack.upstream.scenario(OUTAGE, {"account": ACCOUNT})
        begun = time.monotonic()
        until(lambda: last_told() is False)
        told_after = time.monotonic() - begun
        stack.upstream.end_scenario(OUTAGE)
        until(lambda: last_told() is True)
        told = [one for one in stack.webhook.told() if one.labels.get("account") == ACCOUNT]

    assert told_after <= TOLD_SECONDS
    assert {(one.name, one.receiver) for one in told} == {(ALERT, "page")}


def until(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.5)
