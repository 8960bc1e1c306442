"""Under which paths everything is answered, and by which address it is reached from outside.

As Prometheus does it: the prefix is the path of the external URL where nothing else is said, and comes before every
path, those of health included.
"""

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

METRICS = "/metrics"
PROBE = "/probe"

TAKEN = re.compile(r"/(config|tasks|static|sd|probe|healthz|livez|readyz|-|api)(/.*)?")
"""The paths of everything but the metrics and the landing page; a test holds it to the routes that there are."""

_PATH = re.compile(r"(/[A-Za-z0-9._~@:+,=-]+)*")
_DOTS = {".", ".."}


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """``prefix`` and ``external_url`` end without a slash, and are empty where there is none.

    ``metrics`` is the path of the metrics below the prefix. ``external_url`` may be a path alone.
    """

    prefix: str = ""
    metrics: str = METRICS
    external_url: str = ""

    @classmethod
    def of(cls, *, external_url: str, route_prefix: str, telemetry_path: str) -> Self:
        """As the command line says it, empty what it does not say; ValueError says what cannot be."""
        external = _external(external_url)
        prefix = _path("--web.route-prefix", f"/{route_prefix.strip('/')}") if route_prefix else urlsplit(external).path
        metrics = _path("--web.telemetry-path", telemetry_path) or "/"
        if TAKEN.fullmatch(metrics):
            raise ValueError(f"--web.telemetry-path: {metrics} is something else's; expected a path such as {METRICS}")
        return cls(prefix=prefix, metrics=metrics, external_url=external)

    def at(self, path: str) -> str:
        """Where a path is answered."""
        return self.prefix + path

    @property
    def has_landing_page(self) -> bool:
        """Metrics on ``/`` leave no room for one."""
        return self.metrics != "/"

    @property
    def home(self) -> str:
        """The path of the first page as it is seen from outside."""
        return f"{urlsplit(self.external_url).path if self.external_url else self.prefix}/"

    @property
    def origin(self) -> str | None:
        """By what browsers call the pages of the external URL (``Origin``); None where its host is not known."""
        url = urlsplit(self.external_url)
        usual = ":443" if url.scheme == "https" else ":80"
        return f"{url.scheme}://{url.netloc.lower().removesuffix(usual)}" if url.netloc else None

    @property
    def shown(self) -> str:
        """What the address of a path begins with, for people to read."""
        return self.external_url if self.external_url.startswith("http") else f"…{self.home.rstrip('/')}"

    def probe_path(self, netloc: str) -> str:
        """Where whoever has addressed us by this ``HOST:PORT`` finds ``/probe``."""
        external = urlsplit(self.external_url)
        return f"{external.path if external.netloc == netloc else self.prefix}{PROBE}"


ROOT = Site()
"""Where nothing is said."""


def _external(text: str) -> str:
    """The URL without the slash at its end."""
    if not text:
        return ""
    flag = "--web.external-url"
    is_whole, is_path = _is_whole(text), text.startswith("/") and not text.startswith("//")
    if not (is_whole or is_path) or "?" in text or "#" in text or not text.isascii() or not text.isprintable():
        raise ValueError(
            f"{flag}: expected a URL such as https://host/exporter, or its path alone, without user, query or fragment"
        )
    url = urlsplit(text)
    path = _path(flag, f"/{url.path.strip('/')}")
    return f"{url.scheme}://{url.netloc}{path}" if is_whole else path


def _is_whole(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme in ("http", "https") and bool(url.hostname) and "@" not in url.netloc and url.port != 0
    except ValueError:
        return False


def _path(flag: str, text: str) -> str:
    """The path without a slash at its end; ``/`` alone is empty."""
    path = text.rstrip("/")
    if (
        not text.startswith("/")
        or text.endswith("//")
        or not _PATH.fullmatch(path)
        or not _DOTS.isdisjoint(path.split("/"))
    ):
        raise ValueError(f"{flag}: expected a path such as /exporter, of letters, digits and ._~@:+,=- between slashes")
    return path
