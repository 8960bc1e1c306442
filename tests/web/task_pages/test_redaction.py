"""What is left of an answer: everything but what lets somebody in."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.logs import Secrets
from exporter.web.task_pages.redaction import readable

SECRET = "the-token-of-the-exporter"


def shown(value: object) -> Any:
    secrets = Secrets()
    secrets.add(SECRET)
    return json.loads(readable(json.dumps(value).encode(), secrets.mask))


@pytest.mark.parametrize(
    ("url", "left"),
    [
        ("https://cdn.example/a/x.mp4", "https://cdn.example/a/x.mp4"),
        ("https://cdn.example/x.mp4?X-Amz-Signature=0a1b&Expires=1", "https://cdn.example/x.mp4?***"),
        ("https://cdn.example/x.mp4#t=abc", "https://cdn.example/x.mp4#***"),
        ("https://cdn.example/x.mp4;jsessionid=1?y", "https://cdn.example/x.mp4;***"),
        ("https://user:pass@cdn.example/x", "https://***@cdn.example/x"),
        ("https://user:p@ss@cdn.example/x", "https://***@cdn.example/x"),
        ("HTTPS://cdn.example?sig=1", "HTTPS://cdn.example?***"),
        ("https://cdn.example/x?a='b'|c^d`e{f}", "https://cdn.example/x?***"),
        ("s3://bucket/x?sig=1", "s3://bucket/x?***"),
        ("//cdn.example/x.mp4?X-Amz-Signature=0a1b&Expires=1", "//cdn.example/x.mp4?***"),
        ("cdn.example/x.mp4?sig=1", "cdn.example/x.mp4?***"),
        ("/a/x.mp4?sig=1", "/a/x.mp4?***"),
        ("https:cdn.example/x?sig=1", "https:cdn.example/x?***"),
        ("https://cdn.example/a b.mp4?sig=1", "https://cdn.example/a b.mp4?***"),
        ("https%3A%2F%2Fcdn.example%2Fx%3Fsig%3D1", "https%3A%2F%2Fcdn.example%2Fx%3F***"),
        ("what? a = b; c", "what? a = b; c"),
        (
            "see https://a.example/x?sig=1 and https://b.example/y?sig=2.",
            "see https://a.example/x?*** and https://b.example/y?***",
        ),
    ],
)
def test_a_url_keeps_host_and_path(url: str, left: str) -> None:
    assert shown({"output": [{"url": url}]}) == {"output": [{"url": left}]}


@pytest.mark.parametrize(
    "value",
    [
        {"x": f"it is {SECRET}"},
        {SECRET: 1},
        {"x": [[{"y": SECRET}]]},
        {"x": "sk-byts-0123456789abcdef"},
        {"x": "Bearer abcdefghijklmnopqrstuvwxyz"},
        {"access_token": "short"},
        {"Signature": "short"},
        {"apiKey": ["short"]},
        {"client_secret": {"x": "short"}},
        {"sig": "short"},
        {"access_key": "short"},
        {"accessKey": "short"},
        {"db_pwd": "short"},
        {"task_id": SECRET},
    ],
)
def test_nothing_that_lets_somebody_in_is_shown(value: object) -> None:
    text = json.dumps(shown(value))
    assert "***" in text
    for secret in (SECRET, "0123456789", "abcdefghijkl", "short"):
        assert secret not in text


def test_all_else_stays_as_it_came() -> None:
    record: dict[str, object] = {
        "task_id": "task_01HQX9F2P6Y8VEX3CRZ8GXJVD9",
        "out_task_id": "render-8f3Kq9ZpL2mX7vB4",
        "status": "failed",
        "error_message": "Rejected: nudity, é 日本",
        "extra": [1, 1.5, True, None, {"a": {}}],
    }
    assert shown(record) == record


@pytest.mark.parametrize("text", [b"", b"<html>", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}"])
def test_what_is_no_json_is_not_shown(text: bytes) -> None:
    assert readable(text, str) == "not JSON"


def test_what_is_nested_too_deep_is_left_out() -> None:
    value: object = "inmost"
    for _ in range(50):
        value = [value]
    assert "inmost" not in json.dumps(shown(value))


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(st.characters(exclude_categories=()), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES, st.text(max_size=5))
def test_whatever_an_answer_is_it_is_plain_lines_without_secret_or_signature(value: object, more: str) -> None:
    signed = f"https://cdn.example/x?sig={SECRET}{more}"
    text = readable(json.dumps([value, signed, {more: SECRET}]).encode(), lambda text: text.replace(SECRET, "***"))
    assert SECRET not in text
    assert "sig=" not in text
    assert all(line.isprintable() for line in text.split("\n"))
    text.encode()
