"""promtool is asked when alerts fire, and believed; what cannot be measured is no quiet alert."""

import pytest

from monitoring.reaction import rules
from monitoring.reaction.measure import Reaction, measured
from monitoring.reaction.record import Record
from monitoring.reaction.situations import Situation, lived
from monitoring.reaction.tasks import MINUTE, RENDERS, healthy, steady
from tests.support.servers import PARAMETERS, Servers

DOWN = ((10 * MINUTE, 20 * MINUTE), (30 * MINUTE, 36 * MINUTE))
FAILS = Situation(
    name="fails",
    tells="For the test.",
    cause=10 * MINUTE,
    ends=50 * MINUTE,
    traffic=lambda: steady(RENDERS, every=MINUTE, until=50 * MINUTE, failing=healthy),
    downs=DOWN,
)


def groups(expr: str, *, wait: str) -> rules.Groups:
    """One alert."""
    return [{"name": "one", "rules": [{"alert": "Down", "expr": expr, "for": wait, "labels": {"severity": "info"}}]}]


@pytest.fixture(scope="module")
def record() -> Record:
    return lived(FAILS, frozenset({"up"}))


@pytest.mark.parametrize("servers", PARAMETERS, ids=str)
@pytest.mark.parametrize(
    ("wait", "reaction"),
    [
        ("1m", Reaction(after=1, times=2, until=26)),
        ("7m", Reaction(after=7, times=1, until=10)),
        ("15m", None),
    ],
)
def test_the_first_minute_how_often_and_until_when(
    record: Record, wait: str, reaction: Reaction | None, servers: Servers
) -> None:
    found = measured(servers.need("promtool"), FAILS, record, groups("up == 0", wait=wait))
    assert found == ({"Down": reaction} if reaction else {})


@pytest.mark.parametrize("servers", PARAMETERS, ids=str)
def test_what_goes_on_has_no_end(record: Record, servers: Servers) -> None:
    found = measured(servers.need("promtool"), FAILS, record, groups("up >= 0", wait="15m"))
    assert found["Down"].until is None


@pytest.mark.parametrize("servers", PARAMETERS, ids=str)
def test_rules_that_promtool_cannot_read_are_an_error(record: Record, servers: Servers) -> None:
    with pytest.raises(RuntimeError, match="promtool cannot measure"):
        measured(servers.need("promtool"), FAILS, record, groups("up ==", wait="1m"))


def test_only_what_an_alert_needs_is_kept() -> None:
    kept = rules.needed(rules.shipped(), {"ByteSpikeNothingFinishing"})
    names = [rule.get("alert") or rule["record"] for group in kept for rule in group["rules"]]
    assert names[-1] == "ByteSpikeNothingFinishing"
    assert "group:bytespike_tasks_open:sum" in names
    assert not [name for name in names if "credits" in name]


def test_the_digest_is_of_what_is_judged_not_of_how_it_is_worded() -> None:
    first = rules.digest(groups("up == 0", wait="1m"))
    worded = [
        {**group, "rules": [{**rule, "annotations": {"summary": "Another."}} for rule in group["rules"]]}
        for group in groups("up == 0", wait="1m")
    ]
    assert rules.digest(worded) == first
    assert rules.digest(groups("up == 0", wait="2m")) != first
