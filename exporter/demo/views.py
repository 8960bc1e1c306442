"""What there is to look at: the pages of Prometheus and Alertmanager, some of which packages leave out."""

import shutil
from collections.abc import Mapping
from urllib.parse import urlencode

import httpx

from exporter.demo.monitoring import ALERTMANAGER, PROMETHEUS
from exporter.metrics.families.tasks import FINISHED

ANSWER_SECONDS = 10.0

ALERT_PATHS = ("/alerts", "/classic/alerts", "/api/v1/alerts")
"""Debian has only the old pages, and one that was built without any still has its API."""

GRAPH = "/graph?" + urlencode(
    {
        "g0.expr": f"sum by (status) (rate({FINISHED.name}[1m]))",
        "g0.tab": 0,
        "g0.range_input": "30m",
    }
)
"""The tasks that end, a second: failures show in it, and nothing ends in an outage. Prometheus 3 redirects it."""


async def views(monitoring: Mapping[str, str], *, transport: httpx.AsyncBaseTransport | None = None) -> dict[str, str]:
    """What to look at, by what it shows; ``monitoring`` has the addresses of what runs."""
    # proxies of the environment are not for addresses of this machine
    async with httpx.AsyncClient(
        trust_env=False, timeout=ANSWER_SECONDS, follow_redirects=True, transport=transport
    ) as http:
        found = {}
        if url := monitoring.get(PROMETHEUS):
            found["Alerts"] = await _first(http, url, *ALERT_PATHS)
            found["Tasks that end"] = await _first(http, url, GRAPH)
        if url := monitoring.get(ALERTMANAGER):
            found["Alertmanager"] = f"{url}/" if await _has_pages(http, url) else _in_words(url)
        return {name: view for name, view in found.items() if view}


async def _first(http: httpx.AsyncClient, url: str, *paths: str) -> str:
    """The first that is answered well, empty where none is."""
    for path in paths:
        if (await _text(http, f"{url}{path}")) is not None:
            return f"{url}{path}"
    return ""


async def _has_pages(http: httpx.AsyncClient, url: str) -> bool:
    """Whether there is a web application behind the address; Debian's is a note that there is none."""
    return "<script" in (await _text(http, f"{url}/") or "")


async def _text(http: httpx.AsyncClient, url: str) -> str | None:
    try:
        answer = await http.get(url)
    except httpx.HTTPError:
        return None
    return answer.text if answer.is_success else None


def _in_words(url: str) -> str:
    return f"amtool alert query --alertmanager.url={url}" if shutil.which("amtool") else f"{url}/api/v2/alerts"
