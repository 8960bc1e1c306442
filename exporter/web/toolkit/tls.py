"""From ``tls_server_config`` to an OpenSSL context.

pyOpenSSL, since Python's own ``ssl`` cannot ask a client for a certificate without judging it, which is what
RequestClientCert and RequireAnyClientCert mean, nor judge the names in it while the client still waits.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from ipaddress import IPv6Address

from cryptography import x509
from cryptography.hazmat.bindings.openssl.binding import Binding
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from OpenSSL import SSL, crypto

from exporter.settings.errors import ConfigError
from exporter.settings.reader import MAX_BYTES
from exporter.web.toolkit import names
from exporter.web.toolkit.settings import ClientAuth, TlsServerSettings, WebFile

_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)

_MODES = {
    ClientAuth.NONE: SSL.VERIFY_NONE,
    ClientAuth.REQUEST: SSL.VERIFY_PEER,
    ClientAuth.REQUIRE_ANY: SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT,
    ClientAuth.VERIFY_IF_GIVEN: SSL.VERIFY_PEER,
    ClientAuth.REQUIRE_AND_VERIFY: SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT,
}
_PARTIAL_WRITE = 1
"""SSL_MODE_ENABLE_PARTIAL_WRITE, which pyOpenSSL sets: it would cut each page into records for us to put together."""

_JUDGED = {ClientAuth.VERIFY_IF_GIVEN, ClientAuth.REQUIRE_AND_VERIFY}


def context(file: WebFile) -> SSL.Context | None:
    """What connections are made with, None where TLS is not wanted; ConfigError where it cannot be. Reads files."""
    settings = file.settings.tls_server_config
    if not settings.is_enabled:
        return None
    made = SSL.Context(SSL.TLS_SERVER_METHOD)
    _use_certificate(made, file)
    _use_clients(made, file)
    _use_suites(made, file)
    made.set_alpn_select_callback(_http1)
    # Each connection is judged by the file as it is, so none is taken up where an earlier one was left.
    made.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    made.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
    made.clear_mode(_PARTIAL_WRITE)
    made.set_mode(SSL.MODE_RELEASE_BUFFERS)  # most connections are idle most of the time
    return made


def expiry(file: WebFile) -> datetime | None:
    """When the certificate of a web configuration that is right ends; None where there is none."""
    if not file.settings.tls_server_config.is_enabled:
        return None
    return _certificates(_material(file, "cert")[1])[0].not_valid_after_utc


# ---- who we are ------------------------------------------------------------------------------------------------------


def _use_certificate(made: SSL.Context, file: WebFile) -> None:
    settings = file.settings.tls_server_config
    for key in ("cert", "key"):
        if not getattr(settings, key) and not getattr(settings, f"{key}_file"):
            written = f"{key}_file" if file.has(f"{key}_file") else key
            raise ConfigError([file.fault(written, f"is needed for TLS: {key}, or {key}_file")])
    cert_at, cert = _material(file, "cert")
    key_at, pem = _material(file, "key")
    chain, private = _certificates(cert), _private_key(pem)
    if not chain:
        raise ConfigError([file.fault(cert_at, "holds no certificate (PEM)")])
    if private is None:
        raise ConfigError([file.fault(key_at, "holds no key that can be used (PEM, without a passphrase)")])
    try:
        made.use_certificate(chain[0])
        for each in chain[1:]:
            made.add_extra_chain_cert(each)
        made.use_privatekey(private)  # type: ignore[arg-type] # of a kind that it cannot use, it says so
        made.check_privatekey()
    except (SSL.Error, TypeError, ValueError):
        raise ConfigError([file.fault(key_at, "is not the key of the certificate")]) from None


def _material(file: WebFile, key: str) -> tuple[str, bytes]:
    """What stands in a file, or else in the web configuration itself; and the key that says so."""
    settings = file.settings.tls_server_config
    path = settings.file(f"{key}_file", file.base)
    if path is None:
        return key, str(getattr(settings, key)).encode()
    try:
        with path.open("rb") as opened:
            return f"{key}_file", opened.read(MAX_BYTES)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise ConfigError([file.fault(f"{key}_file", f"{path} cannot be read: {reason}")]) from None


def _certificates(pem: bytes) -> list[x509.Certificate]:
    """The certificates of a text; what is none of these is passed over, as Go does."""
    found = []
    for block in _PEM.finditer(pem):
        if block[1] == b"CERTIFICATE":
            try:
                found.append(x509.load_pem_x509_certificate(block[0]))
            except ValueError:
                continue
    return found


def _private_key(pem: bytes) -> PrivateKeyTypes | None:
    """The first key of a text, which may hold other things too."""
    for block in _PEM.finditer(pem):
        if block[1].endswith(b"PRIVATE KEY"):
            try:
                # Whether its numbers are primes takes half a second and is not asked: it has to fit the certificate.
                return serialization.load_pem_private_key(block[0], password=None, unsafe_skip_rsa_key_validation=True)
            except (ValueError, TypeError):  # TypeError where it needs a passphrase
                return None
    return None


# ---- who they are ----------------------------------------------------------------------------------------------------


def _use_clients(made: SSL.Context, file: WebFile) -> None:
    settings = file.settings.tls_server_config
    auth = settings.client_auth
    if auth is None:
        fault = file.fault("client_auth_type", f"has to be one of: {', '.join(ClientAuth)}")
        raise ConfigError([fault])
    has_ca = bool(settings.client_ca or settings.client_ca_file)
    if has_ca:
        _use_authorities(made, file, auth)
    elif auth in _JUDGED:
        made.set_default_verify_paths()  # as Go: whoever this machine trusts
    mode = _MODES[auth]
    if settings.client_allowed_sans is not None and auth is not ClientAuth.NONE:
        mode |= SSL.VERIFY_FAIL_IF_NO_PEER_CERT  # whoever shows no certificate has none of the names
    made.set_verify(mode, _Judge(settings, is_strict=auth in _JUDGED))


def _use_authorities(made: SSL.Context, file: WebFile, auth: ClientAuth) -> None:
    key, pem = _material(file, "client_ca")
    if auth is ClientAuth.NONE:
        raise ConfigError([file.fault(key, "means nothing without a client_auth_type")])
    store = made.get_cert_store()
    assert store is not None  # noqa: S101 - a context has one
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)  # as in Go, who is named here is believed, root or not
    for authority in _certificates(pem):
        store.add_cert(crypto.X509.from_cryptography(authority))
        made.add_client_ca(authority)  # clients choose their certificate by these


class _Judge:
    """Asked about each certificate of a client's chain: OpenSSL says what it thinks, we say what counts."""

    def __init__(self, settings: TlsServerSettings, *, is_strict: bool) -> None:
        self._is_strict = is_strict
        self._allowed = None if settings.client_allowed_sans is None else frozenset(settings.client_allowed_sans)

    def __call__(self, _connection: SSL.Connection, cert: crypto.X509, _error: int, depth: int, ok: int) -> bool:
        if self._is_strict and not ok:
            return False
        if depth or self._allowed is None:
            return True
        try:
            return not self._allowed.isdisjoint(alternative_names(cert.to_cryptography()))
        except Exception:  # noqa: BLE001 - whatever is wrong with it, it is the client's
            return False


def alternative_names(cert: x509.Certificate) -> Iterator[str]:
    """The names of a certificate as Go writes them: DNS, e-mail, IP and URI."""
    try:
        names_of = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    for name in names_of:
        match name:
            case x509.DNSName() | x509.RFC822Name() | x509.UniformResourceIdentifier():
                yield name.value
            case x509.IPAddress():
                address = name.value
                mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
                yield str(mapped or address)


# ---- how we speak ----------------------------------------------------------------------------------------------------


def _use_suites(made: SSL.Context, file: WebFile) -> None:
    settings = file.settings.tls_server_config
    oldest = names.VERSIONS[settings.min_version]
    wanted = set(settings.cipher_suites or names.CIPHERS)
    suites = [openssl for name, openssl in names.CIPHERS.items() if name in wanted and openssl]
    if not suites:  # those of TLS 1.3 alone are wanted, so nothing before can be spoken
        oldest = max(oldest, names.VERSIONS["TLS13"])
    made.set_min_proto_version(oldest)
    made.set_max_proto_version(names.VERSIONS[settings.max_version])
    # OpenSSL speaks TLS 1.0 and 1.1 on its lowest level only, since these sign with SHA-1.
    level = 0 if oldest < names.VERSIONS["TLS12"] else 1
    made.set_cipher_list(":".join([*(suites or names.CIPHERS.values()), f"@SECLEVEL={level}"]).strip(":").encode())
    if settings.curve_preferences:
        _use_curves(made, file)


def _use_curves(made: SSL.Context, file: WebFile) -> None:
    """pyOpenSSL has a function for one curve, not for several; cryptography has OpenSSL's own."""
    wanted = file.settings.tls_server_config.curve_preferences
    groups = ":".join(openssl for name, openssl in names.CURVES.items() if name in wanted)
    try:
        done = Binding().lib.SSL_CTX_set1_curves_list(made._context, groups.encode())  # noqa: SLF001 - see above
    except AttributeError:
        done = 0
    if done != 1:
        raise ConfigError([file.fault("curve_preferences", "cannot be set with the OpenSSL of this installation")])


def _http1(_connection: SSL.Connection, offered: list[bytes]) -> bytes | SSL._NoOverlappingProtocols:
    return b"http/1.1" if b"http/1.1" in offered else SSL.NO_OVERLAPPING_PROTOCOLS
