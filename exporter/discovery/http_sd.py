"""``http_sd_configs``: tasks named by a URL that is asked again and again, by the rules of Prometheus' own."""

import asyncio
import os
import re
import ssl
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import blake2b
from typing import Any
from urllib.parse import urlsplit

import httpx
from socksio.exceptions import SOCKSError

from exporter.discovery.items import Items
from exporter.discovery.lists import ListParser, max_bytes
from exporter.discovery.source import (
    DiscoveryError,
    Listener,
    Mechanism,
    Reading,
    Refreshes,
    SourceDependencies,
    let_go,
    short_digest,
    source_name,
)
from exporter.discovery.written import Format
from exporter.outbound import Outbound, ProxyTrace
from exporter.secrets import SecretSource
from exporter.settings.errors import ConfigError, in_short
from exporter.settings.model import HttpSdSettings, TlsSettings
from exporter.settings.reader import MAX_BYTES
from exporter.threads import in_thread
from exporter.version import version

START_SPREAD = 1.0
"""Seconds over which the first requests of many sources are spread."""

TIMEOUT = 30.0
"""Seconds that a request may take in all. The next one is made after it, however short the refresh interval."""

_SENDABLE = re.compile(r"[\x21-\x7e]+")

_GZIP = 16 + zlib.MAX_WBITS


def http_sources(entries: Iterable[HttpSdSettings], parser: ListParser) -> Iterator["HttpSource"]:
    """The sources of a group's ``http_sd_configs``."""
    entries = tuple(entries)
    askers = Counter(
        url for url, *_ in {(_sent_url(entry), entry.authorization, entry.tls_config) for entry in entries}
    )
    return (
        HttpSource(
            entry,
            replace(parser, max_tasks=entry.max_tasks, max_bytes=entry.max_bytes),
            is_named_by_url=askers[_sent_url(entry)] == 1,
        )
        for entry in entries
    )


@dataclass(frozen=True, slots=True)
class HttpSource:
    """One entry of ``http_sd_configs``.

    The URL names it, unless others of its group ask the same one as somebody else, and may be answered another list.
    """

    settings: HttpSdSettings
    parser: ListParser
    is_named_by_url: bool = True

    @property
    def group(self) -> str:
        return self.parser.group

    @property
    def mechanism(self) -> Mechanism:
        return Mechanism.HTTP

    @property
    def name(self) -> str:
        url = self.settings.url
        query = urlsplit(url).query
        asker = () if self.is_named_by_url else (self.settings.authorization, self.settings.tls_config)
        digest = f"#{short_digest(query, *map(str, asker))}" if query or asker else ""
        return source_name(self.group, self.mechanism, f"{shown_url(url)}{digest}")

    async def run(self, listener: Listener, dependencies: SourceDependencies) -> None:
        """Report what the URL answers, for ever."""
        refreshes = Refreshes(listener, dependencies.threads)
        answers = _Answers(self.parser, shown_url(self.settings.url))
        await dependencies.clock.sleep(dependencies.random.uniform(0, START_SPREAD))
        try:
            while True:
                await refreshes.report(self._read(answers, dependencies))
                await dependencies.clock.sleep(self.settings.refresh_interval)
        finally:
            let_go([answers.items])

    async def _read(self, answers: "_Answers", dependencies: SourceDependencies) -> Reading:
        request = await dependencies.threads.run(partial(prepare, self.settings, dependencies.environ))
        content = await fetch(request, transport=dependencies.transport)
        return await dependencies.threads.run(partial(answers.read, content))


class _Answers:
    """What the last good answer named, and what is wrong with the last one. It blocks."""

    def __init__(self, parser: ListParser, name: str) -> None:
        self._parser = parser
        self._name = name
        self._digest = b""
        self._fault: str | None = None
        self.items = Items()

    def read(self, content: bytes) -> Reading:
        """What an answer names; raises DiscoveryError. One of the same bytes as the last is not parsed again."""
        digest = blake2b(content).digest()
        if digest != self._digest:
            self._digest, self._fault = digest, self._parse(content)
        if self._fault:
            raise DiscoveryError(self._fault)
        return Reading(self.items)

    def _parse(self, content: bytes) -> str | None:
        """Take what an answer names, or say what is wrong with it."""
        try:
            items = self._parser.parse(content, Format.JSON, name=self._name)
        except ConfigError as error:
            return in_short(error)
        if items != self.items:
            self.items = items
        return None


# ---- one request -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Request:
    """One request, ready to be sent; ``name`` is the URL without what may be secret in it."""

    name: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    context: ssl.SSLContext
    proxy: httpx.Proxy | None = field(default=None, repr=False)
    server_name: str | None = None
    timeout: float = TIMEOUT
    max_bytes: int | None = None


def prepare(settings: HttpSdSettings, environ: Mapping[str, str] | None = None) -> Request:
    """Make a request of the settings and of what is in their files now. It blocks; raises DiscoveryError."""
    outbound = Outbound.of(os.environ if environ is None else environ)
    return Request(
        name=shown_url(settings.url),
        url=settings.url,
        headers={
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": f"bytespike-exporter/{version()}",
            "X-Prometheus-Refresh-Interval-Seconds": f"{settings.refresh_interval:.10g}",
            **_authorization(settings),
        },
        context=_context(settings, outbound),
        proxy=outbound.proxy_for(settings.url),
        server_name=settings.tls_config.server_name if settings.tls_config else None,
        max_bytes=settings.max_bytes or max_bytes(settings.max_tasks, least=MAX_BYTES),
    )


async def fetch(request: Request, *, transport: httpx.AsyncBaseTransport | None = None) -> bytes:
    """The body of the answer, which is 200, JSON and no larger than a list may be. Redirects are not followed."""
    try:
        async with asyncio.timeout(request.timeout):
            return await _exchange(request, transport)
    except (TimeoutError, httpx.TimeoutException):
        raise DiscoveryError(f"{request.name}: no whole answer within {request.timeout:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, SOCKSError) as error:
        raise DiscoveryError(f"{request.name}: {_fault(error)}") from None


def shown_url(url: str) -> str:
    """A URL without its query, which may carry a token."""
    return urlsplit(url)._replace(query="", fragment="").geturl()


def _sent_url(settings: HttpSdSettings) -> str:
    return urlsplit(settings.url)._replace(fragment="").geturl()


async def _exchange(request: Request, transport: httpx.AsyncBaseTransport | None) -> bytes:
    extensions: dict[str, Any] = {"trace": ProxyTrace()}
    if request.server_name:
        extensions["sni_hostname"] = request.server_name
    way = {"transport": transport} if transport else {"proxy": request.proxy}
    async with (
        httpx.AsyncClient(verify=request.context, timeout=request.timeout, trust_env=False, **way) as client,
        client.stream("GET", request.url, headers=request.headers, extensions=extensions) as response,
    ):
        _check(response, request.name)
        body = await _body(response, request.name, request.max_bytes or MAX_BYTES)
    if not _is_gzip(response):
        return body
    return await in_thread(partial(_gunzip, body, request.name, request.max_bytes or MAX_BYTES))


def _check(response: httpx.Response, name: str) -> None:
    if response.status_code != httpx.codes.OK:
        raise DiscoveryError(f"{name}: answered {response.status_code}; only 200 is a list")
    if response.headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/json":
        raise DiscoveryError(f"{name}: answered with another Content-Type than application/json")
    if response.headers.get("Content-Encoding", "").strip().lower() not in ("", "identity") and not _is_gzip(response):
        raise DiscoveryError(f"{name}: answered with a Content-Encoding that was not asked for")


def _is_gzip(response: httpx.Response) -> bool:
    """None is asked for, but a proxy may add it on its own."""
    return response.headers.get("Content-Encoding", "").strip().lower() in ("gzip", "x-gzip")


async def _body(response: httpx.Response, name: str, most: int) -> bytes:
    """The body as it was sent."""
    if response.is_stream_consumed:  # a transport may hand over what it holds already, as httpx.MockTransport does
        return response.content
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > most:
            raise _too_long(name, most)
    return bytes(body)


def _gunzip(body: bytes, name: str, most: int) -> bytes:
    """The body as it was meant. No more than is allowed is ever unpacked: a few kilobytes may stand for gigabytes."""
    unpacker = zlib.decompressobj(_GZIP)
    try:
        plain = unpacker.decompress(body, most + 1)
    except zlib.error:
        raise DiscoveryError(f"{name}: answered with gzip that cannot be unpacked") from None
    if len(plain) > most:
        raise _too_long(name, most)
    if not unpacker.eof or unpacker.unused_data:
        raise DiscoveryError(f"{name}: answered with gzip that does not end where the answer does")
    return plain


def _too_long(name: str, most: int) -> DiscoveryError:
    return DiscoveryError(f"{name}: answered with more than {most // 1024 // 1024} MiB, the most allowed")


def _authorization(settings: HttpSdSettings) -> dict[str, str]:
    if settings.authorization is None:
        return {}
    path = settings.authorization.credentials_file
    token = SecretSource(file=path)
    secret = token.reveal()
    if secret is None:
        raise DiscoveryError(f"credentials_file: {token.fault}")
    if not _SENDABLE.fullmatch(secret):
        raise DiscoveryError(f"credentials_file: {path}: holds what no header may carry")
    return {"Authorization": f"Bearer {secret}"}


def _context(settings: HttpSdSettings, outbound: Outbound) -> ssl.SSLContext:
    if urlsplit(settings.url).scheme != "https":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # not used; the usual one costs milliseconds
    tls = settings.tls_config or TlsSettings()
    with _named_file("ca_file"):
        context = ssl.create_default_context(cafile=tls.ca_file) if tls.ca_file else outbound.tls_context()
    if tls.cert_file and tls.key_file:
        with _named_file("cert_file or key_file"):
            # the password of an encrypted key would be asked for on the terminal: with an empty one it is refused
            context.load_cert_chain(tls.cert_file, tls.key_file, password="")
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def _named_file(key: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = (error.reason or "it is refused") if isinstance(error, ssl.SSLError) else error.strerror
        raise DiscoveryError(f"tls_config: {key} cannot be used: {reason}") from None


def _fault(error: Exception) -> str:
    """What went wrong, in words of ours: a foreign text may quote the request."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return "no secure connection"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, SOCKSError):
        return "the proxy does not speak SOCKS"
    return "no connection" if isinstance(error, httpx.ConnectError) else f"the exchange failed ({type(error).__name__})"
