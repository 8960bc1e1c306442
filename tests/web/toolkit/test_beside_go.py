"""A Go exporter and ours, with the same web configuration, answer the same requests in the same way."""

import asyncio
import base64
import ssl
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import bcrypt
import pytest

from tests.support import toolkit
from tests.web.toolkit.serving import REFUSED, ask, client, serving

TLS = "tls_server_config:\n  cert_file: {examples}/server.crt\n  key_file: {examples}/server.key\n"
CA = "  client_ca_file: {examples}/client2_selfsigned.pem\n"
SANS = "  client_allowed_sans: [one, test3]\n"
NO_SANS = "  client_allowed_sans: [one, two]\n"
EMPTY_SANS = "  client_allowed_sans: []\n"

LONG = "p" * 80
PASSWORDS = {"dave": "dave123", "long": LONG, "ümlaut": "pässword", "nul": "a\0b", "empty": ""}
HEADERS = """\
http_server_config:
  headers:
    X-Frame-Options: deny
    X-Content-Type-Options: nosniff
    X-XSS-Protection: 1
    Strict-Transport-Security: max-age=31536000; includeSubDomains
    Content-Security-Policy: >
      default-src 'self'
      *.test.example.net
"""


def _auth(kind: str, more: str = "") -> str:
    return f"{TLS}  client_auth_type: {kind}\n{more}"


def _users() -> str:
    hashes = {name: bcrypt.hashpw(word.encode()[:72], bcrypt.gensalt(4)).decode() for name, word in PASSWORDS.items()}
    hashes["old"] = hashes["dave"].replace("$2b$", "$2a$")
    hashes["apache"] = hashes["dave"].replace("$2b$", "$2y$")
    hashes["broken"] = f"{hashes['dave'][:7]}!{hashes['dave'][8:]}"
    lines = (f"  {name}: '{hashed}'\n" for name, hashed in hashes.items())
    return "basic_auth_users:\n" + "".join(lines)


CONFIGS: Mapping[str, str] = {
    "empty": "",
    "TLS": TLS,
    "RequestClientCert": _auth("RequestClientCert"),
    "RequestClientCert with SANs": _auth("RequestClientCert", SANS),
    "RequireAnyClientCert": _auth("RequireAnyClientCert"),
    "RequireAnyClientCert with SANs": _auth("RequireAnyClientCert", SANS),
    "RequireClientCert, its old name": _auth("RequireClientCert"),
    "VerifyClientCertIfGiven": _auth("VerifyClientCertIfGiven", CA),
    "VerifyClientCertIfGiven with SANs": _auth("VerifyClientCertIfGiven", CA + SANS),
    "RequireAndVerifyClientCert": _auth("RequireAndVerifyClientCert", CA),
    "RequireAndVerifyClientCert with SANs": _auth("RequireAndVerifyClientCert", CA + SANS),
    "RequireAndVerifyClientCert with other SANs": _auth(
        "RequireAndVerifyClientCert", f"{CA}  client_allowed_sans: [x]"
    ),
    "RequireAndVerifyClientCert with no SAN": _auth("RequireAndVerifyClientCert", CA + EMPTY_SANS),
    "RequireAndVerifyClientCert by the machine's CAs": _auth("RequireAndVerifyClientCert"),
    "only TLS 1.3": f"{TLS}  min_version: TLS13\n",
    "only TLS 1.2": f"{TLS}  max_version: TLS12\n",
    "from TLS 1.0": f"{TLS}  min_version: TLS10\n",
    "no version": f"{TLS}  min_version: TLS13\n  max_version: TLS12\n",
    "one cipher": f"{TLS}  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\n",
    "ciphers of TLS 1.3": f"{TLS}  cipher_suites: [TLS_AES_128_GCM_SHA256]\nhttp_server_config: {{http2: false}}\n",
    "two curves": f"{TLS}  curve_preferences: [CurveP521, X25519]\n",
    "users": _users(),
    "users and headers": _users() + HEADERS,
    "users and TLS": TLS + _users(),
    "headers": HEADERS,
    "a limit and headers": "rate_limit: {interval: 1h, burst: 3}\n" + HEADERS,
    "a limit and no burst": "rate_limit: {interval: 1s}",
    "no limit": "rate_limit: {interval: -1s, burst: 0}",
    "a wrong type": _auth("Nonsense"),
    "no suite for HTTP/2": f"{TLS}  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]\n",
}


def basic(user: str, password: str) -> str:
    return "Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _requests(examples: Path) -> Mapping[str, tuple[tuple[str, ...], ssl.SSLContext | None]]:
    known = base64.b64encode(b"dave:dave123").decode()
    return {
        "plain": ((), None),
        "plain again": ((), None),
        **{f"as {user}": ((basic(user, word),), None) for user, word in PASSWORDS.items()},
        "long, but for what bcrypt does not read": ((basic("long", LONG[:72] + "x"),), None),
        "long, but for what it reads": ((basic("long", LONG[:71] + "x"),), None),
        "an $2a$ hash": ((basic("old", "dave123"),), None),
        "an $2y$ hash": ((basic("apache", "dave123"),), None),
        "a broken hash": ((basic("broken", "dave123"),), None),
        "a wrong password": ((basic("dave", "dave124"),), None),
        "a wrong password again": ((basic("dave", "dave124"),), None),
        "nobody": ((basic("nobody", "fakepassword"),), None),
        "no colon": (("Authorization: Basic ZGF2ZQ==",), None),
        "no base64": (("Authorization: Basic !",), None),
        "no padding": ((f"Authorization: Basic {known.rstrip('=')}",), None),
        "lower case": ((f"authorization: basic {known}",), None),
        "another scheme": ((f"Authorization: Bearer {known}",), None),
        "two at once": ((f"Authorization: Basic {known}", basic("dave", "x")), None),
        "TLS": ((), client()),
        "TLS as dave": ((basic("dave", "dave123"),), client()),
        "TLS as nobody": ((basic("nobody", "x"),), client()),
        "with a certificate": ((), client(examples / "client_selfsigned.pem", key=examples / "client_selfsigned.key")),
        "with another": ((), client(examples / "client2_selfsigned.pem", key=examples / "client2_selfsigned.key")),
        "with one for servers": ((), client(examples / "server.crt", key=examples / "server.key")),
        "TLS 1.2": ((), client(most=ssl.TLSVersion.TLSv1_2)),
        "TLS 1.3": ((), client(least=ssl.TLSVersion.TLSv1_3)),
        "TLS 1.1": ((), client(least=ssl.TLSVersion.TLSv1_1, most=ssl.TLSVersion.TLSv1_1)),
        "another cipher": ((), client(most=ssl.TLSVersion.TLSv1_2, ciphers="ECDHE-RSA-AES256-GCM-SHA384")),
        "a weak cipher": ((), client(most=ssl.TLSVersion.TLSv1_2, ciphers="AES128-SHA")),
        "another curve": ((), client(curve="secp384r1")),
        "one of the curves": ((), client(curve="secp521r1")),
    }


@pytest.fixture
def write(examples: Path, tmp_path: Path) -> Callable[[str, str], Path]:
    def write(name: str, text: str) -> Path:
        path = tmp_path / f"{name.replace('/', ' ')}.yml"
        path.write_text(text.replace("{examples}", str(examples)))
        return path

    return write


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_the_same_answers(go_exporter: Path, examples: Path, write: Callable[[str, str], Path]) -> None:
    files = [write(name, text) for name, text in CONFIGS.items()]
    requests = _requests(examples)
    async with AsyncExitStack() as stack:
        theirs = stack.enter_context(toolkit.serving(go_exporter, files))
        ours = [await stack.enter_async_context(serving(file)) for file in files]

        differ: dict[str, object] = {}
        for name, our, their in zip(CONFIGS, ours, theirs, strict=True):
            if our.startswith(REFUSED) or their.startswith(REFUSED):
                if our.startswith(REFUSED) != their.startswith(REFUSED):
                    differ[name] = (our, their)
                continue
            for asked, (headers, tls) in requests.items():
                if _is_for(name, asked, is_plain=tls is None):
                    answers = await asyncio.gather(ask(our, *headers, tls=tls), ask(their, *headers, tls=tls))
                    if answers[0] != answers[1]:
                        differ[f"{name}: {asked}"] = answers

    assert differ == {}


def _is_for(config: str, asked: str, *, is_plain: bool) -> bool:
    """Users are asked of where there are users, and certificates where there is TLS: the rest is the same."""
    if asked.startswith("plain"):
        return True
    has_tls, has_users = TLS in CONFIGS[config], "users" in config
    if is_plain:
        return has_users and not has_tls
    return has_tls and (not has_users or asked.startswith("TLS"))


CHANGES = {
    "as it was": "{tls}{users}",
    "no YAML": "{",
    "an unknown key": "{tls}{users}a: b\n",
    "well again": "{tls}{users}",
    "no users": "{tls}",
    "a user with no hash": "{tls}basic_auth_users: {dave: dave123}\n",
    "a header that cannot be": "{tls}http_server_config: {headers: {Server: x}}\n",
    "no certificate": "{users}tls_server_config: {client_auth_type: NoClientCert}\n",
    "no TLS": "{users}",
    "a certificate is needed": "{tls}  client_auth_type: RequireAnyClientCert\n{users}",
    "only TLS 1.3": "{tls}  min_version: TLS13\n{users}",
    "no suite for HTTP/2": "{tls}  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]\n{users}",
}


@pytest.mark.slow
async def test_the_same_answers_after_changes(
    go_exporter: Path, examples: Path, write: Callable[[str, str], Path]
) -> None:
    users = _users()
    encrypted = write("encrypted", TLS + users)
    plain = write("plain", users)
    tls, old = client(), client(most=ssl.TLSVersion.TLSv1_2)
    differ = {}
    async with AsyncExitStack() as stack:
        theirs = stack.enter_context(toolkit.serving(go_exporter, [encrypted, plain]))
        ours = [await stack.enter_async_context(serving(file, every=0.02)) for file in (encrypted, plain)]
        for change, text in CHANGES.items():
            for name in ("encrypted", "plain"):
                write(name, text.replace("{tls}", TLS).replace("{users}", users))
            await asyncio.sleep(1)  # ours looks again after a fiftieth of that
            for headers in ((), (basic("dave", "dave123"),), (basic("dave", "wrong"),)):
                for kind, our, their, speaks in (
                    ("encrypted", ours[0], theirs[0], tls),
                    ("encrypted", ours[0], theirs[0], old),
                    ("plain", ours[1], theirs[1], None),
                ):
                    answers = [await ask(our, *headers, tls=speaks), await ask(their, *headers, tls=speaks)]
                    if answers[0] != answers[1]:
                        differ[f"{change}: {kind} {headers}"] = answers

    assert differ == {}
