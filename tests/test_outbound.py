"""What is made of the environment: who is asked through which proxy, who is trusted, and what is left out and told."""

import ssl
import subprocess
from pathlib import Path

import pytest

from exporter.outbound import Outbound
from tests.support.tools import need_tool

PASSWORD = "hunter2"


def proxy_for(url: str, **environ: str) -> str | None:
    proxy = Outbound.of(environ).proxy_for(url)
    return str(proxy.url) if proxy else None


# ---- proxies ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "url", "proxy"),
    [
        ({}, "https://api", None),
        ({"HTTPS_PROXY": "http://p:3128"}, "https://api", "http://p:3128"),
        ({"HTTPS_PROXY": "http://p:3128"}, "http://api", None),
        ({"HTTP_PROXY": " p:3128 "}, "http://api", "http://p:3128"),
        ({"ALL_PROXY": "socks5://p"}, "https://api", "socks5://p"),
        ({"ALL_PROXY": "socks5h://p", "HTTPS_PROXY": "https://q/"}, "https://api", "https://q/"),
        ({"https_proxy": "http://lower", "HTTPS_PROXY": "http://upper"}, "https://api", "http://lower"),
        ({"https_proxy": "", "HTTPS_PROXY": "http://upper"}, "https://api", None),
        ({"HTTPS_PROXY": "http://p"}, "no url", None),
        ({"HTTPS_PROXY": "http://p"}, "http://x:y", None),
    ],
)
def test_the_proxy_of_a_url(environ: dict[str, str], url: str, proxy: str | None) -> None:
    assert proxy_for(url, **environ) == proxy
    assert not Outbound.of(environ).warnings


def test_its_credentials_are_sent_and_not_shown() -> None:
    outbound = Outbound.of({"HTTPS_PROXY": f"http://user:{PASSWORD}%23@p:3128"})
    proxy = outbound.proxy_for("https://api")
    assert proxy is not None
    assert proxy.raw_auth == (b"user", f"{PASSWORD}#".encode())
    assert PASSWORD not in f"{outbound!r}{proxy!r}"


@pytest.mark.parametrize(
    "value",
    [
        f"http://user:{PASSWORD}#x@p:3128",
        f"http://user:1#{PASSWORD}@p:3128",
        f"http://user:1/{PASSWORD}@p:3128",
        f"http://user:1?{PASSWORD}@p:3128",
        f"http://user:x@{PASSWORD}@p:port",
        f"{PASSWORD}://p",
        "socks4://p",
        "http://",
        "http://p:99999",
        f"http://user:{PASSWORD}\udcff@p:3128",
        "http://xn--zz--.example:3128",
    ],
)
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "all_proxy"])
def test_what_is_no_proxy_is_left_out_and_not_quoted(name: str, value: str) -> None:
    outbound = Outbound.of({name: value})
    assert outbound.proxy_for("https://api") is None
    [warning] = outbound.warnings
    assert warning.startswith(f"{name} is not the address of a proxy that can be used, and is left out")
    assert PASSWORD not in f"{warning}{outbound!r}"


@pytest.mark.parametrize(
    ("no_proxy", "asked_straight", "asked_through_it"),
    [
        ("*", ["http://api", "http://[::1]"], []),
        (
            "api.example",
            ["http://api.example", "http://API.example.", "http://eu.api.example"],
            ["http://myapi.example"],
        ),
        (".example", ["http://api.example"], ["http://example"]),
        ("*.example", ["http://api.example"], ["http://example"]),
        ("localhost, 127.0.0.1", ["http://localhost:9", "http://127.0.0.1"], ["http://127.0.0.2"]),
        ("10.0.0.0/8", ["http://10.2.3.4", "http://[::ffff:10.2.3.4]"], ["http://11.0.0.1", "http://ten.example"]),
        ("fd00::/8", ["http://[fd12::1]:80"], ["http://[fe80::1]", "http://fd00.example"]),
        ("[::1]", ["http://[::1]:9"], ["http://[::2]"]),
        ("::1", ["http://[::1]"], ["http://127.0.0.1"]),
        ("[::1]:9", ["http://[::1]:9"], ["http://[::1]:8"]),
        ("api:443 other:80", ["https://api", "http://other"], ["http://api", "https://other"]),
        ("http://api", ["http://api"], ["http://other"]),
        (" , ,", [], ["http://api"]),
    ],
)
def test_who_is_asked_straight(no_proxy: str, asked_straight: list[str], asked_through_it: list[str]) -> None:
    environ = {"ALL_PROXY": "http://p", "NO_PROXY": no_proxy}
    assert [url for url in asked_straight if proxy_for(url, **environ)] == []
    assert [url for url in asked_through_it if not proxy_for(url, **environ)] == []
    assert Outbound.of(environ).warnings == ()


@pytest.mark.parametrize("entry", ["10.0.0.0/99", "[::1", "fd00::/8/8", "a b|c", "api:port", "1:2:3"])
def test_an_entry_that_means_nothing_is_left_out(entry: str) -> None:
    environ = {"ALL_PROXY": "http://p", "no_proxy": f"api,{entry}"}
    warnings = Outbound.of(environ).warnings
    assert warnings[-1].startswith("no_proxy: ")
    assert warnings[-1].endswith("is neither a host, an address nor a network, and is left out")
    assert proxy_for("http://api", **environ) is None


def test_a_password_among_the_exempt_is_not_quoted() -> None:
    [warning] = Outbound.of({"NO_PROXY": f"user:{PASSWORD}@p"}).warnings
    assert warning == "NO_PROXY: *** is neither a host, an address nor a network, and is left out"


# ---- certificates ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    new = (
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-days",
        "2",
        "-subj",
        "/CN=ours",
    )
    files = ("-nodes", "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem"))
    subprocess.run([need_tool("openssl"), *new, *files], check=True, capture_output=True)
    (folder / "hashed").mkdir()
    name = subprocess.run(
        [need_tool("openssl"), "x509", "-hash", "-noout", "-in", folder / "cert.pem"], check=True, capture_output=True
    )
    (folder / "hashed" / f"{name.stdout.decode().strip()}.0").write_bytes((folder / "cert.pem").read_bytes())
    return folder


def trusted(context: ssl.SSLContext) -> int:
    return len(context.get_ca_certs())


def test_the_file_that_is_named_is_trusted_alone(authority: Path) -> None:
    outbound = Outbound.of({"SSL_CERT_FILE": str(authority / "cert.pem")})
    assert outbound.warnings == ()
    assert trusted(outbound.tls_context()) == 1
    assert trusted(Outbound.of({}).tls_context()) > 50


@pytest.mark.parametrize(
    ("name", "path", "reason"),
    [
        ("SSL_CERT_FILE", "none.pem", "No such file or directory"),
        ("SSL_CERT_FILE", "key.pem", "it holds no certificates (PEM)"),
        ("SSL_CERT_FILE", ".", "Is a directory"),
        ("SSL_CERT_DIR", "none", "No such file or directory"),
        ("SSL_CERT_DIR", "cert.pem", "Not a directory"),
        ("SSL_CERT_DIR", ".", "no certificate in it is named by its hash (openssl rehash does that)"),
    ],
)
def test_what_cannot_be_used_is_left_out_and_named(authority: Path, name: str, path: str, reason: str) -> None:
    outbound = Outbound.of({name: str(authority / path)})
    assert outbound.warnings == (f"{name}: {authority / path} cannot be used, and is left out: {reason}",)
    assert trusted(outbound.tls_context()) > 50


def test_of_several_directories_those_that_can_be_used_are(authority: Path) -> None:
    outbound = Outbound.of({"SSL_CERT_DIR": f"{authority}/none:{authority}/hashed"})
    assert len(outbound.warnings) == 1
    assert trusted(outbound.tls_context()) == 0, "a directory is looked into when a server is asked"


def test_connections_of_one_outbound_share_what_takes_long_to_make() -> None:
    """Some forty milliseconds and half a megabyte, for each of a thousand accounts."""
    outbound = Outbound.of({})
    assert outbound.shared_tls_context() is outbound.shared_tls_context()
    assert outbound.tls_context() is not outbound.tls_context()
