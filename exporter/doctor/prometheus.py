"""Whether a Prometheus reaches the exporter, as that Prometheus itself sees it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
from socksio.exceptions import SOCKSError

from exporter.doctor.finding import Finding, fault, ok
from exporter.hosts import is_loopback
from exporter.metrics.families.own import BUILD_INFO
from exporter.outbound import Outbound
from exporter.suspects import masked
from exporter.threads import in_thread

PROMETHEUS = "prometheus"

ANSWER_SECONDS = 8.0
MOST_BYTES = 16 << 20

OURS = "bytespike"
"""What the names of our jobs have in them, if nobody has called them otherwise."""

_NO_ANSWER = "is it Prometheus' own address, with its prefix, and open to this machine without a password?"
_NO_TARGET = "add a scrape job (config/prometheus/prometheus.yml, docs/prometheus.md), and reload Prometheus"
_DOWN = "does the exporter run, and does Prometheus reach it by that address? in a container localhost is itself"


class _Series(msgspec.Struct, frozen=True):
    metric: dict[str, str]


class _Vector(msgspec.Struct, frozen=True):
    result: tuple[_Series, ...] = ()


class _Queried(msgspec.Struct, frozen=True):
    data: _Vector


class _Target(msgspec.Struct, frozen=True, rename="camel"):
    scrape_url: str
    health: str
    last_error: str = ""
    labels: dict[str, str] = {}


class _Targets(msgspec.Struct, frozen=True, rename="camel"):
    active_targets: tuple[_Target, ...] = ()


class _Listed(msgspec.Struct, frozen=True):
    data: _Targets


class _UnreadableError(Exception):
    """What Prometheus says cannot be read; the text says why."""


async def prometheus(
    url: str, outbound: Outbound, *, ports: Collection[int], transport: httpx.AsyncBaseTransport | None = None
) -> Sequence[Finding]:
    """Whether it has our series now; where not, what has become of the target. ``ports`` are those we listen on."""
    url = url.rstrip("/")
    transport = transport or await in_thread(lambda: _way(url, outbound))
    try:
        async with httpx.AsyncClient(transport=transport, timeout=ANSWER_SECONDS, trust_env=False) as http:
            found = await _ask(http, f"{url}/api/v1/query", {"query": BUILD_INFO.name}, _Queried)
            if found.data.result:
                return [ok(PROMETHEUS, f"it scrapes {_instances(found.data.result)}")]
            listed = await _ask(http, f"{url}/api/v1/targets", {"state": "active"}, _Listed)
    except _UnreadableError as error:
        return [fault(PROMETHEUS, str(error), _NO_ANSWER)]
    ours = [target for target in listed.data.active_targets if _is_ours(target, ports)]
    return [_told(target) for target in ours] or [
        fault(PROMETHEUS, "it has no target that is this exporter", _NO_TARGET)
    ]


def _told(target: _Target) -> Finding:
    where = masked(urlsplit(target.scrape_url)._replace(query="").geturl())
    if target.health == "up":
        said = f"it scrapes {where}, and gets no {BUILD_INFO.name}"
        return fault(PROMETHEUS, said, "something else listens there, or relabelling drops it", subject=where)
    return fault(PROMETHEUS, f"its scrapes fail: {masked(target.last_error) or target.health}", _DOWN, subject=where)


def _instances(found: Sequence[_Series]) -> str:
    names = sorted({series.metric.get("instance", "") for series in found})
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _is_ours(target: _Target, ports: Collection[int]) -> bool:
    try:
        has_port = urlsplit(target.scrape_url).port in ports
    except ValueError:
        has_port = False
    return has_port or OURS in target.labels.get("job", "")


async def _ask(http: httpx.AsyncClient, url: str, params: Mapping[str, str], kind: type[Any]) -> Any:
    try:
        async with http.stream("GET", url, params=dict(params)) as answer:
            if not answer.is_success:
                raise _UnreadableError(f"it answers HTTP {answer.status_code}")
            body = bytearray()
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise _UnreadableError(f"it answers with more than {MOST_BYTES >> 20} MiB")
        return msgspec.json.decode(bytes(body), type=kind)
    except (httpx.HTTPError, httpx.InvalidURL, SOCKSError):
        raise _UnreadableError("it does not answer") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _UnreadableError("what answers there is no Prometheus") from None


def _way(url: str, outbound: Outbound) -> httpx.AsyncBaseTransport:
    proxy = None if is_loopback(httpx.URL(url).host) else outbound.proxy_for(url)
    verify = outbound.tls_context() if url.startswith("https") else True
    return httpx.AsyncHTTPTransport(verify=verify, proxy=proxy, trust_env=False)
