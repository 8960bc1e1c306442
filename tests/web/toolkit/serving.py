"""Our web server with a web configuration, and a client that asks one thing and tells what it was told."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import structlog
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from exporter.settings.errors import ConfigError
from exporter.web.listening import address_of, listen
from exporter.web.server import WebServer
from exporter.web.toolkit.web_config import WebConfig

REFUSED = "refused"
SHOWN = {
    *("www-authenticate", "strict-transport-security", "x-content-type-options", "x-frame-options"),
    *("x-xss-protection", "content-security-policy"),
}
"""The headers of an answer that are told."""


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    """The app behind it all: a page, or so many bytes as the path says."""
    size = scope["path"].removeprefix("/")
    await PlainTextResponse("x" * int(size) if size.isdigit() else "a page\n")(scope, receive, send)


async def nobody_minds(_address: str) -> None:
    """Wrong passwords are answered at once."""


@asynccontextmanager
async def serving(file: Path, *, every: float = 0.05, refused: Callable[[], None] = lambda: None) -> AsyncIterator[str]:
    """The address of a server with that web configuration, or ``refused: `` and why there is none."""
    try:
        web = WebConfig(file, log=structlog.get_logger())
    except ConfigError as error:
        yield f"{REFUSED}: {error}"
        return
    listener = listen("127.0.0.1", 0)
    server = WebServer(web.guard(page, nobody_minds), [listener], encryption=web.encryption(refused))
    task = asyncio.create_task(server.serve())
    await server.started()
    try:
        with web.watched(every):
            yield address_of(listener)
    finally:
        server.stop()
        await task


def client(
    cert: Path | None = None,
    *,
    key: Path | None = None,
    least: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
    most: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    ciphers: str = "",
    curve: str = "",
    ca: Path | None = None,
) -> ssl.SSLContext:
    """How a client speaks TLS; without a ``ca`` it believes any server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca:
        context.load_verify_locations(ca)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if least < ssl.TLSVersion.TLSv1_2:
        context.set_ciphers("ALL:@SECLEVEL=0")
    if ciphers:
        context.set_ciphers(ciphers)
    if curve:
        context.set_ecdh_curve(curve)
    context.minimum_version, context.maximum_version = least, most
    if cert:
        context.load_cert_chain(cert, key)
    return context


async def ask(address: str, *headers: str, tls: ssl.SSLContext | None = None, method: str = "GET") -> object:
    """Status, some headers and body of the answer to one request; REFUSED where there is none."""
    host, _, port = address.rpartition(":")
    name = "localhost" if tls else None
    writer: asyncio.StreamWriter | None = None
    lines = [f"{method} /metrics HTTP/1.1", "Host: localhost", "Connection: close", *headers]
    try:
        async with asyncio.timeout(20):
            reader, writer = await asyncio.open_connection(host, int(port), ssl=tls, server_hostname=name)
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
            answer = (await reader.read()).decode()
    except (OSError, EOFError) as error:
        if isinstance(error, TimeoutError):
            raise
        return REFUSED
    finally:
        if writer is not None:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
    return told(answer) if answer else REFUSED


def told(answer: str) -> tuple[int, dict[str, str], str]:
    head, _, body = answer.partition("\r\n\r\n")
    status, *lines = head.split("\r\n")
    headers = (line.split(":", 1) for line in lines)
    return (
        int(status.split()[1]),
        {name.lower(): value.strip() for name, value in headers if name.lower() in SHOWN},
        body,
    )
