"""The HTTP exchange by itself; what each fault of a query and a stream is called is in test_client and test_stream."""

import asyncio

import httpx
import pytest

from exporter.dispatcher.answer import DispatcherError, Reason
from exporter.dispatcher.connection import Connection
from exporter.dispatcher.direct import DirectExchange
from exporter.dispatcher.exchange import Response
from exporter.dispatcher.payload import BODY_LIMIT
from exporter.dispatcher.stock import StockExchange
from exporter.outbound import Outbound
from tests.support.raw_server import raw_server, read_request, response

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


def new_connection(transport: httpx.AsyncBaseTransport | None = None) -> Connection:
    return Connection("http://api/", timeout=5.0, max_in_flight=2, transport=transport)


async def test_headers_are_found_whatever_their_case() -> None:
    answer = httpx.Response(200, headers={"X-Quota-Remaining-Credits": "5"}, content=b"{}")
    connection = new_connection(httpx.MockTransport(lambda _: answer))
    response = await connection.post("/path", body=b"", headers={})
    assert response.headers.get("x-quota-remaining-credits") == response.headers["X-QUOTA-REMAINING-CREDITS"] == "5"
    await connection.aclose()


@pytest.mark.parametrize(
    ("status", "content", "body"),
    [(200, b"{}", b"{}"), (302, b"moved", b""), (500, b"x" * (BODY_LIMIT + 1), b""), (500, b"down", b"down")],
)
async def test_what_is_read_of_a_body(status: int, content: bytes, body: bytes) -> None:
    headers = {"Location": "http://elsewhere"}
    answer = httpx.Response(status, headers=headers, content=content)
    connection = new_connection(httpx.MockTransport(lambda _: answer))
    assert await connection.post("/path", body=b"", headers={}) == Response(status, answer.headers, body)
    await connection.aclose()


async def test_what_is_raised_beside_an_open_response_is_left_as_it_is() -> None:
    connection = new_connection(httpx.MockTransport(lambda _: httpx.Response(200, content=b"{}")))
    with pytest.raises(KeyError):
        async with connection.listen("/path", headers={}):
            raise KeyError
    await connection.aclose()


@pytest.mark.parametrize(
    "environ",
    [
        {"SSL_CERT_FILE": "/no/such/file"},
        {"SSL_CERT_FILE": __file__},
        {"SSL_CERT_DIR": "/no/such/directory"},
        {"HTTP_PROXY": "nonsense://proxy"},
        {"ALL_PROXY": "http://user:pa#ss@127.0.0.1:port"},
        {"HTTP_PROXY": "http://127.0.0.1:1", "NO_PROXY": "[::1], fd00::/8, 127.0.0.0/8"},
    ],
)
async def test_what_cannot_be_used_of_the_environment_is_no_hindrance(environ: dict[str, str]) -> None:
    async with raw_server(response(b"direct")) as server:
        connection = Connection(server.url, timeout=5.0, max_in_flight=2, outbound=Outbound.of(environ))
        assert (await connection.post("/path", body=b"{}", headers={})).body == b"direct"
        await connection.aclose()


def test_certificates_that_go_in_that_very_moment_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Outbound, "tls_context", lambda _: (_ for _ in ()).throw(FileNotFoundError()))
    with pytest.raises(DispatcherError, match="certificates of those who are trusted") as caught:
        new_connection()
    assert caught.value.reason is Reason.TLS


async def test_a_socks_proxy_is_used() -> None:
    """It is told the name, and looks it up itself."""
    asked: list[bytes] = []

    async def socks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(3) == b"\x05\x01\x00"
        writer.write(b"\x05\x00")
        asked.append(await reader.readexactly(4 + 1 + len("api.invalid") + 2))
        writer.write(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        await read_request(reader)
        writer.write(response(b"from beyond"))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(socks, "127.0.0.1", 0)
    async with server:
        environ = {"ALL_PROXY": f"socks5://127.0.0.1:{server.sockets[0].getsockname()[1]}"}
        connection = Connection("http://api.invalid", timeout=5.0, max_in_flight=2, outbound=Outbound.of(environ))
        assert (await connection.post("/path", body=b"{}", headers={})).body == b"from beyond"
        await connection.aclose()
    assert asked == [b"\x05\x01\x00\x03\x0bapi.invalid\x00\x50"]


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x05\xff", b""])
async def test_a_proxy_that_speaks_no_socks_is_named_and_its_connection_closed(answer: bytes) -> None:
    closed = asyncio.Event()

    async def no_socks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(3)
        writer.write(answer)
        if not answer:
            writer.write_eof()
        assert await reader.read() == b""
        closed.set()
        writer.close()

    server = await asyncio.start_server(no_socks, "127.0.0.1", 0)
    async with server:
        environ = {"ALL_PROXY": f"socks5://127.0.0.1:{server.sockets[0].getsockname()[1]}"}
        connection = Connection("http://api.invalid", timeout=5.0, max_in_flight=2, outbound=Outbound.of(environ))
        with pytest.raises(DispatcherError) as caught:
            await connection.post("/path", body=b"{}", headers={})
        await asyncio.wait_for(closed.wait(), 5.0)
        await connection.aclose()
    assert caught.value.reason is Reason.CONNECT


async def test_a_stream_that_met_a_closing_connection_is_opened_over_another() -> None:
    connections = 0

    async def close_at_the_second_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.write(b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\n{}")
        await read_request(reader)

    async with raw_server(close_at_the_second_request) as server:
        connection = Connection(server.url, timeout=5.0, max_in_flight=2, outbound=Outbound.of({}))
        for _ in range(2):
            async with connection.listen("/stream", headers={}) as opened:
                assert (await opened.whole()).status == 404
        await connection.aclose()
    assert connections == 2


# ---- who speaks ------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES, "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


async def ask(base_url: str) -> Response:
    connection = Connection(base_url, timeout=5.0, max_in_flight=2)
    try:
        return await connection.post("/path", body=b"{}", headers={})
    finally:
        await connection.aclose()


@pytest.mark.parametrize(
    ("name", "no_proxy_for"), [("HTTP_PROXY", ""), ("ALL_PROXY", ""), ("http_proxy", "example.com")]
)
@pytest.mark.usefixtures("no_proxy")
async def test_a_proxy_of_the_environment_is_used(
    monkeypatch: pytest.MonkeyPatch, name: str, no_proxy_for: str
) -> None:
    async with raw_server(response(b"from the proxy")) as proxy:
        monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("NO_PROXY", no_proxy_for)
        assert (await ask("http://api.invalid")).body == b"from the proxy"
    assert proxy.requests[0].startswith(b"POST http://api.invalid/path HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("name", "no_proxy_for"), [("HTTP_PROXY", "127.0.0.1"), ("ALL_PROXY", "a, *"), ("HTTPS_PROXY", "")]
)
@pytest.mark.usefixtures("no_proxy")
async def test_a_proxy_that_is_for_others_is_not_used(
    monkeypatch: pytest.MonkeyPatch, name: str, no_proxy_for: str
) -> None:
    async with raw_server(response(b"direct")) as server, raw_server(response(b"from the proxy")) as proxy:
        monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("NO_PROXY", no_proxy_for)
        assert (await ask(server.url)).body == b"direct"
    assert not proxy.requests


@pytest.mark.parametrize(
    ("base_url", "proxies", "speaks"),
    [
        ("https://api.example", {}, DirectExchange),
        ("http://[::1]:9", {}, DirectExchange),
        ("https://api.example", {"HTTP_PROXY": "http://p"}, DirectExchange),
        ("https://api.example", {"HTTPS_PROXY": "http://p", "NO_PROXY": "*"}, DirectExchange),
        ("https://api.example", {"HTTPS_PROXY": "http://p"}, StockExchange),
        ("https://api.example", {"all_proxy": "http://p"}, StockExchange),
        ("https://user:word@api.example", {}, StockExchange),
        ("ftp://api.example", {}, StockExchange),
        ("api.example", {}, StockExchange),
        ("http://x:y", {}, StockExchange),
    ],
)
@pytest.mark.usefixtures("no_proxy")
def test_ours_speaks_where_nothing_unusual_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, base_url: str, proxies: dict[str, str], speaks: type
) -> None:
    for name, value in proxies.items():
        monkeypatch.setenv(name, value)
    connection = Connection(base_url, timeout=5.0, max_in_flight=2)
    assert type(connection._exchange) is speaks


def test_a_transport_that_stands_in_for_the_network_is_used() -> None:
    connection = new_connection(httpx.MockTransport(lambda _: httpx.Response(200)))
    assert type(connection._exchange) is StockExchange
