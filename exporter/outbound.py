"""What the environment says of the way out: through which proxy, and whose certificates are trusted.

One place reads it for everything that asks a server. What cannot be used is left out, as if it were not set, and told
as a warning: one mistyped variable of a machine must not keep the exporter from starting.
"""

import ipaddress
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx

from exporter.suspects import MASK

SCHEMES = ("http", "https", "socks5", "socks5h")
"""Of proxies."""

_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")
_HOST = re.compile(r"(\*?\.)?[\w-]+(\.[\w-]+)*\.?")


@dataclass(frozen=True, slots=True)
class Outbound:
    """The way out. ``warnings`` name what was left out: the variable and the file, never what may be secret."""

    warnings: tuple[str, ...] = ()
    _proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    _exempt: tuple["Exemption", ...] = ()
    _ca_file: str | None = None
    _ca_dirs: str | None = None
    _shared: list[ssl.SSLContext] = field(default_factory=list, init=False, repr=False, compare=False)

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self:
        """As these variables say. It looks at files, so it blocks."""
        warnings: list[str] = []
        return cls(
            _proxies=dict(_proxies(environ, warnings)),
            _exempt=tuple(_exemptions(environ, warnings)),
            _ca_file=_ca_file(environ, warnings),
            _ca_dirs=_ca_dirs(environ, warnings),
            warnings=tuple(warnings),
        )

    def proxy_for(self, address: str) -> httpx.Proxy | None:
        """The proxy through which a URL is asked; None: straight, or not at all, since it is no URL."""
        url = parsed(address)
        if url is None:
            return None
        proxy = self._proxies.get(url.scheme) or self._proxies.get("all")
        is_exempt = any(exemption.covers(url) for exemption in self._exempt)
        return None if proxy is None or is_exempt else httpx.Proxy(proxy)

    def shared_tls_context(self) -> ssl.SSLContext:
        """``tls_context``, the same at each call: for many connections, none of which may change it."""
        if not self._shared:
            self._shared.append(self.tls_context())
        return self._shared[0]

    def tls_context(self) -> ssl.SSLContext:
        """Trusts whom the environment says, and else whom httpx does. It blocks, and raises OSError."""
        if self._ca_file is None and self._ca_dirs is None:
            return httpx.create_ssl_context(trust_env=False)
        return ssl.create_default_context(cafile=self._ca_file, capath=self._ca_dirs)


def parsed(address: str) -> httpx.URL | None:
    """A URL that httpx can ask, or None where it is none."""
    try:
        url = httpx.URL(address)
        _ = url.host  # a name that is wrongly encoded (xn--) is noticed here, and not before
    except (httpx.InvalidURL, ValueError):  # UnicodeError: bytes that are no text, and what idna raises
        return None
    return url


class ProxyTrace:
    """For the ``trace`` extension of one request: closes the connection to a SOCKS proxy that leads nowhere.

    httpcore forgets it, and it would be open until the collector of garbage comes.
    """

    def __init__(self) -> None:
        self._stream: Any = None

    async def __call__(self, event: str, about: Mapping[str, Any]) -> None:
        match event:
            case "socks.setup_socks5_connection.started":
                self._stream = about["stream"]
            case "socks.setup_socks5_connection.failed":
                await self._stream.aclose()


# ---- proxies ---------------------------------------------------------------------------------------------------------


def _proxies(environ: Mapping[str, str], warnings: list[str]) -> Iterator[tuple[str, str]]:
    for scheme in ("http", "https", "all"):
        name, value = _variable(environ, f"{scheme}_proxy")
        if not value:
            continue
        address = value if "://" in value else f"http://{value}"
        if _is_proxy(address):
            yield scheme, address
        else:
            warnings.append(
                f"{name} is not the address of a proxy that can be used, and is left out: it begins with http, https,"
                " socks5 or socks5h and ends with host and port; in a password # is written %23, / %2F and @ %40"
            )


def _is_proxy(address: str) -> bool:
    """Whether it is. What the parser says is kept from everybody: it may quote a password."""
    url = parsed(address)
    if url is None:
        return False
    # what follows the port is a password in which # or / was not escaped
    is_bare = url.path in ("", "/") and not url.query and not url.fragment
    return url.scheme in SCHEMES and bool(url.host) and (url.port or 0) < 1 << 16 and is_bare


def _variable(environ: Mapping[str, str], name: str) -> tuple[str, str]:
    """The name that is set and its value; the one in lower case comes first, as with curl."""
    name = name if name in environ else name.upper()
    return name, environ.get(name, "").strip()


# ---- who is asked straight -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Exemption:
    """One entry of ``NO_PROXY``, as Go reads it: a network or an address, or a domain; ``port`` None is any.

    ``domain`` begins with a dot; ``is_host`` says that it is meant itself, and not only what is below it.
    """

    network: ipaddress.IPv4Network | ipaddress.IPv6Network | None = None
    domain: str = ""
    is_host: bool = True
    port: int | None = None
    everything: bool = False

    @classmethod
    def of(cls, entry: str) -> Self:
        """The meaning of an entry; ValueError where it has none."""
        if entry == "*":
            return cls(everything=True)
        host, port = _split_port(entry.partition("://")[2] or entry)
        try:
            inner = host[1:-1] if host.startswith("[") and host.endswith("]") else host
            return cls(ipaddress.ip_network(inner, strict=False), port=port)
        except ValueError:
            if not _HOST.fullmatch(host):
                raise
        host = host.removeprefix("*").removesuffix(".").lower()
        return cls(domain=f".{host.removeprefix('.')}", is_host=not host.startswith("."), port=port)

    def covers(self, url: httpx.URL) -> bool:
        """Whether a server is meant. Names are not looked up: an address is meant only where the URL has one."""
        if self.port is not None and self.port != (url.port or (443 if url.scheme == "https" else 80)):
            return False
        host = url.host.lower().removesuffix(".")
        if self.network is not None:
            address = _address(host)
            return address is not None and address in self.network
        return self.everything or host.endswith(self.domain) or (self.is_host and host == self.domain[1:])


def _exemptions(environ: Mapping[str, str], warnings: list[str]) -> Iterator[Exemption]:
    name, value = _variable(environ, "no_proxy")
    for entry in re.split(r"[,\s]+", value):
        if not entry:
            continue
        try:
            yield Exemption.of(entry)
        except ValueError:
            shown = ascii(entry[:60])[1:-1] if "@" not in entry else MASK  # a proxy's address, with its password
            warnings.append(f"{name}: {shown} is neither a host, an address nor a network, and is left out")


def _split_port(entry: str) -> tuple[str, int | None]:
    """Host and port; what has several colons and no brackets is an IPv6 address or network."""
    found = re.fullmatch(r"(\[.*\]|[^:]*):([0-9]{1,5})", entry)
    return (found[1], int(found[2])) if found else (entry, None)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


# ---- certificates ----------------------------------------------------------------------------------------------------


def _ca_file(environ: Mapping[str, str], warnings: list[str]) -> str | None:
    path = environ.get("SSL_CERT_FILE", "")
    if not path:
        return None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except (OSError, ValueError) as error:
        is_foreign = isinstance(error, (ssl.SSLError, ValueError))
        reason = "it holds no certificates (PEM)" if is_foreign else getattr(error, "strerror", "")
        warnings.append(f"SSL_CERT_FILE: {path} cannot be used, and is left out: {reason}")
        return None
    return path


def _ca_dirs(environ: Mapping[str, str], warnings: list[str]) -> str | None:
    usable = []
    for folder in filter(None, environ.get("SSL_CERT_DIR", "").split(":")):
        try:
            reason = None if any(_HASHED.fullmatch(path.name) for path in Path(folder).iterdir()) else _NOT_HASHED
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is no path"
        if reason is None:
            usable.append(folder)
        else:
            warnings.append(f"SSL_CERT_DIR: {folder} cannot be used, and is left out: {reason}")
    return ":".join(usable) or None


_NOT_HASHED = "no certificate in it is named by its hash (openssl rehash does that)"
