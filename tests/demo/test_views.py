"""What there is to look at, of packages with all pages, with the old ones, and with none."""

from collections.abc import Mapping

import httpx
import pytest

from exporter.demo.monitoring import ALERTMANAGER, PROMETHEUS
from exporter.demo.views import GRAPH, views

P, A = "http://p:9090", "http://a:9093"
BOTH = {PROMETHEUS: P, ALERTMANAGER: A}

AMTOOL = f"amtool alert query --alertmanager.url={A}"


def serving(pages: Mapping[str, str]) -> httpx.MockTransport:
    """Servers that have these pages by host and path; a page that is an address is a redirect."""

    def handle(request: httpx.Request) -> httpx.Response:
        page = pages.get(f"{request.url.host}{request.url.path}")
        if page is None:
            return httpx.Response(404)
        return (
            httpx.Response(302, headers={"location": page})
            if page.startswith("http")
            else httpx.Response(200, text=page)
        )

    return httpx.MockTransport(handle)


@pytest.fixture(autouse=True)
def has_amtool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")


@pytest.mark.parametrize(
    ("pages", "found"),
    [
        pytest.param(
            {"p/alerts": "", "p/graph": f"{P}/query", "p/query": "", "a/": "<script src='script.js'>"},
            {"Alerts": f"{P}/alerts", "Tasks that end": f"{P}{GRAPH}", "Alertmanager": f"{A}/"},
            id="all",
        ),
        pytest.param(
            {"p/classic/alerts": "", "p/graph": "", "a/": "The Debian package does not include a web application"},
            {"Alerts": f"{P}/classic/alerts", "Tasks that end": f"{P}{GRAPH}", "Alertmanager": AMTOOL},
            id="Debian",
        ),
        pytest.param(
            {"p/graph": f"{P}/query", "p/api/v1/alerts": "{}"},
            {"Alerts": f"{P}/api/v1/alerts", "Alertmanager": AMTOOL},
            id="built without pages",
        ),
    ],
)
async def test_pages_that_there_are(pages: Mapping[str, str], found: Mapping[str, str]) -> None:
    assert await views(BOTH, transport=serving(pages)) == found


async def test_without_amtool_alertmanager_has_its_api(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert await views({ALERTMANAGER: A}, transport=serving({})) == {"Alertmanager": f"{A}/api/v2/alerts"}


async def test_nothing_runs() -> None:
    assert await views({}) == {}


async def test_a_server_that_fails_shows_nothing() -> None:
    def handle(_: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("no")

    assert await views({PROMETHEUS: P}, transport=httpx.MockTransport(handle)) == {}


def test_the_graph_is_of_a_metric_that_there_is() -> None:
    from exporter.metrics.catalogue import BY_NAME

    assert "bytespike_tasks_finished_total" in GRAPH
    assert "bytespike_tasks_finished" in {name.removesuffix("_total") for name in BY_NAME}
