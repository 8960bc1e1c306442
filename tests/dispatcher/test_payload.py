import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.dispatcher.answer import DispatcherError, Reason
from exporter.dispatcher.payload import BODY_LIMIT, conceal, decode, unpack


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{", b'{"a": 1} x', b"\xff\xfe\xff", b"9" * 5000, b"[" * 200_000, b'{"a":' * 200_000],
    ids=["empty", "html", "cut", "tail", "not-utf8", "huge-int", "deep-list", "deep-object"],
)
def test_what_is_not_json_is_a_named_failure(body: bytes) -> None:
    with pytest.raises(DispatcherError) as caught:
        decode(body)
    assert caught.value.reason is Reason.BAD_RESPONSE


def test_json_is_decoded() -> None:
    assert decode(b'{"status": "running"}') == {"status": "running"}


@pytest.mark.parametrize("encoding", ["", "identity", " Identity "])
def test_a_plain_body_is_taken_as_it_is(encoding: str) -> None:
    assert unpack(b"abc", encoding) == b"abc"


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP"])
def test_gzip_is_undone(encoding: str) -> None:
    assert unpack(gzip.compress(b"abc"), encoding) == b"abc"


@pytest.mark.parametrize(
    ("body", "encoding", "reason"),
    [
        (b"abc", "br", Reason.BAD_RESPONSE),
        (gzip.compress(b"abc"), "gzip, gzip", Reason.BAD_RESPONSE),
        (b"abc", "gzip", Reason.BAD_RESPONSE),
        (gzip.compress(b"abc")[:-9], "gzip", Reason.TRUNCATED),
        (gzip.compress(b"0" * (BODY_LIMIT + 1)), "gzip", Reason.TOO_LARGE),
        (gzip.compress(b"0" * (200 * BODY_LIMIT)), "gzip", Reason.TOO_LARGE),
    ],
    ids=["brotli", "twice", "not-gzip", "cut", "one-too-many", "bomb"],
)
def test_what_cannot_be_unpacked_is_a_named_failure(body: bytes, encoding: str, reason: Reason) -> None:
    with pytest.raises(DispatcherError) as caught:
        unpack(body, encoding)
    assert caught.value.reason is reason


def test_a_body_of_just_the_limit_is_unpacked() -> None:
    assert len(unpack(gzip.compress(b"0" * BODY_LIMIT), "gzip")) == BODY_LIMIT


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=40))
def test_a_quoted_secret_is_blotted_out_however_it_is_escaped(secret: str) -> None:
    escaped = "".join(f"\\u{ord(mark):04x}" for mark in secret)
    for quoted in (json.dumps(secret)[1:-1], escaped):
        body = f'{{"error": "key {quoted} is wrong"}}'.encode()
        assert decode(conceal(body, secret)) == {"error": "key *** is wrong"}


@pytest.mark.parametrize("body", [b"not json sk-byts-123456", b"[" * 5000])
def test_what_is_not_json_is_not_searched(body: bytes) -> None:
    assert conceal(body, "sk-byts-123456") == body


def test_a_key_too_short_to_be_a_secret_does_not_garble_the_answer() -> None:
    assert conceal(b'{"status": "x"}', "s") == b'{"status": "x"}'
