"""Who may use the API and administer: whoever has the token or a password, and without either only this machine.

docs/security.md has the table of who may do what. Nothing that a proxy adds to a request is believed; that it has added
something tells that the request comes from elsewhere.
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from hmac import compare_digest
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request

from exporter.clock import Clock
from exporter.hosts import hostname, is_loopback
from exporter.metrics.families.own import Credential
from exporter.secrets import SecretSource
from exporter.summed import SummedLog
from exporter.threads import in_thread
from exporter.web.api.refusals import refusal
from exporter.web.guesses import Guesses
from exporter.web.interfaces import RunningExporter

LOOK_SECONDS = 1.0
"""A file with a secret is looked at again at most this often."""

USER = "basic_auth_user"
"""Where the state of a request has the name of the user whose password was right (``basic_auth_users``)."""

FORWARDED = ("forwarded", "x-forwarded-", "x-real-ip", "via")
"""How what proxies add begins: with one of these a request comes from elsewhere, though its connection comes from this
machine."""


class Access:
    """The guard of everything that is not for everybody. ``origin`` is that of our own pages behind a proxy."""

    def __init__(
        self,
        exporter: RunningExporter,
        secrets: "SecretFiles",
        guesses: Guesses,
        log: SummedLog,
        *,
        origin: str | None = None,
    ) -> None:
        self._exporter = exporter
        self._secrets = secrets
        self._guesses = guesses
        self._log = log
        self._origin = origin

    async def check(self, request: Request, *, is_for_reading: bool = False) -> None:
        """Raise a Refusal for anybody who may neither administer, nor register or see tasks.

        What is only read, and changes nothing, may be come to by a link on a page of another site.
        """
        if user_of(request) is not None:
            self._refuse_cross_site(request, may_be_led=is_for_reading)  # browsers send a password along, whoever asks
            return
        token_file = self._exporter.settings.api.token_file
        if token_file is not None:
            await self._check_token(request, token_file)
        else:
            _refuse_strangers(request)
            self._refuse_cross_site(request, may_be_led=is_for_reading)

    async def check_if_guarded(self, request: Request) -> None:
        """Raise a Refusal for whoever lacks the token, where there is one; pages of other sites are always refused."""
        self._refuse_cross_site(request)
        token_file = self._exporter.settings.api.token_file
        if token_file is not None and user_of(request) is None:
            await self._check_token(request, token_file)

    def _refuse_cross_site(self, request: Request, *, may_be_led: bool = False) -> None:
        """A browser must not be made to ask by a page of another site, but for a person who follows a link.

        Such a page sees nothing of what it leads to: that is a window of its own, and in nobody's frame.

        Browsers send ``Sec-Fetch-Site`` only over TLS and to loopback; ``Origin`` comes with every POST. A proxy may
        have put another ``Host`` in place of the one that the browser asked.
        """
        if may_be_led and _is_followed_link(request):
            return
        site = request.headers.get("sec-fetch-site", "none")
        origin, host = request.headers.get("origin"), request.headers.get("host")
        ours = (None, f"http://{host}", f"https://{host}", self._origin)
        if site not in ("same-origin", "none") or origin not in ours:
            raise HTTPException(403, "not from a page of another site")

    async def _check_token(self, request: Request, token_file: Path) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and await self._secrets.matches(token_file, token.strip()):
            return
        fault = await self._secrets.fault(token_file)
        if fault is not None:
            self._log.error("api_token_missing", "token", fault=fault)
            raise refusal(503, "the token that guards this cannot be read: see the exporter's log")
        if scheme:  # whoever brings nothing guesses nothing
            await self._guesses.refused(Credential.TOKEN, address_of(request))
        raise refusal(401, "a bearer token is needed", headers={"WWW-Authenticate": "Bearer"})


def user_of(request: Request) -> str | None:
    """Who has given the right password of the web configuration file; None where nobody had to."""
    user = request.scope.get("state", {}).get(USER)
    return user if isinstance(user, str) else None


def address_of(request: Request) -> str:
    """The address that a request comes from; empty where it has none."""
    return request.client.host if request.client else ""


def _refuse_strangers(request: Request) -> None:
    if not _is_from_here(request):
        raise refusal(403, "without api.token_file this answers on loopback only")
    if any(name.startswith(FORWARDED) for name in request.headers):
        raise refusal(403, "without api.token_file this answers on loopback only, and not to whom a proxy lets through")
    if not is_loopback(hostname(request.headers.get("host", ""))):
        # a page of any site may have its own name resolved to this machine
        raise refusal(403, "without api.token_file the Host has to be localhost or a loopback address")


def _is_followed_link(request: Request) -> bool:
    """Whether a browser says that somebody has followed a link here, in a window of its own."""
    said = {name: request.headers.get(f"sec-fetch-{name}") for name in ("mode", "dest")}
    is_led = said == {"mode": "navigate", "dest": "document"} and "origin" not in request.headers
    return is_led and request.method in ("GET", "HEAD")


def _is_from_here(request: Request) -> bool:
    """Over loopback, or over a socket of the file system: its server has a path, and no port.

    Nobody's address is known who has hung up already: that alone tells nothing.
    """
    if request.client is None:
        server = request.scope.get("server")
        return server is not None and server[1] is None
    return is_loopback(request.client.host)


class SecretFiles:
    """Secrets in files, each read when it is first asked for and again when it changes; ``hide`` is told each."""

    def __init__(self, clock: Clock, hide: Callable[[str], None]) -> None:
        self._clock = clock
        self._hide = hide
        self._files: dict[Path, _SecretFile] = {}

    async def matches(self, path: Path, given: str) -> bool:
        """Whether this is the secret in the file; never where the file has none.

        How long it takes does not tell how much of a guess was right, nor how long the secret is.
        """
        secret = (await self._read(path)).reveal()
        return compare_digest(_digest(secret or ""), _digest(given)) and secret is not None

    async def fault(self, path: Path) -> str | None:
        """Why the file has no secret, fit for a log; None where it has one."""
        return (await self._read(path)).fault

    async def _read(self, path: Path) -> SecretSource:
        file = self._files.setdefault(path, _SecretFile(path, self._hide))
        return await file.read(now=self._clock.monotonic())


@dataclass(slots=True)
class _SecretFile:
    """One file. A file on a share that hangs takes one thread, not one for each request that would look at it."""

    path: Path
    hide: Callable[[str], None]
    secret: SecretSource | None = None
    looked_at: float = -math.inf
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def read(self, *, now: float) -> SecretSource:
        async with self.lock:
            if self.secret is None:
                read = partial(SecretSource, file=self.path, hide=self.hide)
                self.secret, self.looked_at = await in_thread(read), now
            elif now - self.looked_at >= LOOK_SECONDS:
                self.looked_at = now
                await in_thread(self.secret.refresh)
            return self.secret


def _digest(text: str) -> bytes:
    return blake2b(text.encode(errors="replace")).digest()
