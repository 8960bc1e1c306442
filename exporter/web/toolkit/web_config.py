"""One web configuration in force: read at the start, looked at again by a thread, and what follows from it."""

import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from starlette.types import ASGIApp
from structlog.typing import FilteringBoundLogger

from exporter.secrets import version_of
from exporter.settings.errors import ConfigError, in_short
from exporter.web.toolkit import settings as reading
from exporter.web.toolkit.guard import Guard
from exporter.web.toolkit.limit import RateLimit
from exporter.web.toolkit.passwords import Passwords
from exporter.web.toolkit.settings import WebFile, WebSettings

if TYPE_CHECKING:  # OpenSSL is only loaded where TLS is wanted
    from OpenSSL import SSL

LOOK_SECONDS = 0.2
"""So often the files are looked at: a connection or request is judged by what was in them so long ago at most."""

RETRY_SECONDS = 5.0
"""So often files that are wrong are read again though nobody changed them: what stood in the way may have gone."""


@dataclass(frozen=True, slots=True)
class _InForce:
    """What the files said when they were last read. None where they are wrong, and nobody is let in by what is wrong:
    requests without settings are answered with 500, connections without a context are refused.
    """

    settings: WebSettings | None
    context: "SSL.Context | None" = None
    fault: str | None = None


class WebConfig:
    """The web configuration of a file. As in the toolkit, TLS is turned on or off, and the rate limited, at the start;
    everything else holds from the next connection or request after it has changed.
    """

    def __init__(self, path: Path, *, log: FilteringBoundLogger) -> None:
        """ConfigError where the configuration has faults. It blocks while it reads."""
        self._path = path
        self._log = log
        self._versions = self._look((path,))
        file = reading.load(path)
        reading.check_at_start(file)
        self._begun = file
        self._in_force = _InForce(file.settings, _context(file))
        self._files = _files(file)
        self._versions = {**self._look(self._files), **self._versions}
        self._read_at = time.monotonic()

    def warnings(self) -> Iterator[str]:
        """What is no mistake of what it began with, but hardly meant."""
        return warnings(self._begun, now=time.time())

    def encryption(self, refused: Callable[[], None]) -> Callable[[], ssl.SSLContext | None]:
        """What a server encrypts a new connection with, None where it is plain. ``refused`` is told of each connection
        that never came to be.
        """
        if not self._has_tls:
            return lambda: None
        from exporter.web.toolkit.connection import CurrentContext

        context = CurrentContext(lambda: self._in_force.context, refused)
        return lambda: context

    def guard(self, app: ASGIApp, refused: Callable[[str], Awaitable[None]]) -> ASGIApp:
        """The app behind users and limit; ``refused`` as ``Guard`` has it."""
        rate = self._begun.settings.rate_limit
        limit = RateLimit(interval=rate.interval, burst=rate.burst, now=time.monotonic) if rate.interval else None
        passwords = Passwords(random=Random())
        return Guard(app, lambda: self._in_force.settings, passwords=passwords, refused=refused, limit=limit)

    @contextmanager
    def watched(self, every: float = LOOK_SECONDS) -> Iterator[None]:
        """Look at the files so often (seconds), in a thread: a file system that hangs holds up nobody else."""
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(every):
                self.refresh()

        threading.Thread(target=watch, name="web_config", daemon=True).start()
        try:
            yield
        finally:
            stop.set()

    def refresh(self) -> None:
        """Read the files again if one has changed. It blocks."""
        versions = self._look(self._files)
        is_due = self._in_force.fault is not None and time.monotonic() - self._read_at >= RETRY_SECONDS
        if versions == self._versions and not is_due:
            return
        before, self._in_force = self._in_force, self._read()
        self._versions = {**self._look(self._files), **versions}
        self._read_at = time.monotonic()
        self._tell(before.fault)

    @property
    def _has_tls(self) -> bool:
        return self._begun.settings.tls_server_config.is_enabled

    def _read(self) -> _InForce:
        try:
            file = reading.load(self._path)
        except ConfigError as error:
            return _InForce(None, None, in_short(error))
        self._files = _files(file)
        if not self._has_tls:
            return _InForce(file.settings)
        try:
            context = _context(file)
        except ConfigError as error:
            return _InForce(file.settings, None, in_short(error))
        fault = None if context else f"{self._path}: TLS is gone from it, which takes a restart"
        return _InForce(file.settings, context, fault)

    def _tell(self, before: str | None) -> None:
        """Once for each change, whatever the number of requests."""
        now = self._in_force
        if now.fault is not None:
            if now.fault != before:
                self._log.error("web_config_invalid", fault=now.fault)
            return
        self._log.info("web_config_read", file=str(self._path))
        if now.settings and (now.settings.rate_limit, now.settings.tls_server_config.is_enabled) != (
            self._begun.settings.rate_limit,
            self._has_tls,
        ):
            self._log.warning("web_config_needs_restart", reason="rate_limit has changed, or TLS is new")

    @staticmethod
    def _look(files: tuple[Path, ...]) -> dict[Path, tuple[int, ...] | None]:
        return {file: version_of(file) for file in files}


def check(path: Path) -> WebFile:
    """What a file says; ConfigError for what keeps a server from starting with it. It reads every file it names."""
    file = reading.load(path)
    reading.check_at_start(file)
    _context(file)
    return file


def warnings(file: WebFile, *, now: float) -> Iterator[str]:
    """What is no mistake of a file that is right, but hardly meant. ``now`` is Unix time."""
    settings = file.settings
    if not settings.tls_server_config.is_enabled:
        if settings.basic_auth_users:
            yield "basic_auth_users without TLS: passwords cross the network in the clear"
        return
    from exporter.web.toolkit.tls import expiry

    ends = expiry(file)
    if ends is not None and ends.timestamp() <= now:
        yield f"tls_server_config: the certificate ended on {ends:%Y-%m-%d}; clients that look at it refuse it"


def _context(file: WebFile) -> "SSL.Context | None":
    if not file.settings.tls_server_config.is_enabled:
        return None
    from exporter.web.toolkit.tls import context

    return context(file)


def _files(file: WebFile) -> tuple[Path, ...]:
    """The web configuration and those that it names."""
    tls = file.settings.tls_server_config
    named = (tls.file(key, file.base) for key in ("cert_file", "key_file", "client_ca_file"))
    return (Path(file.document.file), *(path for path in named if path is not None))
