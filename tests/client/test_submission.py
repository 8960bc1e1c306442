"""Which answers tell of a new task, and what they say."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.client.submission import (
    LONGEST_ID,
    LONGEST_MODEL,
    MOST_ANSWERED,
    MOST_ASKED,
    Submission,
    may_submit,
    read,
    told,
)
from exporter.settings.fields import MAX_VALUE

JSON = "application/json"
SUBMIT = "/v1/tasks/submit"


@pytest.mark.parametrize(
    ("head", "is_one"),
    [
        (("POST", SUBMIT, 200, JSON, ""), True),
        (("POST", SUBMIT, 202, "application/json; charset=utf-8", "200"), True),
        (("POST", f"/prefix{SUBMIT}", 201, "Application/JSON", "200"), True),
        (("GET", SUBMIT, 200, JSON, ""), False),
        (("POST", "/v1/tasks/query", 200, JSON, ""), False),
        (("POST", "/v1/tasks/submitted", 200, JSON, ""), False),
        (("POST", SUBMIT, 307, JSON, ""), False),
        (("POST", SUBMIT, 409, JSON, ""), False),
        (("POST", SUBMIT, 503, JSON, ""), False),
        (("POST", SUBMIT, 200, "text/event-stream", ""), False),
        (("POST", SUBMIT, 200, "", ""), False),
        (("POST", SUBMIT, 200, JSON, str(MOST_ANSWERED)), True),
        (("POST", SUBMIT, 200, JSON, str(MOST_ANSWERED + 1)), False),
        (("POST", SUBMIT, 200, JSON, "9" * 5000), False),
        (("POST", SUBMIT, 200, JSON, "many"), True),
    ],
)
def test_the_head_tells_whether_to_look(head: tuple[str, str, int, str, str], is_one: bool) -> None:
    assert may_submit(*head) is is_one


@pytest.mark.parametrize(
    ("asked", "model"),
    [
        (b'{"model": "sora-2-pro", "params": {"prompt": "a calm sea"}}', "sora-2-pro"),
        ('{"model": "sora-2-pro"}', "sora-2-pro"),
        (None, None),
        (iter([b'{"model": "sora-2"}']), None),
        (b"", None),
        (b"no JSON", None),
        (b"\xff\xfe", None),
        (b'{"params": {}}', None),
        (b'{"model": 3}', None),
        (b'{"model": ""}', None),
        (json.dumps({"model": "m" * 300}), None),
        (json.dumps({"model": "sora\n2"}), None),
        (json.dumps({"model": "sora-2", "params": "x" * MOST_ASKED}), None),
    ],
)
def test_the_model_is_the_one_that_was_asked_for_where_that_is_known(asked: object, model: str) -> None:
    assert read(asked, b'{"task_id": "task_1", "status": "pending"}') == Submission("task_1", model)


@pytest.mark.parametrize(
    "answered",
    [
        *(b"", b"no JSON", b"\xff", b"[]", b"{}", b'{"task_id": null}', b'{"task_id": 7}', b'{"task_id": ""}'),
        json.dumps({"task_id": "t" * (LONGEST_ID + 1)}).encode(),
        b"[" * 10_000,
    ],
)
def test_an_answer_without_a_task_tells_of_none(answered: bytes) -> None:
    assert read(b'{"model": "sora-2"}', answered) is None


def test_what_is_taken_is_what_the_exporter_takes() -> None:
    assert (LONGEST_ID, LONGEST_MODEL) == (MAX_VALUE, MAX_VALUE)


@pytest.mark.parametrize("task_id", [None, 7, b"task_1", "", "t" * (LONGEST_ID + 1)])
def test_what_is_no_id_is_no_task(task_id: object) -> None:
    assert told(task_id) is None


@given(asked=st.binary(max_size=200), answered=st.binary(max_size=200))
def test_no_bytes_raise(asked: bytes, answered: bytes) -> None:
    read(asked, answered)
