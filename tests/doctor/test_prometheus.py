"""What a Prometheus says of us, as 2.x and 3.x answer it."""

from collections.abc import Mapping

import httpx
import pytest

from exporter.doctor.finding import Finding, Verdict
from exporter.doctor.prometheus import prometheus
from exporter.outbound import Outbound

NONE = {"status": "success", "data": {"resultType": "vector", "result": []}}
SERIES = {"metric": {"instance": "exporter:9877", "job": "x"}, "value": [1, "1"]}
ONE = {"status": "success", "data": {"resultType": "vector", "result": [SERIES]}}


def target(url: str, health: str, *, job: str = "x", error: str = "") -> Mapping[str, object]:
    return {"scrapeUrl": url, "health": health, "lastError": error, "labels": {"job": job}, "scrapePool": "x"}


def listed(*targets: Mapping[str, object]) -> Mapping[str, object]:
    return {"status": "success", "data": {"activeTargets": targets, "droppedTargets": []}}


async def found(query: object, targets: object = None) -> list[Finding]:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=query if request.url.path.endswith("/query") else targets)

    way = httpx.MockTransport(answer)
    return list(await prometheus("http://p:9090/prefix/", Outbound.of({}), ports={9877}, transport=way))


async def test_it_scrapes_us() -> None:
    assert await found(ONE) == [Finding("prometheus", Verdict.OK, "it scrapes exporter:9877")]


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        (listed(), "no target that is this exporter"),
        (listed(target("http://other:80/metrics", "up")), "no target that is this exporter"),
        (listed(target("http://e:9877/metrics", "down", error="connection refused")), "connection refused"),
        (listed(target("http://e:80/m", "down", job="bytespike-exporter", error="timeout")), "timeout"),
        (listed(target("http://e:9877/metrics", "up")), "gets no bytespike_exporter_build_info"),
        (listed(target("http://e:99999/metrics", "down")), "no target that is this exporter"),
    ],
)
async def test_what_has_become_of_the_target(targets: object, said: str) -> None:
    [finding] = await found(NONE, targets)
    assert (finding.verdict, said in finding.detail, bool(finding.advice)) == (Verdict.FAULT, True, True)


async def test_an_error_that_quotes_a_secret() -> None:
    secret = "sk-byts-0123456789abcdef"
    [finding] = await found(NONE, listed(target(f"http://e:9877/metrics?k={secret}", "down", error=f"sent {secret}")))
    assert secret not in str(finding)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(401), "HTTP 401"),
        (httpx.Response(200, content=b"<html>"), "no Prometheus"),
        (httpx.Response(200, content=b"\xff"), "no Prometheus"),
        (httpx.Response(200, json={"data": 1}), "no Prometheus"),
    ],
)
async def test_what_is_no_prometheus(answer: httpx.Response, said: str) -> None:
    way = httpx.MockTransport(lambda _: answer)
    [finding] = await prometheus("http://p", Outbound.of({}), ports=(), transport=way)
    assert (finding.verdict, said in finding.detail) == (Verdict.FAULT, True)
