"""Under which paths everything is answered: the flags as Prometheus reads them, and every path, link and redirect."""

import re
from urllib.parse import urljoin

import pytest
import structlog
from starlette.routing import Route

from exporter.web.app import create_app
from exporter.web.site import METRICS, TAKEN, Site
from tests.support.browse import Browse
from tests.support.fake_exporter import FakeExporter, FakeTasks

BELOW = Site(prefix="/a/b", metrics="/m", external_url="https://outside.test/a/b")


def site(external_url: str = "", route_prefix: str = "", telemetry_path: str = METRICS) -> Site:
    return Site.of(external_url=external_url, route_prefix=route_prefix, telemetry_path=telemetry_path)


def paths(of: Site) -> set[str]:
    """Everything that is answered there."""
    routes = create_app(FakeExporter(), log=structlog.get_logger(), site=of).routes
    return {route.path for route in routes if isinstance(route, Route)}


# ---- the flags -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("external_url", "route_prefix", "prefix", "home"),
    [
        ("", "", "", "/"),
        ("", "/", "", "/"),
        ("", "a", "/a", "/a/"),
        ("", "/a/b/", "/a/b", "/a/b/"),
        ("http://host", "", "", "/"),
        ("https://host:8443/x/", "", "/x", "/x/"),
        ("https://host/x", "/", "", "/x/"),  # whatever stands before it takes the path away
        ("https://host/x", "/y", "/y", "/x/"),
        ("/x/", "", "/x", "/x/"),
        ("/", "", "", "/"),
        ("http://[::1]:9877/x", "", "/x", "/x/"),
    ],
)
def test_the_prefix_is_the_path_of_the_external_url(
    external_url: str, route_prefix: str, prefix: str, home: str
) -> None:
    found = site(external_url, route_prefix)
    assert (found.prefix, found.home) == (prefix, home)


@pytest.mark.parametrize(
    ("external_url", "origin"),
    [
        ("", None),
        ("/x", None),
        ("https://Host/x", "https://host"),
        ("https://host:443", "https://host"),
        ("http://host:443", "http://host:443"),
        ("http://[::1]:80/x", "http://[::1]"),
        ("https://host:8443/x/", "https://host:8443"),
    ],
)
def test_the_origin_as_browsers_write_it(external_url: str, origin: str | None) -> None:
    assert site(external_url).origin == origin


@pytest.mark.parametrize(
    ("origin", "status"),
    [("https://outside.test", 200), ("http://outside.test", 403), ("https://outside.test:8443", 403), ("", 403)],
)
async def test_its_own_pages_may_ask_through_a_proxy_that_rewrites_the_host(
    browse: Browse, origin: str, status: int
) -> None:
    exporter = FakeExporter()
    async with browse(exporter, site=BELOW) as client:
        answer = await client.post("/a/b/-/reload", headers={"Origin": origin, "Sec-Fetch-Site": "same-origin"})
    assert (answer.status_code, len(exporter.reloads)) == (status, int(status == 200))


@pytest.mark.parametrize("path", ["", "a b", "/a?b", "/a#b", "//a", "/a//b", "/a/../b", "/.", "/{a}", "/ü", "/a%20b"])
@pytest.mark.parametrize("flag", ["route_prefix", "telemetry_path", "external_url"])
def test_what_is_no_path(flag: str, path: str) -> None:
    if not path and flag != "telemetry_path":
        return
    if flag == "route_prefix" and path == "//a":  # slashes around it mean nothing, as for Prometheus
        return
    with pytest.raises(ValueError, match=f"^--web.{flag.replace('_', '-')}: expected a "):
        site(**{flag: path})


@pytest.mark.parametrize(
    "url", ["host", "host/x", "ftp://host/", "http://", "http://u@host/", "http://host:x/", "'http://host'", "http://["]
)
def test_what_is_no_external_url(url: str) -> None:
    with pytest.raises(ValueError, match=r"^--web\.external-url: expected a URL"):
        site(url)


@pytest.mark.parametrize("path", ["/sd", "/config", "/-/ready", "/api/v1/tasks", "/probe/x"])
def test_what_is_answered_already(path: str) -> None:
    with pytest.raises(ValueError, match="is something else's"):
        site(telemetry_path=path)


def test_every_other_path_is_known_to_be_taken() -> None:
    assert [path for path in sorted(paths(Site()) - {"/", METRICS}) if not TAKEN.fullmatch(path)] == []


# ---- what is answered ------------------------------------------------------------------------------------------------


async def test_every_path_is_below_the_prefix_and_none_beside_it(browse: Browse) -> None:
    plain, below = paths(Site()), paths(BELOW)
    assert below == {f"/a/b{'/m' if path == METRICS else path}" for path in plain} | {"/", "/a/b"}
    async with browse(FakeExporter(), site=BELOW) as client:
        for path in ("/m", "/-/healthy", "/-/ready", "/healthz", "/livez", "/readyz", "/config", "/"):
            assert (await client.get(f"/a/b{path}")).status_code == 200, path
        for path in ("/metrics", "/m", "/-/healthy", "/healthz", "/config", "/a/b/metrics", "/a", "/a/"):
            assert (await client.get(path)).status_code == 404, path
        assert (await client.post("/a/b/-/reload")).status_code == 200


@pytest.mark.parametrize(
    ("given", "path", "leads_to"),
    [
        (BELOW, "/", "/a/b/"),
        (BELOW, "/a/b", "/a/b/"),
        (Site(prefix="/in", external_url="https://outside.test/out"), "/", "/in/"),
        (Site(prefix="/in", external_url="https://outside.test/out"), "/in", "/out/"),
    ],
)
async def test_the_way_home(browse: Browse, given: Site, path: str, leads_to: str) -> None:
    async with browse(FakeExporter(), site=given) as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.headers["location"]) == (302, leads_to)


@pytest.mark.parametrize("given", [Site(), BELOW, Site(metrics="/"), Site(prefix="/x", metrics="/")])
async def test_every_link_of_a_page_leads_to_a_page(browse: Browse, given: Site) -> None:
    async with browse(FakeExporter(), site=given) as client:
        pages = ["/config", "/tasks", "/tasks/a%2Fb", *(["/"] if given.has_landing_page else [])]
        for page in pages:
            at = f"http://localhost:9877{given.at(page)}"
            answer = await client.get(at, headers={"Accept": "text/html"})
            links = set(re.findall(r'<a href="([^"#]+)"', answer.text))
            assert len(links) >= (6 if given.has_landing_page else 5)
            for link in links:
                assert (await client.get(urljoin(at, link))).status_code == 200, link


async def test_metrics_in_the_place_of_the_landing_page(browse: Browse) -> None:
    async with browse(FakeExporter(), site=Site(metrics="/")) as client:
        assert (await client.get("/")).headers["content-type"].startswith("text/plain; version=")
        assert (await client.get("/metrics")).status_code == 404


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (Site(), "…/-/reload"),
        (Site(prefix="/x"), "…/x/-/reload"),
        (BELOW, "https://outside.test/a/b/-/reload"),
        (Site(external_url="/out", prefix="/in"), "…/out/-/reload"),
    ],
)
async def test_the_address_that_a_person_is_told(browse: Browse, given: Site, shown: str) -> None:
    async with browse(FakeExporter(), site=given) as client:
        assert f"curl -X POST {shown}</code>" in (await client.get(given.at("/"))).text


# ---- service discovery -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "netloc", "path"),
    [
        (Site(), "localhost:9877", "/probe"),
        (BELOW, "outside.test", "/a/b/probe"),
        (Site(prefix="/in", external_url="https://outside.test/out"), "outside.test", "/out/probe"),
        (Site(prefix="/in", external_url="https://outside.test/out"), "exporter:9877", "/in/probe"),
        (Site(external_url="https://outside.test/out"), "exporter:9877", "/probe"),
        (Site(external_url="/out"), "exporter:9877", "/probe"),
    ],
)
def test_where_a_probe_is_found_depends_on_how_one_came(given: Site, netloc: str, path: str) -> None:
    assert given.probe_path(netloc) == path


async def test_targets_say_where_the_probe_is(browse: Browse) -> None:
    async with browse(FakeExporter(tasks=FakeTasks(1)), site=BELOW) as client:
        [target] = (await client.get("/a/b/sd", headers={"Host": "localhost"})).json()
    assert target["labels"]["__metrics_path__"] == "/a/b/probe"
