"""What a web configuration may say, and reading one: every mistake with its line, or the settings.

Keys, values and what is refused are those of the toolkit's ``web/tls_config.go`` and ``web/handler.go``. Its YAML
library is laxer than ours is for the exporter's own file: a key may lack its value, and ``yes`` is true.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, TypeAdapter

from exporter.settings.errors import ConfigError, Fault, KeyPath, in_order
from exporter.settings.load import validated
from exporter.settings.model import Part
from exporter.settings.reader import MAX_BYTES, Document, Scalar, decode, read_lenient
from exporter.settings.reader import Mapping as Members
from exporter.web.toolkit import names
from exporter.web.toolkit.passwords import fault_of_hash

Complaint = tuple[KeyPath, str]


class ClientAuth(StrEnum):
    """What a client has to show of itself, by the names of Go's ``crypto/tls``."""

    NONE = "NoClientCert"
    REQUEST = "RequestClientCert"
    REQUIRE_ANY = "RequireAnyClientCert"
    VERIFY_IF_GIVEN = "VerifyClientCertIfGiven"
    REQUIRE_AND_VERIFY = "RequireAndVerifyClientCert"


# ---- one value -------------------------------------------------------------------------------------------------------

_TRUE = {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"}
_FALSE = {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"}

_NANOSECONDS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9}
_NANOSECONDS["h"] = 60 * _NANOSECONDS["m"]
_STEP = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")


def _text(value: object) -> str:
    match value:
        case Scalar(text=text) | str(text):
            return text
    raise ValueError("expected text")


def _flag(value: object) -> bool:
    text = value.text if isinstance(value, Scalar) and value.plain else value
    if text in _TRUE or text is True:
        return True
    if text in _FALSE or text is False:
        return False
    raise ValueError("expected true or false")


def _whole(value: object) -> int:
    text = value.text if isinstance(value, Scalar) and value.plain else ""
    if not re.fullmatch("[-+]?[0-9]{1,18}", text):
        raise ValueError("expected a whole number, such as 10")
    return int(text)


def _interval(value: object) -> float:
    """Seconds of a Go duration. A number without a unit counts nanoseconds, as it does in Go."""
    if isinstance(value, Scalar) and value.plain and re.fullmatch("[-+]?[0-9]{1,18}", value.text):
        return int(value.text) / 10**9
    text = _text(value)
    sign, steps = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if steps == "0":
        return 0.0
    if not re.fullmatch(f"(?:{_STEP.pattern})+", steps):
        raise ValueError("expected a duration, such as 500ms, 2s or 1m30s")
    return sign * sum(float(number) * _NANOSECONDS[unit] for number, unit in _STEP.findall(steps)) / 10**9


def _one_of(allowed: Mapping[str, Any], what: str) -> BeforeValidator:
    def check(value: object) -> str:
        if (text := _text(value)) not in allowed:
            raise ValueError(f"is not a known {what}; allowed: {', '.join(allowed)}")
        return text

    return BeforeValidator(check)


Text = Annotated[str, BeforeValidator(_text)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Version = Annotated[str, _one_of(names.VERSIONS, "TLS version")]
Cipher = Annotated[str, _one_of(names.CIPHERS, "cipher suite")]
Curve = Annotated[str, _one_of(names.CURVES, "curve")]


# ---- the file, part by part ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TlsServerSettings(Part):
    """Certificates, and what is asked of clients."""

    cert: Annotated[Text, Field(description="The certificate and its chain, PEM.")] = ""
    key: Annotated[Text, Field(description="The key of the certificate, PEM.")] = field(default="", repr=False)
    client_ca: Annotated[Text, Field(description="Who signs the certificates of clients, PEM.")] = ""
    cert_file: Annotated[Text, Field(description="File of the certificate and its chain.")] = ""
    key_file: Annotated[Text, Field(description="File of the key.")] = ""
    client_auth_type: Annotated[Text, Field(description="What a client has to show of itself.")] = ""
    client_ca_file: Annotated[Text, Field(description="File of those who sign the certificates of clients.")] = ""
    cipher_suites: Annotated[tuple[Cipher, ...], Field(description="Suites for TLS 1.2 and before.")] = ()
    curve_preferences: Annotated[tuple[Curve, ...], Field(description="Curves of the key exchange.")] = ()
    min_version: Annotated[Version, Field(description="The oldest TLS that is spoken.")] = "TLS12"
    max_version: Annotated[Version, Field(description="The newest TLS that is spoken.")] = "TLS13"
    prefer_server_cipher_suites: Annotated[Flag, Field(description="Accepted and ignored, as in Go.")] = True
    client_allowed_sans: Annotated[
        tuple[Text, ...] | None, Field(description="A client's certificate has to name one of these.")
    ] = None

    @property
    def is_enabled(self) -> bool:
        """Whether TLS is wanted at all; suites and versions alone do not ask for it."""
        own = (self.cert, self.key, self.cert_file, self.key_file)
        return any((*own, self.client_ca, self.client_ca_file, self.client_auth_type))

    @property
    def client_auth(self) -> ClientAuth | None:
        """What ``client_auth_type`` means; None where it means nothing."""
        if self.client_auth_type == "RequireClientCert":  # an older name
            return ClientAuth.REQUIRE_ANY
        if self.client_auth_type in {"", *ClientAuth}:
            return ClientAuth(self.client_auth_type or ClientAuth.NONE)
        return None

    def file(self, key: str, base: Path) -> Path | None:
        """The file that a key names, from the folder of the web configuration; None where it names none."""
        path: str = getattr(self, key)
        return base / path if path else None


@dataclass(frozen=True, slots=True)
class HttpServerSettings(Part):
    """What stands in every answer."""

    http2: Annotated[Flag, Field(description="Accepted; HTTP/2 is not served.")] = True
    headers: Annotated[dict[Text, Text], Field(description="Headers of every answer.")] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RateLimitSettings(Part):
    """A limit of requests, by a bucket of tokens."""

    interval: Annotated[
        float, BeforeValidator(_interval), Field(description="The time in which one more request may come; 0: none.")
    ] = 0.0
    burst: Annotated[int, BeforeValidator(_whole), Field(description="So many requests may come at once.")] = 0


@dataclass(frozen=True, slots=True)
class WebSettings(Part):
    """A whole web configuration."""

    tls_server_config: Annotated[TlsServerSettings, Field(description="TLS.")] = TlsServerSettings()
    http_server_config: Annotated[HttpServerSettings, Field(description="HTTP.")] = field(
        default_factory=HttpServerSettings
    )
    basic_auth_users: Annotated[dict[Text, Text], Field(description="Hashes of the passwords, by user.")] = field(
        default_factory=dict, repr=False
    )
    rate_limit: Annotated[RateLimitSettings, Field(description="A limit of requests.")] = RateLimitSettings()


_SETTINGS = TypeAdapter(WebSettings)


@dataclass(frozen=True, slots=True)
class WebFile:
    """A web configuration that says nothing wrong, and where it says what; relative paths start at ``base``."""

    settings: WebSettings
    base: Path
    document: Document[Members] = field(repr=False)

    def has(self, key: str) -> bool:
        """Whether that key of ``tls_server_config`` stands in the file, whatever it says."""
        members = self.document.root.get("tls_server_config")
        return isinstance(members, dict) and key in members

    def fault(self, key: str, message: str) -> Fault:
        """A fault of a key of ``tls_server_config``."""
        return self.document.fault(("tls_server_config", key), message)


def load(path: Path) -> WebFile:
    """The web configuration of a file; ConfigError with every mistake in it. It blocks while it reads."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise ConfigError([Fault(str(path), 0, "", f"cannot be read: {reason}")]) from None
    return parse(decode(content, file=str(path)), file=str(path), base=path.parent)


def parse(text: str, *, file: str, base: Path) -> WebFile:
    """The web configuration of a text; ``file`` names it in faults."""
    keys = ", ".join(key.name for key in WebSettings.declared())
    document = read_lenient(text, file=file, keys=keys)
    wrong: list[Complaint] = []
    settings = validated(_SETTINGS, WebSettings, _without_nulls(document.root), wrong)
    wrong += _wrong_headers(settings.http_server_config.headers) if settings else ()
    if settings is None or wrong or document.faults:
        raise ConfigError(in_order([*document.faults, *(document.fault(*complaint) for complaint in wrong)]))
    return WebFile(settings, base, document)


def check_at_start(file: WebFile) -> None:
    """ConfigError for what the toolkit refuses when it starts, and does not look at again in a running process."""
    faults = [*_wrong_users(file), *_wrong_for_http2(file)]
    if faults:
        raise ConfigError(in_order(faults))


def _without_nulls(value: object, *, is_map: bool = False) -> object:
    """Keys without a value are as good as left out; a user or header without one has an empty one."""
    if not isinstance(value, dict):
        return value
    if is_map:
        return {key: Scalar("", plain=True) if member is None else member for key, member in value.items()}
    return {
        key: _without_nulls(member, is_map=key in {"basic_auth_users", "headers"})
        for key, member in value.items()
        if member is not None
    }


def _wrong_headers(headers: Mapping[str, str]) -> Iterator[Complaint]:
    for name, value in headers.items():
        path = ("http_server_config", "headers", name)
        if name not in names.HEADERS:
            yield path, f"is no header that can be set; allowed: {', '.join(names.HEADERS)}"
        elif names.HEADERS[name] and value not in names.HEADERS[name]:
            yield path, f"has to be one of: {', '.join(names.HEADERS[name])}"


def _wrong_users(file: WebFile) -> Iterator[Fault]:
    """Neither the name of a user is repeated, which may be a password in the wrong place, nor what should be a hash."""
    for user, hashed in file.settings.basic_auth_users.items():
        if fault := fault_of_hash(hashed):
            line = file.document.line(("basic_auth_users", user))
            yield Fault(file.document.file, line, "basic_auth_users", f"the password of this user {fault}")


def _wrong_for_http2(file: WebFile) -> Iterator[Fault]:
    """A Go exporter does not start without a suite that HTTP/2 needs, so such a file would not move to one."""
    tls, http = file.settings.tls_server_config, file.settings.http_server_config
    is_asked = tls.is_enabled and http.http2 and tls.min_version != "TLS13"
    if is_asked and tls.cipher_suites and not names.FOR_HTTP2.intersection(tls.cipher_suites):
        needed = " or ".join(sorted(names.FOR_HTTP2))
        yield file.fault("cipher_suites", f"needs {needed}, unless http_server_config has http2: false")
