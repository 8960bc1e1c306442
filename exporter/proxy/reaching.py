"""The way to a server behind the sidecar: straight, or through the proxy that the environment names."""

import asyncio
import errno
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeGuard

import httpx

from exporter.connecting import connect
from exporter.errors import ExporterError
from exporter.metrics.families.proxy import UpstreamFault
from exporter.proxy.head import Field
from exporter.proxy.tunnel import NO_PROXY_THERE, Tunnel, TunnelError

OUT_OF_SPACE = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class UpstreamError(ExporterError):
    """There is no connection to the upstream; ``fault`` says whose fault it is."""

    def __init__(self, fault: UpstreamFault, detail: str) -> None:
        super().__init__(detail)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Upstream:
    """A server behind the sidecar. ``authority`` is what requests call it, ``prefix`` what their paths begin with.

    ``host`` and ``port`` are where to connect: through ``tunnel`` where there is one. ``is_forwarded``: there is a
    proxy, which takes requests in clear text; ``more`` are fields that each gets: it wants its credentials there.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None
    authority: bytes
    prefix: bytes = b""
    tunnel: Tunnel | None = None
    is_forwarded: bool = False
    more: tuple[Field, ...] = field(default=(), repr=False)


def upstream_of(base_url: str, *, tls: ssl.SSLContext, proxy: httpx.Proxy | None = None) -> Upstream:
    """The server of a ``base_url``, and the way there."""
    url = httpx.URL(base_url)
    is_https = url.scheme == "https"
    straight = Upstream(
        host=url.raw_host.decode("ascii"),
        port=url.port or (443 if is_https else 80),
        tls=tls if is_https else None,
        authority=url.netloc,
        prefix=url.raw_path.rstrip(b"/"),
    )
    if proxy is None:
        return straight
    if is_https or proxy.url.scheme.startswith("socks"):
        return Upstream(
            straight.host, straight.port, straight.tls, straight.authority, straight.prefix, Tunnel.by(proxy, tls)
        )
    return _forwarded(straight, Tunnel.by(proxy, tls))


def _forwarded(upstream: Upstream, proxy: Tunnel) -> Upstream:
    """A server in clear text, whose requests an HTTP proxy takes as they are, with the server's name in the target."""
    credentials = ((b"Proxy-Authorization", proxy.authorization),) if proxy.auth else ()
    return Upstream(
        proxy.host,
        proxy.port,
        proxy.tls,
        upstream.authority,
        b"http://" + upstream.authority + upstream.prefix,
        is_forwarded=True,
        more=credentials,
    )


async def reach(upstream: Upstream, protocol: Callable[[], asyncio.Protocol]) -> None:
    """Open a connection to the upstream; raises UpstreamError."""
    try:
        if upstream.tunnel is None:
            await connect(protocol, host=upstream.host, port=upstream.port, tls=upstream.tls)
        else:
            await upstream.tunnel.connect(protocol, host=upstream.host, port=upstream.port, tls=upstream.tls)
    except TunnelError as error:
        if _is_shortage(error.__cause__):
            raise _named(error.__cause__) from error
        raise UpstreamError(UpstreamFault.PROXY, str(error)) from None
    except (OSError, UnicodeError) as error:  # UnicodeError: a name that no resolver takes
        if upstream.is_forwarded and not _is_shortage(error):
            raise UpstreamError(UpstreamFault.PROXY, NO_PROXY_THERE) from error
        raise _named(error) from error


def _named(error: OSError | UnicodeError) -> UpstreamError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return UpstreamError(
            UpstreamFault.CERTIFICATE, f"the upstream's certificate is not accepted: {error.verify_message}"
        )
    if isinstance(error, ssl.SSLError):
        return UpstreamError(UpstreamFault.TLS, "no secure connection to the upstream: it does not speak TLS as we do")
    if _is_shortage(error):
        return UpstreamError(UpstreamFault.DESCRIPTORS, "no file descriptor is left for the upstream: see ulimit -n")
    return UpstreamError(UpstreamFault.UNREACHABLE, "no connection to the upstream")


def _is_shortage(error: BaseException | None) -> TypeGuard[OSError]:
    return isinstance(error, OSError) and error.errno in OUT_OF_SPACE
