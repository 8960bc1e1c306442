"""An outage of everything, at a pace of its own: what is sped up more has no window with enough requests."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.alerting.plan import OUTAGE
from tests.e2e.alerting.stack import running

pytestmark = [pytest.mark.e2e, pytest.mark.alerting, pytest.mark.xdist_group("outage")]

SPEED = 5.0
EXPORTERS = 4
"""The alert wants three requests in what is now a minute, and each exporter sends two."""

ALERT, ACCOUNT = "ByteSpikeUpstreamDown", "down"
HEALTHY_SECONDS = 15.0
PATIENCE = 480.0


def test_it_is_told_of_and_its_end_is(tmp_path: Path) -> None:
    with running(tmp_path, [ACCOUNT], speed=SPEED, parts=EXPORTERS, shared=[ACCOUNT]) as stack:

        def last_told() -> bool | None:
            told = [one.is_resolved for one in stack.webhook.told() if one.name == ALERT]
            return told[-1] if told else None

        time.sleep(HEALTHY_SECONDS)
        stack.upstream.scenario(OUTAGE, {"account": ACCOUNT})
        until(lambda: last_told() is False)
        stack.upstream.end_scenario(OUTAGE)
        until(lambda: last_told() is True)
        told = [one for one in stack.webhook.told() if one.labels.get("account") == ACCOUNT]

    assert {(one.name, one.receiver) for one in told} == {(ALERT, "page")}


def until(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < deadline
        time.sleep(1)
