"""Where the exporter is, and how one shows it who asks. Nothing of what is secret is in a repr."""

import os
import re
import ssl
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx

from exporter.errors import ExporterError
from exporter.hosts import is_loopback
from exporter.outbound import Outbound, parsed
from exporter.secrets import SecretSource

UNIX = "unix:"

_SENDABLE = re.compile(r"[\x21-\x7e]+")


class AddressError(ExporterError):
    """The exporter cannot be asked as it was said; the text says what is wrong and what is expected."""


@dataclass(frozen=True, slots=True)
class Address:
    """``url`` is what paths are put behind, ``socket`` the file that it is reached by, where it is one."""

    url: str
    socket: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """``http://HOST:PORT``, ``https://…``, with a path where there is a prefix, or ``unix:/path``; ValueError."""
        if text.startswith(f"{UNIX}/"):
            return cls("http://localhost", text.removeprefix(UNIX))
        url = parsed(text)
        if url is None or url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query:
            raise ValueError("expected http://HOST:PORT, https://HOST/prefix or unix:/path, without user or query")
        return cls(str(url).rstrip("/"))

    def __str__(self) -> str:
        return f"{UNIX}{self.socket}" if self.socket else self.url


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who asks: a bearer token, or a user with a password, or nobody. A file wins over an environment variable."""

    token_file: Path | None = None
    token_env: str | None = None
    user: str | None = None
    password_file: Path | None = None
    password_env: str | None = None

    def header(self, environ: Mapping[str, str]) -> dict[str, str]:
        """What goes with each request, read anew, for it may change. It blocks, and raises AddressError."""
        if self.user is not None:
            password = _secret("password", self.password_file, self.password_env, environ)
            if password is None:
                raise AddressError(f"a password is needed: --password-file, or {self.password_env} in the environment")
            return {"Authorization": f"Basic {b64encode(f'{self.user}:{password}'.encode()).decode()}"}
        token = _secret("token", self.token_file, self.token_env, environ)
        if token is not None and not _SENDABLE.fullmatch(token):
            raise AddressError("the token holds characters that no header may carry; is it one token, and all of it?")
        return {} if token is None else {"Authorization": f"Bearer {token}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Whom https is believed, and by what certificate we are known. The files hold PEM."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    insecure_skip_verify: bool = field(default=False)

    def context(self, outbound: Outbound) -> ssl.SSLContext:
        """It blocks, and raises AddressError."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file) if self.ca_file else outbound.tls_context()
            if self.cert_file:
                # the password of an encrypted key would be asked for on the terminal: with an empty one it is refused
                context.load_cert_chain(self.cert_file, self.key_file, password="")
        except OSError as error:
            reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
            raise AddressError(f"the certificates or the key cannot be used: {reason}") from None
        if self.insecure_skip_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def transport(address: Address, trust: Trust, environ: Mapping[str, str] = os.environ) -> httpx.AsyncBaseTransport:
    """The way to the exporter: a proxy of the environment is not for this machine. It blocks; raises AddressError."""
    outbound = Outbound.of(environ)
    url = httpx.URL(address.url)
    context = trust.context(outbound) if url.scheme == "https" else True
    if address.socket:
        return httpx.AsyncHTTPTransport(uds=address.socket, trust_env=False)
    proxy = None if is_loopback(url.host) else outbound.proxy_for(address.url)
    return httpx.AsyncHTTPTransport(verify=context, proxy=proxy, trust_env=False)


def _secret(what: str, file: Path | None, env: str | None, environ: Mapping[str, str]) -> str | None:
    """The secret; None where nobody has named one."""
    if file is None and (env is None or not environ.get(env)):
        return None
    source = SecretSource(file=file) if file else SecretSource(env=env, environ=environ)
    if source.fault is not None:
        raise AddressError(f"the {what}: {source.fault}")
    return source.reveal()
