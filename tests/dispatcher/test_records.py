"""Both ways from a body to its answer must agree, whatever the body; and what is documented must take the quick one."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.dispatcher.answer import Answer, DispatcherError, Reason
from exporter.dispatcher.payload import conceal, decode
from exporter.dispatcher.records import read_documented, read_record
from exporter.dispatcher.wire import parse_record
from exporter.tasks.identity import TaskRef

ID, OUT, KEY = "task_01HQX9F2P6Y8VEX3CRZ8GXJVD9", "my-render", "sk-byts-0123456789"
ASKED = (TaskRef("a", task_id=ID), TaskRef("a", out_task_id=OUT), TaskRef("a", task_id=ID, out_task_id=OUT))

RUNNING = {"task_id": ID, "status": "running", "estimated_credits": 1.50, "estimated_seconds": 35}
COMPLETED = {
    "task_id": ID,
    "out_task_id": OUT,
    "status": "completed",
    "credits_used": 1.47,
    "output": [{"type": "video", "url": "https://cdn.example/x.mp4", "duration_seconds": 8, "width": 1920}],
}
FAILED = {"task_id": ID, "status": "failed", "error_code": "content_policy_violation", "error_message": "Rejected."}
DOCUMENTED = (
    RUNNING,
    {"task_id": ID, "out_task_id": OUT, "status": "pending"},
    COMPLETED,
    COMPLETED | {"output": [{"type": "image", "url": "https://cdn.example/1.png", "width": 1, "height": 1}] * 3},
    FAILED,
    {"task_id": ID, "status": "cancelled", "credits_used": 0.5},
    RUNNING | {"out_task_id": "rendu-é-日本"},
)


@pytest.mark.parametrize("record", DOCUMENTED, ids=lambda record: str(record["status"]))
def test_a_documented_record_is_read_at_once(record: dict[str, Any]) -> None:
    body = json.dumps(record, ensure_ascii=False).encode()
    answer = read_documented(body, asked=ASKED[0])
    assert answer is not None
    assert answer == parse_record(record, asked=ASKED[0])
    assert not answer.drift


@pytest.mark.parametrize(
    "change",
    [
        {"task_id": "task_another"},
        {"task_id": None},
        {"status": "archived"},
        {"status": "not_found"},
        {"status": "queued"},
        {"progress": 0.5},
        {"estimated_credits": "1.50"},
        {"estimated_credits": True},
        {"estimated_seconds": -1},
        {"estimated_seconds": 1e13},
        {"out_task_id": ""},
        {"out_task_id": "a\x7f"},
        {"out_task_id": "x/../y"},
        {"status": "completed"},
        {"status": "failed"},
        {"status": "failed", "error_code": "x" * 101},
        {"error_message": " padded "},
        {"error_message": "two\nlines"},
        {"output": [{"url": "x"}]},
        {"output": [{"type": "video", "duration_seconds": -1}]},
        {"output": [{"type": "video"}] * 1001},
        {"output": {}},
    ],
    ids=str,
)
def test_anything_else_is_left_to_whoever_reads_field_by_field(change: dict[str, object]) -> None:
    assert read_documented(json.dumps(RUNNING | change).encode(), asked=ASKED[0]) is None


# ---- both ways, any body ---------------------------------------------------------------------------------------------

TEXTS = st.one_of(
    st.sampled_from(
        [ID, OUT, KEY, f"key {KEY}", "", " x ", "running", "x" * 201, "a\u2028b", "\ud800", "\x00", "é", "日"]
    ),
    st.text(st.characters(exclude_categories=()), max_size=8),
)
NUMBERS = st.one_of(
    st.sampled_from([0, -0.0, 35, 1.5, 1e12, 1e12 + 1, -1, 1e308, 10**400, 2**63, 2**64, 5e-324, 0.1 + 0.2]),
    st.floats(),
    st.integers(),
)
VALUES = st.recursive(
    st.one_of(TEXTS, NUMBERS, st.none(), st.booleans()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "url", "a", KEY]), inner),
    max_leaves=5,
)
STATUSES = st.sampled_from(["pending", "running", "completed", "failed", "cancelled", "queued", "unknown", "archived"])
ITEMS = st.fixed_dictionaries(
    {"type": st.sampled_from(["video", "image", "é", ""])},
    optional={"duration_seconds": NUMBERS, "url": TEXTS, "width": NUMBERS, "height": NUMBERS, "fps": NUMBERS},
)
FIELDS = {
    "out_task_id": st.sampled_from([OUT, "other", None, ""]) | TEXTS,
    "estimated_credits": NUMBERS,
    "estimated_seconds": NUMBERS,
    "credits_used": NUMBERS,
    "error_code": TEXTS,
    "error_message": TEXTS,
    "output": st.lists(ITEMS, max_size=3),
    "credits": NUMBERS,
    "result": VALUES,
    "extra": VALUES,
}
USUAL = st.fixed_dictionaries({"task_id": st.just(ID), "status": STATUSES}, optional=FIELDS)
ODD = st.dictionaries(st.sampled_from(["task_id", "status", *FIELDS]), VALUES, max_size=6)


def spelt(pairs: list[tuple[str, object]], *, ascii_only: bool, spaces: bool) -> bytes:
    """An object whose names may come twice."""
    separator = " , " if spaces else ","
    inner = separator.join(f"{json.dumps(n)}:{json.dumps(v, ensure_ascii=ascii_only)}" for n, v in pairs)
    return f"{{{inner}}}".encode("utf-8", "surrogatepass")


BODIES = st.builds(
    lambda record, more, ascii_only, spaces: spelt(
        [*record.items(), *more.items()], ascii_only=ascii_only, spaces=spaces
    ),
    USUAL | ODD,
    st.just({}) | ODD,
    st.booleans(),
    st.booleans(),
)
SAMPLES = [json.dumps(record).encode() for record in DOCUMENTED]


@st.composite
def damaged(draw: Callable[[st.SearchStrategy[Any]], Any]) -> bytes:
    """A good body, some bytes of which are others."""
    body = bytearray(draw(st.sampled_from(SAMPLES)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(body) - 1))
        body[at : at + draw(st.integers(0, 2))] = draw(
            st.binary(max_size=2) | st.sampled_from([b"e9", b"-", b"0", b"."])
        )
    return bytes(body)


def outcome(read: Callable[[], Answer]) -> Answer | tuple[Reason, str]:
    try:
        return read()
    except DispatcherError as error:
        return error.reason, error.detail


@given(
    st.one_of(BODIES, damaged(), BODIES.map(lambda body: body.decode("utf-8", "replace").encode("utf-16"))),
    st.sampled_from(ASKED),
)
@example(b'{"task_id":"%b","status":"running","estimated_seconds":NaN}' % ID.encode(), ASKED[0])
@example(b'{"task_id":"%b","status":"running","estimated_seconds":1e400}' % ID.encode(), ASKED[0])
@example(b'{"task_id":"%b","status":"running","estimated_seconds":01}' % ID.encode(), ASKED[0])
@example(b'{"task_id":"%b","status":"running","estimated_seconds":-0}' % ID.encode(), ASKED[0])
@example(b'{"task_id":"%b","status":"running","status":"failed","error_code":"x"}' % ID.encode(), ASKED[0])
@example(b'{"task_id":"%b","status":"running","error_message":"a\tb"}' % ID.encode(), ASKED[0])
@example(b'{"task_id":"%b","status":"running","error_message":"\xff"}' % ID.encode(), ASKED[0])
@example(b'{"task_id":"%b","status":"running","error_message":"\xed\xa0\x80"}' % ID.encode(), ASKED[0])
@example(b'\xef\xbb\xbf{"task_id":"%b","status":"running"}' % ID.encode(), ASKED[0])
@example(b'{"task_id":"%b","status":"running"}\x00' % ID.encode(), ASKED[0])
@example(b'{"task_id":"%b","status":"running","extra":%b}' % (ID.encode(), b"[" * 100_000), ASKED[0])
@example(b'{"task_id":"%b","st\\u0061tus":"running"}' % ID.encode(), ASKED[0])
def test_both_ways_give_the_same_answer(body: bytes, asked: TaskRef) -> None:
    expected = outcome(lambda: parse_record(decode(conceal(body, KEY)), asked=asked))
    assert outcome(lambda: read_record(body, asked=asked, key=KEY)) == expected
    assert KEY not in repr(expected)
    quick = read_documented(body, asked=asked)
    if quick is not None:  # it may leave a body to the other way; what it takes, it must take alike
        assert quick == outcome(lambda: parse_record(decode(body), asked=asked))
