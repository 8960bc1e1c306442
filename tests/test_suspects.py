"""What looks like a secret, and what does not though it may look so at first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.suspects import is_key, masked

KEYS = [
    "sk-byts-0123456789abcdef",
    "sk-proj-Abcdefgh12345678",
    "8f0c2d5b7a914e63b1d04c9a6e2f7350",
    "dGhpcyBpcyBub3Qgc2VjcmV0IGF0IDEyMzQ1",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
]
PLAIN = [
    "task_01HQX9F2P6Y8VEX3CRZ8GXJVD9",
    "my-render-2026-05-25-001",
    "550e8400-e29b-41d4-a716-446655440000",
    "accounts[0].max_requests_per_second",
    "exporter_config_last_reload_success_timestamp_seconds",
    "https://llm.bytespike.ai/v1",
    "/var/lib/bytespike-exporter/data/ledger.db",
    "20260525202605252026",
    "expected a whole number, such as 2",
    "a bearer token is needed",
    "task-sk-1",
]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "around", ["{}", 'there is no account "{}"; allowed: a', "Bearer {}", "/run/{}/x", "?token={}&a=b"]
)
def test_a_key_is_left_out_of_whatever_stands_around_it(key: str, around: str) -> None:
    shown = masked(around.format(key))
    assert key not in shown
    assert "***" in shown


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_no_key_is_shown(text: str) -> None:
    assert masked(text) == text


def test_only_a_key_as_bytespike_gives_them_is_certain() -> None:
    assert is_key("Bearer sk-byts-0123456789")
    assert not any(is_key(text) for text in [*KEYS[1:], *PLAIN, "sk-byts-short"])


@given(st.binary(min_size=16, max_size=32).map(bytes.hex), st.text(max_size=10))
def test_random_hexadecimal_digits_are_hardly_ever_shown(key: str, around: str) -> None:
    if len(set(key)) >= 8 and not key.isdigit():
        assert key not in masked(f"{around} {key}")
