"""An outage of everything, nearly at the pace of real life: what is sped up has no window with enough requests."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.alerting.stack import running

pytestmark = [pytest.mark.e2e, pytest.mark.long]

SPEED = 1.5
"""Three requests, which the alert wants, take the exporter three minutes at most: as long as the window now is."""

ALERT, ACCOUNT = "ByteSpikeUpstreamDown", "down"
PATIENCE = 900.0


def test_it_is_told_of_and_its_end_is(tmp_path: Path) -> None:
    with running(tmp_path, [ACCOUNT], speed=SPEED) as stack:

        def last_told() -> bool | None:
            told = [one.is_resolved for one in stack.webhook.told() if one.name == ALERT]
            return told[-1] if told else None

        time.sleep(15)
        stack.upstream.scenario("outage", {"account": ACCOUNT})
        until(lambda: last_told() is False)
        stack.upstream.end_scenario("outage")
        until(lambda: last_told() is True)
        told = [one for one in stack.webhook.told() if one.labels.get("account") == ACCOUNT]

    assert {(one.name, one.receiver) for one in told} == {(ALERT, "page")}


def until(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < deadline
        time.sleep(1)
