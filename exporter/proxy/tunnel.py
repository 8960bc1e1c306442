"""Through a proxy of the environment to a server: HTTP's CONNECT, or SOCKS5, and then as if there were none."""

import asyncio
import ssl
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self, cast

import httpx
from socksio import SOCKSError
from socksio.socks5 import (
    SOCKS5AuthMethod,
    SOCKS5AuthMethodsRequest,
    SOCKS5AuthReply,
    SOCKS5Command,
    SOCKS5CommandRequest,
    SOCKS5Connection,
    SOCKS5Reply,
    SOCKS5ReplyCode,
    SOCKS5UsernamePasswordReply,
    SOCKS5UsernamePasswordRequest,
)

from exporter.connecting import connect
from exporter.proxy.head import HEAD_END, HEAD_LIMIT, ResponseHead

NO_PROXY_THERE = "no connection to the proxy that the environment names"

_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}

_ADDRESS_SIZES = {1: 4, 4: 16}
"""Bytes of an address by its kind in SOCKS5; a name (3) says its own."""


class TunnelError(Exception):
    """The proxy gives no way on; the text says why, and no credentials."""


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A proxy that lets connections through. ``tls`` is for the proxy itself; ``auth`` are its name and password."""

    scheme: str
    host: str
    port: int
    tls: ssl.SSLContext | None
    auth: tuple[bytes, bytes] | None = field(default=None, repr=False)

    @classmethod
    def by(cls, proxy: httpx.Proxy, tls: ssl.SSLContext) -> Self:
        """The one that the environment names; ``tls`` says whom to trust."""
        url = proxy.url
        return cls(
            url.scheme,
            url.raw_host.decode("ascii"),
            url.port or _PORTS[url.scheme],
            tls if url.scheme == "https" else None,
            proxy.raw_auth,
        )

    @property
    def authorization(self) -> bytes:
        """The value of ``Proxy-Authorization``."""
        return b"Basic " + b64encode(b":".join(self.auth or ()))

    async def connect(
        self, protocol: Callable[[], asyncio.Protocol], *, host: str, port: int, tls: ssl.SSLContext | None
    ) -> None:
        """Open a connection to a server; raises TunnelError, and OSError for what is the server's own fault."""
        try:
            talk = await connect(_Talk, host=self.host, port=self.port, tls=self.tls)
        except (OSError, UnicodeError) as error:
            raise TunnelError(NO_PROXY_THERE) from error
        try:
            await self._ask(talk, host, port)
            await _take_over(talk.transport, protocol(), host=host, tls=tls)
        except BaseException:
            talk.transport.abort()
            raise

    async def _ask(self, talk: "_Talk", host: str, port: int) -> None:
        try:
            if self.scheme.startswith("socks"):
                await _ask_socks(talk, host, port, self.auth)
            else:
                await self._ask_http(talk, f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        except (OSError, EOFError, ValueError, OverflowError, asyncio.LimitOverrunError, SOCKSError) as error:
            raise TunnelError("the proxy does not speak as it should, or hung up") from error

    async def _ask_http(self, talk: "_Talk", server: str) -> None:
        credentials = b"Proxy-Authorization: %b\r\n" % self.authorization if self.auth else b""
        name = server.encode("ascii")
        talk.transport.write(b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (name, name, credentials))
        head = await talk.reader.readuntil(HEAD_END)
        status = ResponseHead.read(head.removesuffix(HEAD_END)).status
        if not 200 <= status < 300:
            raise TunnelError(f"the proxy answers CONNECT with {status}")


class _Talk(asyncio.StreamReaderProtocol):
    """A connection to a proxy until the way is free: then its transport goes to whoever wanted it."""

    def __init__(self) -> None:
        self.reader = asyncio.StreamReader(limit=HEAD_LIMIT)
        super().__init__(self.reader)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport = cast("asyncio.Transport", transport)


async def _ask_socks(talk: _Talk, host: str, port: int, auth: tuple[bytes, bytes] | None) -> None:
    """RFC 1928 and 1929. The server's name goes to the proxy as it is: it is looked up there."""
    socks, reader = SOCKS5Connection(), talk.reader
    method = SOCKS5AuthMethod.USERNAME_PASSWORD if auth else SOCKS5AuthMethod.NO_AUTH_REQUIRED

    socks.send(SOCKS5AuthMethodsRequest([method]))
    talk.transport.write(socks.data_to_send())
    chosen = socks.receive_data(await reader.readexactly(2))
    if not isinstance(chosen, SOCKS5AuthReply) or chosen.method != method:
        raise TunnelError("the SOCKS proxy wants other credentials than the environment has")

    if auth:
        socks.send(SOCKS5UsernamePasswordRequest(*auth))
        talk.transport.write(socks.data_to_send())
        verdict = socks.receive_data(await reader.readexactly(2))
        if not isinstance(verdict, SOCKS5UsernamePasswordReply) or not verdict.success:
            raise TunnelError("the SOCKS proxy refuses the environment's credentials")

    socks.send(SOCKS5CommandRequest.from_address(SOCKS5Command.CONNECT, (host, port)))
    talk.transport.write(socks.data_to_send())
    reply = socks.receive_data(await _socks_reply(reader))
    if not isinstance(reply, SOCKS5Reply) or reply.reply_code is not SOCKS5ReplyCode.SUCCEEDED:
        raise TunnelError("the SOCKS proxy gives no connection to the upstream")


async def _socks_reply(reader: asyncio.StreamReader) -> bytes:
    """All of it and no byte more: what is behind it is the server's."""
    head = await reader.readexactly(5)
    size = _ADDRESS_SIZES.get(head[3], head[4] + 1)
    return head + await reader.readexactly(size - 1 + 2)


async def _take_over(
    transport: asyncio.Transport, protocol: asyncio.Protocol, *, host: str, tls: ssl.SSLContext | None
) -> None:
    """Let the protocol go on with a connection that leads to its server."""
    if tls is None:
        transport.set_protocol(protocol)
    else:
        loop = asyncio.get_running_loop()
        secured = await loop.start_tls(transport, protocol, tls, server_hostname=host)
        transport = cast("asyncio.Transport", secured)
    if transport.is_closing():
        raise ConnectionResetError("it was closed again at once")
    protocol.connection_made(transport)
