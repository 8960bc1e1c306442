"""The figures measured anew, by each promtool there is."""

from collections.abc import Collection, Mapping
from functools import cache

import pytest

from monitoring.reaction import rules
from monitoring.reaction.figures import load
from monitoring.reaction.measure import Reaction, measured
from monitoring.reaction.record import Record
from monitoring.reaction.situations import lived, situations
from tests.rules.reaction.expectations import EXPECTED
from tests.support.servers import PARAMETERS, Servers

SITUATIONS = {situation.name: situation for situation in situations()}
FIGURES = load()
SHIPPED = rules.shipped()


@cache
def life(name: str) -> Record:
    """Lived once, measured by several."""
    return lived(SITUATIONS[name], rules.read(SHIPPED))


@pytest.mark.slow
@pytest.mark.parametrize("servers", PARAMETERS, ids=str)
@pytest.mark.parametrize("name", SITUATIONS)
def test_what_the_situation_is_there_for(name: str, servers: Servers) -> None:
    expected = EXPECTED[name]
    alerts = expected.must.keys() | expected.tempted
    found = measured(servers.need("promtool"), SITUATIONS[name], life(name), rules.needed(SHIPPED, alerts))
    agree(found, name, alerts)


@pytest.mark.long
@pytest.mark.parametrize("servers", PARAMETERS, ids=str)
@pytest.mark.parametrize("name", SITUATIONS)
def test_every_figure(name: str, servers: Servers) -> None:
    found = measured(servers.need("promtool"), SITUATIONS[name], life(name), SHIPPED)
    agree(found, name, found.keys() | FIGURES.situations[name].keys())


def agree(found: Mapping[str, Reaction], name: str, alerts: Collection[str]) -> None:
    """The same as committed; versions of Prometheus, that differ in where a window begins, may be a step apart."""
    committed = {alert: each for alert, each in FIGURES.situations[name].items() if alert in alerts}
    assert found.keys() == committed.keys()
    leeway = SITUATIONS[name].step
    for alert, reaction in found.items():
        wanted = committed[alert]
        assert abs(reaction.after - wanted.after) <= leeway, (alert, reaction, wanted)
        assert reaction.times == wanted.times, (alert, reaction, wanted)
        assert (reaction.until is None) == (wanted.until is None), (alert, reaction, wanted)
        assert abs((reaction.until or 0) - (wanted.until or 0)) <= leeway, (alert, reaction, wanted)
