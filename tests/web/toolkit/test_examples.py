"""The examples of the toolkit, each accepted or refused as it does; and what it says of a good many more."""

from pathlib import Path

import pytest

from exporter.settings.errors import ConfigError
from exporter.web.toolkit.web_config import check
from tests.support import toolkit

REFUSED = {
    "web_config_auth_clientCAs_invalid.bad.yml": ":4: tls_server_config.client_ca_file: ",
    "web_config_auth_user_list_invalid.bad.yml": ":5: basic_auth_users: the password of this user is not a bcrypt hash",
    "web_config_headers_content_type_options.bad.yml": ":3: http_server_config.headers.X-Content-Type-Options: ",
    "web_config_headers_extra_header.bad.yml": ":3: http_server_config.headers.Content-Type: is no header that can be",
    "web_config_headers_frame_options.bad.yml": ":3: http_server_config.headers.X-Frame-Options: has to be one of",
    "web_config_junk.yml": ":1: a configuration is a mapping, with the keys tls_server_config, http_server_config, ",
    "web_config_junk_key.yml": ":2: tls_server_config.cert_filse: unknown key; did you mean cert_file?",
    "web_config_noAuth.bad.yml": ":4: tls_server_config.client_ca_file: means nothing without a client_auth_type",
    "web_config_noAuth_certPath_empty.bad.yml": ":2: tls_server_config.cert_file: is needed for TLS",
    "web_config_noAuth_certPath_invalid.bad.yml": ":2: tls_server_config.cert_file: ",
    "web_config_noAuth_certPath_keyPath_empty.bad.yml": ":2: tls_server_config.cert_file: is needed for TLS",
    "web_config_noAuth_certPath_keyPath_invalid.bad.yml": ":2: tls_server_config.cert_file: ",
    "web_config_noAuth_cert_empty.bad.yml": ":2: tls_server_config.cert: is needed for TLS",
    "web_config_noAuth_inventedCiphers.bad.yml": ":6: tls_server_config.cipher_suites[0]: is not a known cipher suite",
    "web_config_noAuth_inventedCurves.bad.yml": ":6: tls_server_config.curve_preferences[0]: is not a known curve",
    "web_config_noAuth_keyPath_empty.bad.yml": ":3: tls_server_config.key_file: is needed for TLS",
    "web_config_noAuth_keyPath_invalid.bad.yml": ":2: tls_server_config.cert_file: ",
    "web_config_noAuth_key_empty.bad.yml": ":3: tls_server_config.key: is needed for TLS",
    # this one the toolkit refuses as it begins to serve, not when it checks the file
    "web_config_noAuth_noHTTP2Cipher.bad.yml": ":5: tls_server_config.cipher_suites: needs TLS_ECDHE_ECDSA_WITH_AES_",
    "web_config_noAuth_wrongTLSVersion.bad.yml": ":5: tls_server_config.min_version: is not a known TLS version",
}
"""What is refused, and where the fault stands."""

MORE = [
    *("# nothing", "---", "~", "{}", "[]", "text", "tls_server_config:", "basic_auth_users:", "rate_limit:", "a: b"),
    *("basic_auth_users: {a: }", "basic_auth_users: {a: ''}", "basic_auth_users: [a]", "basic_auth_users: a"),
    *("http_server_config: {http2: yes}", "http_server_config: {http2: 'true'}", "http_server_config: {http2: 1}"),
    *("http_server_config: {headers: }", "http_server_config: {headers: {X-Frame-Options: }}"),
    *("http_server_config: {headers: {X-XSS-Protection: }}", "http_server_config: {headers: {x-xss-protection: 1}}"),
    *("rate_limit: {interval: 5}", "rate_limit: {interval: '5'}", "rate_limit: {interval: 1m30s}"),
    *("rate_limit: {interval: -1s}", "rate_limit: {interval: 1d}", "rate_limit: {interval: .5s, burst: -1}"),
    *("rate_limit: {burst: '1'}", "rate_limit: {burst: x}", "rate_limit: {interval: }", "rate_limit: {interval: ''}"),
    *("tls_server_config: {min_version: TLS13}", "tls_server_config: {min_version: }"),
    *("tls_server_config: {min_version: ''}", "tls_server_config: {cipher_suites: }"),
    *("tls_server_config: {cipher_suites: TLS_AES_128_GCM_SHA256}", "tls_server_config: {client_auth_type: x}"),
    *("tls_server_config: {prefer_server_cipher_suites: off}", "tls_server_config: {client_allowed_sans: []}"),
    *("tls_server_config: {cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]}", "{tls_server_config: {}, a: 1}"),
    *("rate_limit: {burst: 1}\nrate_limit: {burst: 2}", "rate_limit: {burst: 1, burst: 2}"),
]

HASH = "3uo25hPmn6NqoHXR0/vQbOsSmvJN4UCEsm6TtHtbeYtwXBv2sqIPW"
HASHES = [
    *(f"$2{minor}$10${HASH}" for minor in ("a", "b", "x", "y", "z")),
    *(f"$2$10${HASH}", f"$3a$10${HASH}", f"2a$10${HASH}", f"$2a$03${HASH}", f"$2a$32${HASH}", f"$2a$xx${HASH}"),
    *(f"$2a$10${HASH[:-1]}", f"$2a$10${HASH[:-2]}", f"$2a$10${HASH}x", "$2a$10$", "$", "secret"),
]


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_the_toolkit_refuses(examples: Path, name: str) -> None:
    with pytest.raises(ConfigError) as refused:
        check(examples / name)

    assert str(refused.value).startswith(f"{examples / name}{REFUSED[name]}")


def test_everything_else_is_accepted(examples: Path) -> None:
    others = [path for path in examples.glob("*.y*ml") if path.name not in REFUSED]
    assert len(others) >= 20

    for path in others:
        check(path)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match=r"^somefile: cannot be read: No such file or directory$"):
        check(Path("somefile"))


def test_more_files_than_the_toolkit_has_examples(go_exporter: Path, tmp_path: Path) -> None:
    texts = [*MORE, *(f"basic_auth_users: {{a: '{hashed}'}}" for hashed in HASHES)]
    files = []
    for number, text in enumerate(texts):
        files.append(tmp_path / f"{number}.yml")
        files[-1].write_text(text)

    ours = [is_accepted(file) for file in files]
    theirs = [told == "ok" for told in toolkit.checked(go_exporter, files)]

    assert [text for text, our, their in zip(texts, ours, theirs, strict=True) if our != their] == []
    assert any(theirs)
    assert not all(theirs)


def is_accepted(file: Path) -> bool:
    try:
        check(file)
    except ConfigError:
        return False
    return True
