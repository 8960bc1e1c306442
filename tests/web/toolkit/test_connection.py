"""Connections with TLS: real sockets, asyncio's own client, and certificates that are made for it."""

import asyncio
import socket
import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import cast

import pytest
from cryptography import x509
from OpenSSL import SSL, crypto

from exporter.web.toolkit.settings import TlsServerSettings
from exporter.web.toolkit.tls import _Judge, alternative_names
from tests.support.certificates import LOCALHOST, Certificate
from tests.web.toolkit.serving import REFUSED, ask, client, serving

PAGE: tuple[int, dict[str, str], str] = (200, {}, "a page\n")


@pytest.fixture
def authority(tmp_path: Path) -> Certificate:
    return Certificate.make(tmp_path, "authority")


@pytest.fixture
def web(tmp_path: Path, authority: Certificate) -> Path:
    """A web configuration with a certificate beside it."""
    Certificate.make(tmp_path, "server", signer=authority, names=LOCALHOST)
    path = tmp_path / "web.yml"
    path.write_text("tls_server_config: {cert_file: server.crt, key_file: server.key}\n")
    return path


def rewrite(web: Path, rest: str) -> None:
    web.write_text(web.read_text().replace("}", rest))


async def test_a_client_that_knows_the_authority(web: Path, authority: Certificate) -> None:
    async with serving(web) as address:
        assert await ask(address, tls=client(ca=authority.cert)) == PAGE


async def test_many_requests_on_one_connection_and_pages_of_megabytes(web: Path, authority: Certificate) -> None:
    async with serving(web) as address:
        host, port = address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port), ssl=client(ca=authority.cert))
        for size in (0, 1, 100_000, 3_000_000):
            writer.write(f"GET /{size} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            assert f"content-length: {size}\r\n".encode() in head
            assert await reader.readexactly(size) == b"x" * size
        writer.close()
        await writer.wait_closed()


async def test_whoever_speaks_no_tls_is_told_so_and_counted(web: Path) -> None:
    refused: list[None] = []

    async with serving(web, refused=lambda: refused.append(None)) as address:
        for method in ("GET", "HEAD", "POST"):
            assert await ask(address, method=method) == (
                400,
                {},
                "Client sent an HTTP request to an HTTPS server.\n",
            )
    assert len(refused) == 3


@pytest.mark.parametrize("sent", [b"\x00" * 100, b"\x16\x03\x01\xff\xff" + b"x" * 1000, b"SSH-2.0-x\r\n", b"PRI * HT"])
async def test_rubbish_ends_the_connection_and_no_word_of_it(
    web: Path, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(web) as address:
        host, port = address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(sent)
        if sent.startswith(b"\x16"):  # the beginning of a record that could still come
            writer.write_eof()
        async with asyncio.timeout(20):
            answer = await reader.read()
        writer.close()
    assert len(answer) < 100
    assert not answer.startswith(b"HTTP")
    assert "Traceback" not in caplog.text


async def test_a_client_learns_why_it_is_refused(web: Path) -> None:
    """An alert, not just an end: TLS 1.3 clients are through with their part by then."""
    rewrite(web, ", client_auth_type: RequireAnyClientCert}")
    async with serving(web) as address:
        host, port = address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port), ssl=client())
        with pytest.raises(ssl.SSLError, match=r"CERTIFICATE_REQUIRED"):
            await reader.read()
        writer.close()


@pytest.mark.parametrize("most", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_who_was_here_before_is_judged_again(web: Path, authority: Certificate, most: ssl.TLSVersion) -> None:
    """No session is taken up: it would come in by what the file said then."""
    one = Certificate.make(web.parent, "one", signer=authority)
    rewrite(web, ", client_ca_file: authority.crt, client_auth_type: RequireAndVerifyClientCert}")
    context = client(one.cert, key=one.key, most=most)

    def visit(port: int, session: ssl.SSLSession | None) -> tuple[ssl.SSLSession | None, bool]:
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            context.wrap_socket(plain, session=session) as encrypted,
        ):
            encrypted.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert encrypted.recv(1000).startswith(b"HTTP/1.1 200")
            return encrypted.session, bool(encrypted.session_reused)

    async with serving(web) as address:
        port = int(address.split(":")[1])
        session, _ = await asyncio.to_thread(visit, port, None)
        _, is_reused = await asyncio.to_thread(visit, port, session)
    assert not is_reused


async def test_clients_are_judged_by_the_authority_and_their_names(web: Path, authority: Certificate) -> None:
    directory = web.parent
    names = [x509.UniformResourceIdentifier("spiffe://cluster/prometheus"), x509.RFC822Name("a@b.test")]
    stranger = Certificate.make(directory, "stranger")
    cases = {
        "one of ours": (Certificate.make(directory, "one", signer=authority, names=names), True),
        "another name": (Certificate.make(directory, "two", signer=authority, names=LOCALHOST), False),
        "no name": (Certificate.make(directory, "three", signer=authority), False),
        "expired": (Certificate.make(directory, "old", signer=authority, names=names, days=-1), False),
        "signed by another": (Certificate.make(directory, "four", signer=stranger, names=names), False),
    }
    rewrite(
        web,
        ", client_ca_file: authority.crt, client_auth_type: RequireAndVerifyClientCert,"
        " client_allowed_sans: [x, 'spiffe://cluster/prometheus']}",
    )
    async with serving(web) as address:
        answers = {
            name: await ask(address, tls=client(cert.cert, key=cert.key)) != REFUSED
            for name, (cert, _) in cases.items()
        }
    assert answers == {name: is_let_in for name, (_, is_let_in) in cases.items()}


def test_a_certificate_that_nobody_can_read_has_none_of_the_names() -> None:
    class Unreadable:
        def to_cryptography(self) -> x509.Certificate:
            raise x509.UnsupportedGeneralNameType("x400Address")

    judge = _Judge(TlsServerSettings(client_allowed_sans=("a",)), is_strict=False)

    assert not judge(cast("SSL.Connection", None), cast("crypto.X509", Unreadable()), 0, 0, 1)


def test_names_as_go_writes_them(tmp_path: Path) -> None:
    names = [
        x509.DNSName("a.test"),
        x509.RFC822Name("b@c.test"),
        x509.UniformResourceIdentifier("spiffe://d/e"),
        x509.IPAddress(ip_address("2001:db8:0:0::1")),
        x509.IPAddress(ip_address("::ffff:10.0.0.1")),
        x509.DirectoryName(x509.Name([])),
    ]
    made = Certificate.make(tmp_path, "f", names=names)

    assert list(alternative_names(made.issued)) == ["a.test", "b@c.test", "spiffe://d/e", "2001:db8::1", "10.0.0.1"]
    assert list(alternative_names(Certificate.make(tmp_path, "g").issued)) == []
