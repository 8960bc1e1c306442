"""The URL of a PostgreSQL server: what libpq takes, save for a password, which stands in a file of its own."""

import re
import stat
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from exporter.suspects import masked

SCHEMES = ("postgresql:", "postgres:", "postgresql+")

_HOST = r"(\[[0-9A-Fa-f:.]+\]|[^:@/?#,\[\]]*)(:[0-9]{1,5})?"
PATTERN = f"postgresql://([^:@/?#]*@)?{_HOST}(,{_HOST})*(/[^@?#]*)?([?][^#]*)?"

PARAMETERS = frozenset(
    [
        "application_name",
        "channel_binding",
        "connect_timeout",
        "dbname",
        "gssencmode",
        "host",
        "hostaddr",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "krbsrvname",
        "load_balance_hosts",
        "options",
        "passfile",
        "port",
        "require_auth",
        "requirepeer",
        "service",
        "sslcert",
        "sslcrl",
        "sslkey",
        "sslmode",
        "sslnegotiation",
        "sslrootcert",
        "ssl_max_protocol_version",
        "ssl_min_protocol_version",
        "target_session_attrs",
        "tcp_user_timeout",
        "user",
    ]
)

PASSWORDS = frozenset({"password", "sslpassword"})

EXPECTED = "expected postgresql://user@host/database, with parameters of libpq such as ?passfile=/path or ?service=name"


def postgres_url(text: str) -> str:
    """The URL that a text is. The ValueError that says why it is none repeats nothing of it."""
    asked = {name for name, _ in parse_qsl(text.partition("?")[2], keep_blank_values=True)}
    if ":" in _user_of(text) or asked & PASSWORDS:
        raise ValueError("must not carry a password; name a passfile or a service, or set PGPASSWORD")
    if not re.fullmatch(PATTERN, text) or not text.isprintable() or " " in text:
        raise ValueError(EXPECTED)
    if not asked <= PARAMETERS:
        raise ValueError(f"has a parameter that is not known; allowed: {', '.join(sorted(PARAMETERS))}")
    return text


def is_postgres(url: str) -> bool:
    """Whether a ledger's URL is that of a server."""
    return url.startswith(SCHEMES)


def password_in(environ: Mapping[str, str]) -> str:
    """The password that libpq finds in the environment; empty where there is none."""
    return environ.get("PGPASSWORD", "")


def doubts(url: str) -> Iterator[str]:
    """Why this server may not be reached. It looks at files, so it blocks."""
    if find_spec("psycopg") is None:
        yield "ledger.url: PostgreSQL needs a driver that is not installed: pip install 'bytespike-exporter[postgres]'"
    for name, value in parse_qsl(urlsplit(url).query):
        if name == "passfile":
            yield from _of_passfile(Path(value))


def _of_passfile(path: Path) -> Iterator[str]:
    shown = masked(str(path))
    if not path.is_file():
        yield f"ledger.url: there is no file {shown}; write host:port:database:user:password into it"
    elif path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield f"ledger.url: libpq reads {shown} only while nobody else may; chmod 0600"


def _user_of(text: str) -> str:
    """What stands before the last @ of the host's part: user and, if one was written there, password."""
    return text.partition("://")[2].partition("/")[0].partition("?")[0].rpartition("@")[0]
