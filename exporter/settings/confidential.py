"""The secrets that a configuration names: where they are, what they are, and what is to be said of them.

Everything here looks at files, so it blocks.
"""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from urllib.parse import parse_qsl, urlsplit

from exporter.logs import Secrets
from exporter.secrets import SecretSource, weaknesses
from exporter.settings.errors import KeyPath
from exporter.settings.fields import Confidential
from exporter.settings.model import AccountSettings, GroupSettings, HttpSdSettings, Part, Settings, parts_in
from exporter.settings.postgres import is_postgres, password_in
from exporter.settings.reader import Scalar
from exporter.suspects import masked

_TELLING = re.compile("token|key|secret|passw|auth|sig|cred", re.IGNORECASE)

NO_VARIABLES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class SecretPlace:
    """Where one secret is: in the environment variable ``env`` or in ``file``. ``where`` is the key that says so."""

    where: str
    kind: Confidential
    env: str | None = None
    file: Path | None = None

    def source(self, secrets: Secrets, environ: Mapping[str, str]) -> SecretSource:
        """The secret, read, and told to those that know them all."""
        return SecretSource(env=self.env, file=self.file, environ=environ, hide=secrets.add)


def secret_places(settings: Settings) -> Iterator[SecretPlace]:
    """Every place of a secret that the settings name, as often as they name it."""
    for key in settings.declared():
        value = getattr(settings, key.attribute)
        for member in value if isinstance(value, tuple) else ():
            yield from _within(member, f"{_called(member)}: ")
        if isinstance(value, Part):
            yield from _within(value, f"{key.name}.")


def sources_of(settings: Settings, secrets: Secrets, environ: Mapping[str, str]) -> list[SecretSource]:
    """Every secret that is no private key, read, each once; those in URLs are told to ``secrets`` as well."""
    for group in settings.task_groups:
        for source in group.http_sd_configs:
            for token in tokens_in(source):
                secrets.add(token)
    if is_postgres(settings.ledger.url):
        secrets.add(password_in(environ))
    places = {(place.env, place.file): place for place in secret_places(settings) if _is_one_word(place.kind)}
    return [place.source(secrets, environ) for place in places.values()]


def tokens_in(source: HttpSdSettings) -> list[str]:
    """What stands in the query of a URL under a name that tells of a secret."""
    return [value for name, value in parse_qsl(urlsplit(source.url).query) if _TELLING.search(name)]


def known_secrets(root: object, base: Path, environ: Mapping[str, str]) -> Secrets:
    """The secrets that a document names, whatever else is wrong with it: what must not stand anywhere in it."""
    secrets = Secrets()
    names = frozenset(_names(Settings))
    for env, file in dict.fromkeys(_named(root, names)):
        path = base / os.fsdecode(file.encode()) if file else None  # as fields.File has it, in any locale
        SecretSource(env=env, file=path, environ=environ, hide=secrets.add)
    return secrets


def _within(part: Part, where: str) -> Iterator[SecretPlace]:
    for attribute, kind in part.confidential().items():
        match getattr(part, attribute):
            case Path() as file:
                yield SecretPlace(f"{where}{attribute}", kind, file=file)
            case str(env):
                yield SecretPlace(f"{where}{attribute}", kind, env=env)
    for attribute in part.holding_parts():
        value = getattr(part, attribute)
        for inner in value if isinstance(value, tuple) else (value,):
            if isinstance(inner, Part):
                yield from _within(inner, where)


def _called(part: Part) -> str:
    match part:
        case AccountSettings(name=name):
            return f"account {name}"
        case GroupSettings(name=name):
            return f"task group {name}"
    raise TypeError(type(part).__name__)


def _is_one_word(kind: Confidential) -> bool:
    return kind is not Confidential.PRIVATE_KEY


# ---- in a document that may be wrong ---------------------------------------------------------------------------------


def _names(part: type[Part]) -> Iterator[str]:
    """The keys by which the file names secrets."""
    yield from (name for name, kind in part.confidential().items() if _is_one_word(kind))
    for key in part.declared():
        for inner in parts_in(key.hint):
            yield from _names(inner)


def _named(value: object, names: frozenset[str]) -> Iterator[tuple[str | None, str | None]]:
    """Variable or file, wherever one of these keys stands."""
    if isinstance(value, dict):
        for key, member in value.items():
            if key in names and isinstance(member, Scalar):
                yield (member.text, None) if key.endswith("_env") else (None, member.text)
            else:
                yield from _named(member, names)
    elif isinstance(value, list) and value and isinstance(value[0], dict | list):
        yield from chain.from_iterable(_named(member, names) for member in value)


MISPLACED = "is or holds a secret of this exporter, which is never taken for anything else; take it out"


def misplaced(root: object, secrets: Secrets) -> Iterator[tuple[KeyPath, str]]:
    """Where in a document a secret stands itself, as a value or as a key, rather than where it is to be found."""
    return ((path, MISPLACED) for path, text in _texts(root, ()) if secrets.holds(text))


def _texts(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, dict):
        for key, member in value.items():
            yield (*path, key), key
            yield from _texts(member, (*path, key))
    elif isinstance(value, list):
        for at, member in enumerate(value):
            yield from _texts(member, (*path, at))
    elif isinstance(value, Scalar):
        yield path, value.text


# ---- warnings --------------------------------------------------------------------------------------------------------


def missing(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """The secrets that are not there: which, where it is asked for, and what to do."""
    found = (_missing(place, environ) for place in secret_places(settings))
    return [warning for warning in found if warning]


def weak(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """The secrets that are there, and guard less than they seem to. None of them is repeated."""
    return list(chain.from_iterable(_weak(place, environ) for place in secret_places(settings)))


def _missing(place: SecretPlace, environ: Mapping[str, str]) -> str | None:
    if place.file is not None:
        fault = _fault_of(place.file)
        return f"{place.where}: {fault}" if fault else None
    if SecretSource(env=place.env, environ=environ).reveal() is not None:
        return None
    return f"{place.where}: the environment variable {masked(place.env or '')} is not set; set it to the API key"


def _fault_of(path: Path) -> str | None:
    shown = masked(str(path))
    if not path.is_file():
        return f"there is no file {shown}; write the secret into it"
    if not os.access(path, os.R_OK):
        return f"{shown} cannot be read; let the exporter's user read it"
    return None if path.stat().st_size else f"{shown} is empty; write the secret into it"


def _weak(place: SecretPlace, environ: Mapping[str, str]) -> Iterator[str]:
    if place.file is not None and is_open_to_all(place.file):
        yield f"{place.where}: {masked(str(place.file))} can be read by everybody on this machine; chmod o-r"
    if _is_one_word(place.kind) and (secret := place.source(Secrets(), environ).reveal()) is not None:
        for weakness in weaknesses(secret):
            yield f"{place.where}: the secret {weakness}"


def is_open_to_all(path: Path) -> bool:
    """Whether everybody on the machine may read a file: by its own mode, and by those of the directories above it."""
    try:
        real = path.resolve(strict=True)
        return bool(real.stat().st_mode & stat.S_IROTH) and all(
            above.stat().st_mode & stat.S_IXOTH for above in real.parents
        )
    except (OSError, RuntimeError):
        return False
