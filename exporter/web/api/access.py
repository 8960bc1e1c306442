"""Who may use the API: whoever has the token, and without one only this machine."""

import asyncio
import math
from dataclasses import dataclass, field
from functools import partial
from hmac import compare_digest
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from urllib.parse import urlsplit

from starlette.requests import Request
from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.secrets import SecretSource
from exporter.threads import in_thread
from exporter.web.api.refusals import refusal
from exporter.web.interfaces import RunningExporter
from exporter.web.operations import refuse_cross_site

LOOK_SECONDS = 1.0
"""A file with a secret is looked at again at most this often."""


class Access:
    """The guard of the API. Nothing that a proxy adds to a request is believed."""

    def __init__(self, exporter: RunningExporter, secrets: "SecretFiles", log: FilteringBoundLogger) -> None:
        self._exporter = exporter
        self._secrets = secrets
        self._log = log

    async def check(self, request: Request) -> None:
        """Raise a Refusal for anybody who may neither register nor see tasks."""
        token_file = self._exporter.settings.api.token_file
        if token_file is not None:
            await self._check_token(request, token_file)
        else:
            _refuse_strangers(request)

    async def check_if_guarded(self, request: Request) -> None:
        """Raise a Refusal for whoever lacks the token, where there is one; pages of other sites are always refused."""
        refuse_cross_site(request)
        token_file = self._exporter.settings.api.token_file
        if token_file is not None:
            await self._check_token(request, token_file)

    async def _check_token(self, request: Request, token_file: Path) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and await self._secrets.matches(token_file, token.strip()):
            return
        fault = await self._secrets.fault(token_file)
        if fault is not None:
            self._log.error("api_token_missing", fault=fault)
            raise refusal(503, "the token that guards this cannot be read: see the exporter's log")
        raise refusal(401, "a bearer token is needed", headers={"WWW-Authenticate": "Bearer"})


def _refuse_strangers(request: Request) -> None:
    if not _is_from_here(request):
        raise refusal(403, "without api.token_file this answers on loopback only")
    if not is_loopback(_hostname(request.headers.get("host", ""))):
        # a page of any site may have its own name resolved to this machine
        raise refusal(403, "without api.token_file the Host has to be localhost or a loopback address")
    refuse_cross_site(request)


def _is_from_here(request: Request) -> bool:
    """Over loopback, or over a socket of the file system: its server has a path, and no port."""
    if request.client is None:
        server = request.scope.get("server")
        return server is not None and server[1] is None
    return is_loopback(request.client.host)


def is_loopback(host: str) -> bool:
    """Whether a host is ``localhost`` or a loopback address, IPv4 within IPv6 included."""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


class SecretFiles:
    """Secrets in files, each read when it is first asked for and again when it changes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._files: dict[Path, _SecretFile] = {}

    async def matches(self, path: Path, given: str) -> bool:
        """Whether this is the secret in the file; never where the file has none.

        How long it takes does not tell how much of a guess was right.
        """
        secret = (await self._read(path)).reveal()
        return compare_digest((secret or "").encode(), given.encode(errors="replace")) and secret is not None

    async def fault(self, path: Path) -> str | None:
        """Why the file has no secret, fit for a log; None where it has one."""
        return (await self._read(path)).fault

    async def _read(self, path: Path) -> SecretSource:
        return await self._files.setdefault(path, _SecretFile(path)).read(now=self._clock.monotonic())


@dataclass(slots=True)
class _SecretFile:
    """One file. A file on a share that hangs takes one thread, not one for each request that would look at it."""

    path: Path
    secret: SecretSource | None = None
    looked_at: float = -math.inf
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def read(self, *, now: float) -> SecretSource:
        async with self.lock:
            if self.secret is None:
                self.secret, self.looked_at = await in_thread(partial(SecretSource, file=self.path)), now
            elif now - self.looked_at >= LOOK_SECONDS:
                self.looked_at = now
                await in_thread(self.secret.refresh)
            return self.secret
