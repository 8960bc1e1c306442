"""A URL that is asked again and again: when, what is sent, what is taken, and what each fault is called."""

import asyncio
import gzip
import json
import ssl
import subprocess
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from exporter.discovery import http_sd
from exporter.discovery.http_sd import TIMEOUT, HttpSource, fetch, http_sources, prepare, shown_url
from exporter.discovery.lists import Defaults, ListParser
from exporter.discovery.source import DiscoveryError
from exporter.settings.model import AuthorizationSettings, HttpSdSettings, TlsSettings
from exporter.version import version
from tests.support.fake_clock import FakeClock
from tests.support.listening import calls_counted, running
from tests.support.ports import deaf_port
from tests.support.raw_server import raw_server, read_request, reset, response
from tests.support.tools import need_tool

PARSER = ListParser("default", "renders", Defaults("sora-2", (), frozenset()))
NO_ID = "expected an id: printable, without spaces, 200 characters at most"
URL = "http://app/tasks?token=hunter2"


def bearer(token: Path) -> AuthorizationSettings:
    return AuthorizationSettings(credentials_file=token)


def source(token: Path | None = None) -> HttpSource:
    [source] = http_sources([HttpSdSettings(URL, 30.0, bearer(token) if token else None)], PARSER)
    return source


class App:
    """Answers what the test says, and keeps the requests."""

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.requests: list[httpx.Request] = []
        self.transport = httpx.MockTransport(self._handle)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if isinstance(self.answer, httpx.Response):
            return self.answer
        return httpx.Response(200, json=self.answer)


def named(*ids: str) -> list[dict[str, list[str]]]:
    return [{"out_task_ids": list(ids)}]


async def test_it_asks_at_its_interval_and_tells_what_is_new() -> None:
    app, clock = App(named("a")), FakeClock()
    async with running(source(), clock=clock, transport=app.transport) as ears:
        await clock.advance(1.0)
        await ears.until(lambda: ears.refreshes == 1)
        assert ears.ids == ["a"]

        await clock.advance(29.0)
        assert len(app.requests) == 1
        app.answer = named("a", "b")
        await clock.advance(2.0)
        await ears.until(lambda: ears.refreshes == 2)
        assert ears.ids == ["a", "b"]

        await clock.advance(30.0)
        await ears.until(lambda: ears.refreshes == 3)
        assert len(ears.lists) == 2
    assert [str(request.url) for request in app.requests] == [URL] * 3


@pytest.mark.parametrize("size", [10, 20_000])
async def test_the_loop_does_not_walk_the_tasks(size: int) -> None:
    ids = [f"render-{number}" for number in range(size)]
    app, clock = App(named(*ids)), FakeClock()
    with calls_counted() as calls:
        async with running(source(), clock=clock, transport=app.transport) as ears:
            await ears.after_refresh(clock.advance(1.0))
            for answer in (named(*ids), [*named(*ids), *named()], named(*ids, "another")):
                app.answer = answer
                await ears.after_refresh(clock.advance(30.0))
            assert [len(items) for items in ears.lists] == [size, size + 1]
    assert calls.count < 1000


async def test_an_answer_stays_as_bad_as_it_was() -> None:
    app, clock = App(named("a")), FakeClock()
    async with running(source(), clock=clock, transport=app.transport) as ears:
        await ears.after_refresh(clock.advance(1.0))
        for answer in (named("a b"), named("a b"), named("a"), named("a b")):
            app.answer = answer
            await ears.after_refresh(clock.advance(30.0))
    assert ears.failures == [(f"http://app/tasks: [0].out_task_ids[0]: {NO_ID}",)] * 3
    assert (len(ears.lists), ears.refreshes) == (1, 2)


async def test_sources_do_not_all_start_at_once() -> None:
    app, clock = App([]), FakeClock()
    async with running(source(), clock=clock, transport=app.transport) as ears:
        await clock.settle()
        assert app.requests == []
        await clock.advance(1.0)
        await ears.until(lambda: ears.refreshes == 1)


async def test_a_failed_refresh_keeps_the_last_list() -> None:
    app, clock = App(named("a")), FakeClock()
    async with running(source(), clock=clock, transport=app.transport) as ears:
        await clock.advance(1.0)
        await ears.until(lambda: ears.refreshes == 1)
        for answer in (httpx.Response(503), {"task_ids": ["a"]}, [{"task_ids": "a"}, {}]):
            app.answer = answer
            await ears.after_refresh(clock.advance(30.0))
        app.answer = named("a")
        await clock.advance(30.0)
        await ears.until(lambda: ears.refreshes == 2)

    assert ears.failures == [
        ("http://app/tasks: answered 503; only 200 is a list",),
        ("http://app/tasks: expected a list of items, as in static_configs",),
        ("http://app/tasks: [0].task_ids: expected a list (and 1 more)",),
    ]
    assert len(ears.lists) == 1


async def test_the_token_is_read_at_each_refresh(tmp_path: Path) -> None:
    token, app, clock = tmp_path / "token", App([]), FakeClock()
    async with running(source(token), clock=clock, transport=app.transport) as ears:
        await clock.advance(1.0)
        await ears.until(lambda: ears.failures == [(f"credentials_file: {token}: No such file or directory",)])
        for secret in ("first", "second"):
            token.write_text(secret)
            await ears.after_refresh(clock.advance(30.0))
    assert [request.headers["Authorization"] for request in app.requests] == ["Bearer first", "Bearer second"]


# ---- one request -----------------------------------------------------------------------------------------------------


LIST = b'[{"task_ids": ["task_1"]}]'
JSON = "Content-Type: application/json"
GZIP = "Content-Encoding: gzip"
GOOD = response(LIST, headers=(JSON,))
SECRET = "token-to-hunt-for"


async def ask(url: str, *, timeout: float = TIMEOUT, **more: Any) -> bytes:  # noqa: ASYNC109 (it is the request's)
    request = prepare(HttpSdSettings(url, **more))
    return await fetch(replace(request, timeout=timeout))


async def fault(url: str, **more: Any) -> str:
    with pytest.raises(DiscoveryError) as caught:
        await ask(url, **more)
    assert caught.value.__cause__ is None
    assert SECRET not in str(caught.value)
    return str(caught.value)


async def test_what_is_sent(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{SECRET}\n")
    async with raw_server(GOOD) as server:
        url = f"{server.url}/tasks?kind=video"
        assert await ask(url, refresh_interval=90.5, authorization=bearer(tmp_path / "token")) == LIST

    request = server.requests[0].decode()
    assert request.startswith("GET /tasks?kind=video HTTP/1.1\r\n")
    headers = dict(line.split(": ", 1) for line in request.split("\r\n")[1:] if line)
    assert headers == {
        "Host": f"127.0.0.1:{server.port}",
        "Connection": "keep-alive",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": f"bytespike-exporter/{version()}",
        "X-Prometheus-Refresh-Interval-Seconds": "90.5",
        "Authorization": f"Bearer {SECRET}",
    }


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON", "application/json; charset=utf-8", "application/json;x=y"]
)
async def test_what_is_json(content_type: str) -> None:
    async with raw_server(response(LIST, headers=(f"Content-Type: {content_type}",))) as server:
        assert await ask(server.url) == LIST


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (response(LIST, headers=()), "answered with another Content-Type than application/json"),
        (
            response(LIST, headers=("Content-Type: text/html",)),
            "answered with another Content-Type than application/json",
        ),
        *(
            (response(LIST, status=f"{status} X", headers=(JSON,)), f"answered {status}; only 200 is a list")
            for status in (201, 204, 401, 404, 500, 503)
        ),
        (
            response(status="302 Found", headers=("Location: /elsewhere",)),
            "answered 302; only 200 is a list",
        ),
        (
            response(LIST, headers=(JSON, "Content-Encoding: br")),
            "answered with a Content-Encoding that was not asked for",
        ),
        (response(LIST, headers=(JSON, GZIP)), "answered with gzip that cannot be unpacked"),
        (
            response(gzip.compress(LIST)[:-9], headers=(JSON, GZIP)),
            "answered with gzip that does not end where the answer does",
        ),
        (
            response(gzip.compress(LIST) + b"x", headers=(JSON, GZIP)),
            "answered with gzip that does not end where the answer does",
        ),
        (b"", "the exchange failed (RemoteProtocolError)"),
        (b"not HTTP at all\r\n\r\n", "the exchange failed (RemoteProtocolError)"),
        (GOOD[:-5], "the exchange failed (RemoteProtocolError)"),
    ],
)
async def test_what_is_no_answer(answer: bytes, reason: str) -> None:
    async with raw_server(answer) as server:
        assert await fault(f"{server.url}/tasks?token={SECRET}#x") == f"{server.url}/tasks: {reason}"
        assert len(server.requests) == 1, "no redirect is followed"


async def test_nobody_listens() -> None:
    with deaf_port() as port:
        url = f"http://127.0.0.1:{port}/tasks"
        assert await fault(url) == f"{url}: no connection"


async def test_a_connection_that_is_lost() -> None:
    async def drop(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GOOD[:40])
        await writer.drain()
        reset(writer)

    async with raw_server(drop) as server:
        assert (await fault(server.url)).startswith(f"{server.url}: the exchange failed (Re")


@pytest.mark.parametrize("sent", [b"", GOOD[:-1]], ids=["nothing", "all but the end"])
async def test_an_answer_that_does_not_come(sent: bytes) -> None:
    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await reader.read()

    async with raw_server(stall) as server:
        reason = await fault(server.url, timeout=0.2)
    assert reason == f"{server.url}: no whole answer within 0.2 s"


async def test_an_answer_that_trickles() -> None:
    async def trickle(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GOOD[:40])
        for _ in range(100):
            writer.write(b" ")
            await asyncio.sleep(0.05)

    async with raw_server(trickle) as server:
        assert await fault(server.url, timeout=0.2) == f"{server.url}: no whole answer within 0.2 s"


async def test_the_size_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_sd, "MAX_BYTES", 1024 * 1024)
    most = json.dumps(["x" * 1_048_572]).encode()
    async with raw_server(response(most, headers=(JSON,))) as server:
        assert await ask(server.url) == most
    async with raw_server(response(most + b" ", headers=(JSON,))) as server:
        assert await fault(server.url) == f"{server.url}: answered with more than 1 MiB, the most allowed"


@pytest.mark.parametrize("encoding", ["gzip", "X-GZIP"])
async def test_a_proxy_may_have_gzipped_it(encoding: str) -> None:
    headers = (JSON, f"Content-Encoding: {encoding}")
    async with raw_server(response(gzip.compress(LIST), headers=headers)) as server:
        assert await ask(server.url) == LIST


async def test_what_is_unpacked_has_the_same_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """300 KB stand for 64 MB, of which no more than a little over the limit are ever there."""
    monkeypatch.setattr(http_sd, "MAX_BYTES", 1024 * 1024)
    bomb = gzip.compress(b" " * (64 * 1024 * 1024), compresslevel=1)
    async with raw_server(response(bomb, headers=(JSON, GZIP))) as server:
        tracemalloc.start()
        assert await fault(server.url) == f"{server.url}: answered with more than 1 MiB, the most allowed"
        assert tracemalloc.get_traced_memory()[1] < 16 * 1024 * 1024
        tracemalloc.stop()


async def test_an_entry_may_say_how_long_an_answer_may_be() -> None:
    async with raw_server(response(json.dumps(["x" * 1_048_573]).encode(), headers=(JSON,))) as server:
        settings = HttpSdSettings(url=server.url, max_bytes=1024 * 1024)
        with pytest.raises(DiscoveryError, match="answered with more than 1 MiB, the most allowed"):
            await fetch(prepare(settings))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "credentials_file: {path}: No such file or directory"),
        ("", "credentials_file: {path}: empty"),
        ("two words", "credentials_file: {path}: holds what no header may carry"),
        ("x" * 5000, "credentials_file: {path}: longer than 4096 bytes"),
    ],
)
async def test_without_its_token_nothing_is_sent(tmp_path: Path, content: str | None, reason: str) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_text(content)
    async with raw_server(GOOD) as server:
        assert await fault(server.url, authorization=bearer(path)) == reason.format(path=path)
        assert server.requests == []


def test_a_request_shows_no_secret(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(SECRET)

    request = prepare(HttpSdSettings(f"http://app/tasks?key={SECRET}", authorization=bearer(tmp_path / "token")))

    assert SECRET not in repr(request)
    assert request.name == "http://app/tasks"


async def test_what_the_environment_says_of_the_way_is_honoured() -> None:
    async with raw_server(GOOD) as proxy:
        request = prepare(HttpSdSettings("http://app.invalid/tasks"), {"HTTP_PROXY": proxy.url, "NO_PROXY": "fd00::/8"})
        assert await fetch(request) == LIST
    assert proxy.requests[0].startswith(b"GET http://app.invalid/tasks HTTP/1.1\r\n")


async def test_what_cannot_be_used_of_the_environment_is_no_hindrance() -> None:
    environ = {"SSL_CERT_FILE": "/no/such", "HTTP_PROXY": f"http://u:{SECRET}#x@p:1", "NO_PROXY": "[::1]"}
    async with raw_server(GOOD) as server:
        assert await fetch(prepare(HttpSdSettings(server.url), environ)) == LIST


async def test_no_connection_is_kept_until_the_next_refresh() -> None:
    """So none can be closed in the moment in which it is used, and a server that moved is found."""
    connections = 0

    async def keep_alive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.write(GOOD.replace(b"Connection: close", b"Connection: keep-alive"))
        await reader.read()

    async with raw_server(keep_alive) as server:
        assert [await ask(server.url), await ask(server.url)] == [LIST, LIST]
    assert connections == 2


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://app:80/a?b=c#d", "http://app:80/a"),
        ("https://app", "https://app"),
        ("http://[::1]:9/?x", "http://[::1]:9/"),
    ],
)
def test_a_url_is_shown_without_its_query(url: str, shown: str) -> None:
    assert shown_url(url) == shown


# ---- TLS -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for ``app.internal`` and its key, which is its own authority and our client's too."""
    folder = tmp_path_factory.mktemp("pki")
    new = (*("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"), "-days", "2")
    named = ("-subj", "/CN=app.internal", "-addext", "subjectAltName=DNS:app.internal")
    files = ("-nodes", "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem"))
    subprocess.run([need_tool("openssl"), *new, *named, *files], check=True, capture_output=True)
    locked = ("ec", "-in", folder / "key.pem", "-out", folder / "locked.pem", "-aes128", "-passout", "pass:xxx")
    subprocess.run([need_tool("openssl"), *locked], check=True, capture_output=True)
    return folder


@asynccontextmanager
async def tls_server(pki: Path, *, wants_certificate: bool = False) -> AsyncIterator[str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await read_request(reader)
            writer.write(GOOD)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # a client that refuses us goes away
        finally:
            writer.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=pki / "cert.pem")
    context.load_cert_chain(pki / "cert.pem", pki / "key.pem")
    context.verify_mode = ssl.CERT_REQUIRED if wants_certificate else ssl.CERT_NONE
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/tasks"


async def test_a_server_that_is_known_by_our_authority_and_name(pki: Path) -> None:
    async with tls_server(pki) as url:
        assert await ask(url, tls_config=TlsSettings(ca_file=pki / "cert.pem", server_name="app.internal")) == LIST


async def test_a_server_that_anyone_may_be(pki: Path) -> None:
    async with tls_server(pki) as url:
        assert await ask(url, tls_config=TlsSettings(insecure_skip_verify=True)) == LIST


async def test_a_server_that_wants_to_know_us(pki: Path) -> None:
    ours = TlsSettings(pki / "cert.pem", pki / "cert.pem", pki / "key.pem", "app.internal")
    async with tls_server(pki, wants_certificate=True) as url:
        assert await ask(url, tls_config=ours) == LIST


@pytest.mark.parametrize(
    ("has_authority", "name", "reason"),
    [
        (False, "app.internal", "its certificate is not trusted: self-signed certificate"),
        (True, None, "its certificate is not trusted: IP address mismatch, certificate is not valid for '127.0.0.1'."),
        (
            True,
            "other.internal",
            "its certificate is not trusted: Hostname mismatch, certificate is not valid for 'other.internal'.",
        ),
    ],
)
async def test_a_server_that_is_not_known(pki: Path, has_authority: bool, name: str | None, reason: str) -> None:
    tls = TlsSettings(ca_file=pki / "cert.pem" if has_authority else None, server_name=name)
    async with tls_server(pki) as url:
        assert await fault(url, tls_config=tls) == f"{url}: {reason}"


async def test_a_server_without_tls() -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GOOD)
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert await fault(url) == f"{url}: no secure connection"


@pytest.mark.parametrize(
    ("tls", "reason"),
    [
        ({"ca_file": "nowhere"}, "ca_file cannot be used: No such file or directory"),
        ({"ca_file": "key.pem"}, "ca_file cannot be used: "),
        ({"cert_file": "cert.pem", "key_file": "nowhere"}, "cert_file or key_file cannot be used: No such file"),
        ({"cert_file": "cert.pem", "key_file": "locked.pem"}, "cert_file or key_file cannot be used: "),
    ],
)
async def test_files_that_cannot_be_used(pki: Path, tls: dict[str, str], reason: str) -> None:
    settings = TlsSettings(**{key: pki / name for key, name in tls.items()})  # type: ignore[arg-type] # files alone

    assert (await fault("https://app", tls_config=settings)).startswith(f"tls_config: {reason}")
