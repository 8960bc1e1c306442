"""The way to the upstream: straight or through proxies, over real sockets with real certificates; and what may fail."""

import asyncio
import errno
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from cryptography import x509

from exporter.metrics.families.proxy import UpstreamFault
from exporter.proxy import reaching, tunnel
from exporter.proxy.reaching import Upstream, UpstreamError, reach, upstream_of
from tests.support.certificates import Certificate

SERVER = "api.invalid"
"""Nobody can look it up but a proxy."""

PASSWORD = "hunter:2"

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
def authority(tmp_path: Path) -> Certificate:
    return Certificate.make(tmp_path, "authority")


@pytest.fixture
def trusting(authority: Certificate) -> ssl.SSLContext:
    """Trusts that authority alone."""
    return ssl.create_default_context(cafile=str(authority.cert))


def presenting(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.cert, certificate.key)
    return context


@pytest.fixture
def server_tls(tmp_path: Path, authority: Certificate) -> ssl.SSLContext:
    names = [x509.DNSName(SERVER), x509.DNSName("localhost")]
    return presenting(Certificate.make(tmp_path, "server", signer=authority, names=names))


@asynccontextmanager
async def listening(serve: Serve, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on a port of its own; what it was doing ends with it."""
    under_way: set[asyncio.Task[None]] = set()

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (OSError, EOFError):
            pass  # whoever came may leave
        finally:
            writer.transport.abort()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        under_way.add(asyncio.ensure_future(run(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        await asyncio.sleep(0)  # whatever was aborted is closed now


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)


class Proxy:
    """Leads every connection to one port, by CONNECT or SOCKS5, and notes what it was asked."""

    def __init__(self, leads_to: int, *, answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n") -> None:
        self._leads_to = leads_to
        self._answer = answer
        self.asked: list[bytes] = []

    async def http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append(await reader.readuntil(b"\r\n\r\n"))
        for at in range(len(self._answer)):  # byte by byte
            writer.write(self._answer[at : at + 1])
            await asyncio.sleep(0)
        await self._pipe(reader, writer)

    async def socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        self.asked.append(methods)
        writer.write(b"\x05" + methods[:1])
        if methods[:1] == b"\x02":
            _, length = await reader.readexactly(2)
            name = await reader.readexactly(length)
            password = await reader.readexactly((await reader.readexactly(1))[0])
            self.asked.append(name + b" " + password)
            writer.write(b"\x01\x00")
        head = await reader.readexactly(5)
        self.asked.append(await reader.readexactly(head[4] + 2))
        for piece in (b"\x05\x00\x00", b"\x03\x04gate", b"\x00\x50"):  # an answer with a name, in pieces
            writer.write(piece)
            await asyncio.sleep(0.01)
        await self._pipe(reader, writer)

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._leads_to)
        pouring = asyncio.ensure_future(_pour(there, writer))
        try:
            await _pour(reader, back)
        finally:
            pouring.cancel()
            back.transport.abort()


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)


class Client(asyncio.Protocol):
    """Says a word once it is connected, and waits for its echo."""

    def __init__(self) -> None:
        self.heard = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(b"well?")

    def data_received(self, data: bytes) -> None:
        if not self.heard.done():
            self.heard.set_result(data)


async def echoed(upstream: Upstream) -> bytes:
    made: list[Client] = []

    def client() -> Client:
        made.append(Client())
        return made[-1]

    async with asyncio.timeout(20):
        await reach(upstream, client)
        try:
            return bytes(await made[0].heard)
        finally:
            made[0].transport.abort()


async def fault_of(upstream: Upstream) -> tuple[UpstreamFault, str]:
    with pytest.raises(UpstreamError) as caught:
        await echoed(upstream)
    return caught.value.fault, str(caught.value)


class TestProxies:
    @pytest.mark.parametrize("scheme", ["http", "https", "socks5", "socks5h"])
    async def test_a_secure_upstream_is_reached_through_it(
        self, scheme: str, trusting: ssl.SSLContext, server_tls: ssl.SSLContext
    ) -> None:
        async with listening(echo, tls=server_tls) as port:
            proxy = Proxy(port)
            serve = proxy.socks if scheme.startswith("socks") else proxy.http
            async with listening(serve, tls=server_tls if scheme == "https" else None) as proxy_port:
                way = httpx.Proxy(f"{scheme}://localhost:{proxy_port}")
                assert await echoed(upstream_of(f"https://{SERVER}", tls=trusting, proxy=way)) == b"well?"
        asked = b"".join(proxy.asked)
        assert SERVER.encode() in asked  # it looks the name up itself
        if serve == proxy.http:
            assert asked == b"CONNECT api.invalid:443 HTTP/1.1\r\nHost: api.invalid:443\r\n\r\n"

    async def test_with_credentials(self, trusting: ssl.SSLContext, server_tls: ssl.SSLContext) -> None:
        auth = ("me", PASSWORD)
        async with listening(echo, tls=server_tls) as port:
            proxy = Proxy(port)
            async with listening(proxy.http) as http, listening(proxy.socks) as socks:
                for url in (f"http://127.0.0.1:{http}", f"socks5://127.0.0.1:{socks}"):
                    upstream = upstream_of(f"https://{SERVER}", tls=trusting, proxy=httpx.Proxy(url, auth=auth))
                    assert PASSWORD not in repr(upstream)
                    assert await echoed(upstream) == b"well?"
        assert b"Proxy-Authorization: Basic bWU6aHVudGVyOjI=\r\n" in proxy.asked[0]
        assert proxy.asked[2] == b"me hunter:2"

    async def test_socks_leads_to_one_in_clear_text(self, trusting: ssl.SSLContext) -> None:
        async with listening(echo) as port:
            proxy = Proxy(port)
            async with listening(proxy.socks) as proxy_port:
                way = httpx.Proxy(f"socks5://127.0.0.1:{proxy_port}")
                assert await echoed(upstream_of(f"http://{SERVER}:81/v", tls=trusting, proxy=way)) == b"well?"
        assert proxy.asked[-1] == b"api.invalid\x00\x51"

    def test_requests_in_clear_text_go_to_an_http_proxy_as_they_are(self, trusting: ssl.SSLContext) -> None:
        """CONNECT would be refused: proxies let it lead to 443 alone."""
        way = httpx.Proxy("http://p:3128", auth=("me", "x"))
        upstream = upstream_of("http://api.invalid:81/gateway/", tls=trusting, proxy=way)
        assert (upstream.host, upstream.port, upstream.tls, upstream.tunnel) == ("p", 3128, None, None)
        assert (upstream.authority, upstream.prefix) == (b"api.invalid:81", b"http://api.invalid:81/gateway")
        assert upstream.more == ((b"Proxy-Authorization", b"Basic bWU6eA=="),)

    @pytest.mark.parametrize(
        ("scheme", "answer", "says"),
        [
            ("http", b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "the proxy answers CONNECT with 407"),
            ("http", b"SSH-2.0\r\n\r\n", "does not speak as it should"),
            ("http", b"x" * 100_000, "does not speak as it should"),
            ("http", b"HTTP/1.1 200", "or hung up"),
            ("http", b"", "or hung up"),
            ("socks5", b"\x05\xff", "wants other credentials"),
            ("socks5", b"\x05\x02", "wants other credentials"),
            ("socks5", b"HTTP/1.1 400\r\n\r\n", "does not speak as it should"),
            ("socks5", b"\x05\x00\x05\x05\x00\x01\0\0\0\0\0\0", "gives no connection"),
            ("socks5", b"\x05\x00\x05\x00\x00\x09\0\0\0\0\0\0", "does not speak as it should"),
            ("socks5", b"\x05\x00\x05", "or hung up"),
        ],
    )
    async def test_one_that_gives_no_way_on_is_named(
        self, scheme: str, answer: bytes, says: str, trusting: ssl.SSLContext
    ) -> None:
        async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(answer)
            writer.write_eof()
            await writer.drain()
            await asyncio.sleep(20)

        async with listening(serve) as port:
            way = httpx.Proxy(f"{scheme}://me:{PASSWORD.replace(':', '')}@127.0.0.1:{port}")
            if b"\x05\x00" in answer or answer == b"\x05\x02":  # one that asks for no credentials, or for some
                way = httpx.Proxy(f"{scheme}://127.0.0.1:{port}")
            fault, text = await fault_of(upstream_of(f"https://{SERVER}", tls=trusting, proxy=way))
        assert fault is UpstreamFault.PROXY
        assert says in text
        assert "hunter" not in text

    @pytest.mark.parametrize("server", ["https", "http"])
    async def test_one_that_is_not_there_is_named(self, server: str, trusting: ssl.SSLContext) -> None:
        async with listening(echo) as port:
            pass
        way = httpx.Proxy(f"http://127.0.0.1:{port}")
        fault, text = await fault_of(upstream_of(f"{server}://{SERVER}", tls=trusting, proxy=way))
        assert (fault, text) == (UpstreamFault.PROXY, "no connection to the proxy that the environment names")


class TestFaults:
    async def test_a_certificate_is_told_from_a_server_that_is_not_there(
        self, tmp_path: Path, trusting: ssl.SSLContext, server_tls: ssl.SSLContext, authority: Certificate
    ) -> None:
        names = [x509.DNSName("localhost")]
        expired = presenting(Certificate.make(tmp_path, "expired", signer=authority, names=names, days=-1))
        stranger = presenting(Certificate.make(tmp_path, "stranger", names=names))
        faults = []
        for tls in (expired, stranger):
            async with listening(echo, tls=tls) as port:
                faults.append(await fault_of(upstream_of(f"https://localhost:{port}", tls=trusting)))
        async with listening(echo, tls=server_tls) as port:
            faults.append(await fault_of(upstream_of(f"https://127.0.0.1:{port}", tls=trusting)))
        assert [fault for fault, _ in faults] == [UpstreamFault.CERTIFICATE] * 3
        for (_, text), reason in zip(faults, ("expired", "self-signed", "IP address mismatch"), strict=True):
            assert text.startswith("the upstream's certificate is not accepted: ")
            assert reason in text

        assert (await fault_of(upstream_of(f"https://localhost:{port}", tls=trusting)))[0] is UpstreamFault.UNREACHABLE

    async def test_through_a_proxy_as_well(self, trusting: ssl.SSLContext, tmp_path: Path) -> None:
        stranger = presenting(Certificate.make(tmp_path, "stranger", names=[x509.DNSName(SERVER)]))
        async with listening(echo, tls=stranger) as port, listening(Proxy(port).http) as proxy_port:
            way = httpx.Proxy(f"http://127.0.0.1:{proxy_port}")
            fault, _ = await fault_of(upstream_of(f"https://{SERVER}", tls=trusting, proxy=way))
        assert fault is UpstreamFault.CERTIFICATE

    async def test_a_server_that_speaks_no_tls_is_named(self, trusting: ssl.SSLContext) -> None:
        async with listening(echo) as port:
            fault, _ = await fault_of(upstream_of(f"https://localhost:{port}", tls=trusting))
        assert fault is UpstreamFault.TLS

    @pytest.mark.parametrize("base_url", ["http://localhost:1", "https://localhost:1"])
    @pytest.mark.parametrize("proxy", [None, "http://127.0.0.1:1", "socks5://127.0.0.1:1"])
    async def test_a_want_of_descriptors_is_nobody_elses_fault(
        self, base_url: str, proxy: str | None, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def connect(*_args: object, **_more: object) -> None:
            raise OSError(errno.EMFILE, "Too many open files")

        monkeypatch.setattr(reaching, "connect", connect)
        monkeypatch.setattr(tunnel, "connect", connect)
        way = httpx.Proxy(proxy) if proxy else None
        fault, text = await fault_of(upstream_of(base_url, tls=trusting, proxy=way))
        assert fault is UpstreamFault.DESCRIPTORS
        assert "ulimit -n" in text

    async def test_a_name_that_cannot_be_one_is_not_there(self) -> None:
        fault, _ = await fault_of(Upstream("a" * 70 + ".example", 1, None, b"h"))
        assert fault is UpstreamFault.UNREACHABLE
