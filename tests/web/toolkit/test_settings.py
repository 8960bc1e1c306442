"""What a web configuration may say: each mistake with its line, and no secret in any of it."""

from pathlib import Path

import pytest

from exporter.settings.errors import ConfigError
from exporter.web.toolkit.settings import ClientAuth, WebFile, check_at_start, parse

HASH = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"


def read(text: str) -> WebFile:
    return parse(text, file="web.yml", base=Path("/etc"))


def faults(text: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        check_at_start(read(text))
    return [str(fault) for fault in refused.value.faults]


def test_an_empty_file_asks_for_nothing() -> None:
    settings = read("").settings

    assert not settings.tls_server_config.is_enabled
    assert (settings.basic_auth_users, settings.http_server_config.headers) == ({}, {})
    assert settings.rate_limit.interval == 0


def test_all_that_can_be_said() -> None:
    settings = read(f"""\
tls_server_config:
  cert_file: server.crt
  key_file: /keys/server.key
  client_ca_file: ca.crt
  client_auth_type: RequireAndVerifyClientCert
  client_allowed_sans: [prometheus]
  min_version: TLS12
  max_version: TLS13
  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]
  prefer_server_cipher_suites: false
  curve_preferences: [CurveP256]
http_server_config:
  http2: false
  headers: {{X-Frame-Options: deny, X-XSS-Protection: 1}}
basic_auth_users:
  prometheus: {HASH}
rate_limit:
  interval: 1m0.5s
  burst: 10
""").settings
    tls = settings.tls_server_config

    assert tls.file("cert_file", Path("/etc")) == Path("/etc/server.crt")
    assert tls.file("key_file", Path("/etc")) == Path("/keys/server.key")
    assert tls.client_auth is ClientAuth.REQUIRE_AND_VERIFY
    assert tls.client_allowed_sans == ("prometheus",)
    assert settings.http_server_config.headers == {"X-Frame-Options": "deny", "X-XSS-Protection": "1"}
    assert settings.basic_auth_users == {"prometheus": HASH}
    assert (settings.rate_limit.interval, settings.rate_limit.burst) == (60.5, 10)


def test_every_mistake_is_named_with_its_line() -> None:
    assert faults("""\
tls_server_config:
  cert_file: a
  min_version: TLS9
  curve_preferences:
    - CurveP256
    - CurveP257
basic_auth_user: {}
rate_limit:
  interval: soon
  burst: many
http_server_config:
  http2: perhaps
""") == [
        "web.yml:3: tls_server_config.min_version: is not a known TLS version; allowed: TLS13, TLS12, TLS11, TLS10",
        (
            "web.yml:6: tls_server_config.curve_preferences[1]: is not a known curve; allowed: X25519, CurveP256, "
            "CurveP384, CurveP521"
        ),
        (
            "web.yml:7: basic_auth_user: unknown key; did you mean basic_auth_users? allowed: tls_server_config, "
            "http_server_config, basic_auth_users, rate_limit"
        ),
        "web.yml:9: rate_limit.interval: expected a duration, such as 500ms, 2s or 1m30s",
        "web.yml:10: rate_limit.burst: expected a whole number, such as 10",
        "web.yml:12: http_server_config.http2: expected true or false",
    ]


def test_neither_a_password_nor_a_name_in_its_place_is_repeated() -> None:
    told = faults("basic_auth_users:\n  hunter2-as-a-user: hunter2-in-the-clear\n  other: $2y$99$" + "a" * 53)

    assert [fault.split(" user ")[0] for fault in told] == [
        "web.yml:2: basic_auth_users: the password of this",
        "web.yml:3: basic_auth_users: the password of this",
    ]
    assert "hunter2" not in "".join(told)
    assert "is not a bcrypt hash" in told[0]
    assert "has to be from 4 to 31" in told[1]


def test_nothing_shows_a_secret() -> None:
    file = read(f"tls_server_config: {{key: a-private-key}}\nbasic_auth_users: {{dave: {HASH}}}")

    assert file.settings.tls_server_config.key == "a-private-key"
    assert "a-private-key" not in repr(file)
    assert HASH not in repr(file)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("5", 5e-9),
        ("1.5s", 1.5),
        ("-1s", -1),
        ("1h2m3s", 3723),
        ("100us", 1e-4),
        ("+2ms", 2e-3),
        ("1ns", 1e-9),
    ],
)
def test_durations_are_those_of_go(text: str, seconds: float) -> None:
    assert read(f"rate_limit: {{interval: {text}}}").settings.rate_limit.interval == pytest.approx(seconds)


def test_a_file_that_is_no_text() -> None:
    with pytest.raises(ConfigError, match=r"^web.yml:1: a control character"):
        read("\x00")
