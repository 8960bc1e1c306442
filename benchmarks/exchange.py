"""What one exchange with the API costs, by who speaks, beside httpx as it comes.

``python -m benchmarks.exchange`` prints CPU time a request (this process alone) at 1, 2, 16 and 64 in flight over
loopback, without TLS and with it, and the ratio to stock httpx in the same run. What it takes `wrk` is the limit, a
client in C that hardly looks at the answers; it is shown where it is installed. Each other way decodes what it gets;
the exporter's client validates it, too.
"""

import asyncio
import os
import re
import resource
import shutil
import ssl
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from statistics import median

import aiohttp
import httpx
import httpx2

from benchmarks._figures import Figure, Goal
from benchmarks._upstream import upstream
from exporter.dispatcher.client import DispatcherClient
from exporter.dispatcher.direct import DirectExchange
from exporter.dispatcher.wire import request_body
from exporter.tasks.identity import TaskRef

KEY = "sk-byts-benchmark"
HEADERS = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
REF = TaskRef("a", "task_0")
PATH = "/v1/tasks/query"
ROUNDS = 3
IN_FLIGHT = (1, 2, 16, 64)

Ask = Callable[[], Awaitable[object]]
Way = Callable[[str, int, ssl.SSLContext], AbstractAsyncContextManager[Ask]]


@asynccontextmanager
async def _client(url: str, in_flight: int, _context: ssl.SSLContext) -> AsyncIterator[Ask]:
    """As the exporter asks: the seam, the decoding and all checks."""
    client = DispatcherClient(url, key=lambda: KEY, timeout=10.0, max_in_flight=in_flight, wall=time.time)
    yield lambda: client.query(REF)
    await client.aclose()


@asynccontextmanager
async def _exchange(url: str, in_flight: int, context: ssl.SSLContext) -> AsyncIterator[Ask]:
    exchange = DirectExchange(httpx.URL(url), timeout=10.0, max_in_flight=in_flight, context=context)
    yield lambda: exchange.post(PATH, body=request_body(REF), headers=HEADERS)
    await exchange.aclose()


@asynccontextmanager
async def _transport(url: str, in_flight: int, context: ssl.SSLContext) -> AsyncIterator[Ask]:
    """Within httpx's contract: its request and its response, without its client."""
    transport = DirectExchange(httpx.URL(url), timeout=10.0, max_in_flight=in_flight, context=context)
    address, headers = httpx.URL(url + PATH), httpx.Headers(HEADERS)

    async def ask() -> object:
        request = httpx.Request("POST", address, headers=headers, content=request_body(REF))
        response = await transport.handle_async_request(request)
        await response.aread()
        return response.json()

    yield ask
    await transport.aclose()


@asynccontextmanager
async def _httpx(url: str, _in_flight: int, context: ssl.SSLContext) -> AsyncIterator[Ask]:
    async with httpx.AsyncClient(headers=HEADERS, verify=context) as client:

        async def ask() -> object:
            return (await client.post(url + PATH, json={"task_id": "task_0"})).json()

        yield ask


@asynccontextmanager
async def _httpx2(url: str, _in_flight: int, context: ssl.SSLContext) -> AsyncIterator[Ask]:
    async with httpx2.AsyncClient(headers=HEADERS, verify=context) as client:

        async def ask() -> object:
            return (await client.post(url + PATH, json={"task_id": "task_0"})).json()

        yield ask


@asynccontextmanager
async def _aiohttp(url: str, in_flight: int, context: ssl.SSLContext) -> AsyncIterator[Ask]:
    connector = aiohttp.TCPConnector(limit=in_flight, ssl=context)
    async with aiohttp.ClientSession(headers=HEADERS, connector=connector) as session:

        async def ask() -> object:
            async with session.post(url + PATH, json={"task_id": "task_0"}) as response:
                return await response.json()

        yield ask


WAYS: Mapping[str, Way] = {
    "exporter, client (validated)": _client,
    "exporter, exchange alone": _exchange,
    "exporter, as httpx transport": _transport,
    "httpx, client.post": _httpx,
    "httpx2, client.post": _httpx2,
    "aiohttp, session.post": _aiohttp,
}
PEER = "httpx, client.post"
LIMIT = "wrk, the limit"


async def _cost(way: Way, url: str, in_flight: int, context: ssl.SSLContext, requests: int) -> float:
    """Microseconds of CPU a request, once the connections stand."""
    async with way(url, in_flight, context) as ask:
        await asyncio.gather(*(ask() for _ in range(in_flight)))
        turns = iter(range(requests))

        async def worker() -> None:
            for _ in turns:
                await ask()

        started = time.process_time()
        await asyncio.gather(*(worker() for _ in range(in_flight)))
        return (time.process_time() - started) / requests * 1e6


def _measured(url: str, context: ssl.SSLContext, in_flights: Sequence[int] = IN_FLIGHT) -> dict[str, list[float]]:
    """Of each way, the median cost at each number in flight; all ways in turns, so that a drift meets each."""
    costs: dict[str, list[float]] = {name: [] for name in WAYS}
    for in_flight in in_flights:
        rounds: dict[str, list[float]] = {name: [] for name in WAYS}
        for _ in range(ROUNDS):
            for name, way in WAYS.items():
                requests = 300 if name.startswith("httpx") else 2000
                rounds[name].append(asyncio.run(_cost(way, url, in_flight, context, requests)))
        for name, seen in rounds.items():
            costs[name].append(median(seen))
    return costs


def _print(title: str, costs: Mapping[str, list[float]]) -> None:
    print(f"\n{title:30}" + "".join(f"{f'{n} in flight':>20}" for n in IN_FLIGHT))
    for name, row in costs.items():
        cells = (f"{cost:9.1f} us {peer / cost:6.1f} x" for cost, peer in zip(row, costs[PEER], strict=True))
        print(f"{name:30}" + "".join(f"{cell:>20}" for cell in cells))


def _wrk(url: str) -> float | None:
    """Seconds of CPU that the same request takes a client in C, at 64 in flight; None where it is not installed."""
    if (wrk := shutil.which("wrk")) is None:
        return None
    with tempfile.TemporaryDirectory() as made:
        script = Path(made, "query.lua")
        said = "".join(f'wrk.headers["{name}"] = "{value}"\n' for name, value in HEADERS.items())
        script.write_text(f"wrk.method = \"POST\"\nwrk.body = '{request_body(REF).decode()}'\n{said}")
        command = [wrk, "-t1", "-c64", "-d3s", "-s", str(script), f"{url}{PATH}"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    requests = int(re.findall(r"(\d+) requests in", printed)[0])
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / requests


def _print_wrk(url: str) -> None:
    if (cost := _wrk(url)) is not None:
        print(f"{LIMIT:30}{'':60}{cost * 1e6:9.1f} us")


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Of ``localhost``, and its key."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    new = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    named = ("-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    files = ("-keyout", str(key), "-out", str(certificate))
    subprocess.run([*new, *named, *files], check=True, capture_output=True)
    return certificate, key


def figures() -> Iterator[Figure]:
    """What ``benchmarks.report`` takes from here, at the most in flight."""
    with upstream() as url:
        yield from _figures(url, ssl.create_default_context(), "")
    if shutil.which("openssl"):
        with tempfile.TemporaryDirectory() as made:
            pair = _certificate(Path(made))
            os.environ["SSL_CERT_FILE"] = str(pair[0])
            with upstream(certificate=pair) as url:
                yield from _figures(url, ssl.create_default_context(cafile=pair[0]), " over TLS")


def _figures(url: str, context: ssl.SSLContext, how: str) -> Iterator[Figure]:
    in_flight = max(IN_FLIGHT)
    costs = {name: row[0] / 1e6 for name, row in _measured(url, context, (in_flight,)).items()}
    client, transport = "exporter, client (validated)", "exporter, as httpx transport"
    for ours, peer, goal in (
        (client, PEER, Goal()),
        (client, "httpx2, client.post", Goal()),
        (client, "aiohttp, session.post", Goal()),
        (transport, PEER, Goal(share=1 / 40)),
    ):
        yield Figure(
            name=f"one request{how}, {ours.removeprefix('exporter, ')}, {in_flight} in flight",
            cost=costs[ours],
            peer_name=peer,
            peer=costs[peer],
            goal=goal,
        )
    if (limit := _wrk(url)) is not None:
        yield Figure(
            name=f"one request{how}, {client.removeprefix('exporter, ')}, {in_flight} in flight",
            cost=costs[client],
            peer_name=LIMIT,
            peer=limit,
        )


if __name__ == "__main__":
    with upstream() as plain_url:
        _print("plaintext", _measured(plain_url, ssl.create_default_context()))
        _print_wrk(plain_url)
    if shutil.which("openssl"):
        with tempfile.TemporaryDirectory() as made:
            pair = _certificate(Path(made))
            os.environ["SSL_CERT_FILE"] = str(pair[0])
            with upstream(certificate=pair) as tls_url:
                _print("TLS", _measured(tls_url, ssl.create_default_context(cafile=pair[0])))
                _print_wrk(tls_url)
