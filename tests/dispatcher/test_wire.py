import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.dispatcher.answer import Answer, DispatcherError, Drift, Reason
from exporter.dispatcher.wire import parse_record, request_body
from exporter.tasks.identity import TaskRef
from exporter.tasks.observation import Observation, Output, Status

ID = "task_01HQX9F2P6Y8VEX3CRZ8GXJVD9"
OUT = "my-render-2026-05-25-001"
BY_ID = TaskRef("default", task_id=ID)
BY_OUT = TaskRef("default", out_task_id=OUT)


def observed(answer: Answer) -> Observation:
    assert answer.observation is not None
    return answer.observation


@pytest.mark.parametrize(
    ("ref", "body"),
    [
        (BY_ID, {"task_id": ID}),
        (BY_OUT, {"out_task_id": OUT}),
        (TaskRef("default", task_id=ID, out_task_id=OUT), {"task_id": ID}),
        (TaskRef("default", out_task_id='q"\n\u00e9'), {"out_task_id": 'q"\n\u00e9'}),
        (TaskRef("default", out_task_id="\udcfc"), {"out_task_id": "\udcfc"}),
    ],
)
def test_exactly_one_id_is_asked_by(ref: TaskRef, body: dict[str, str]) -> None:
    assert json.loads(request_body(ref)) == body


RUNNING = {"task_id": ID, "out_task_id": OUT, "status": "running", "estimated_credits": 1.50, "estimated_seconds": 35}
COMPLETED = {
    "task_id": ID,
    "out_task_id": OUT,
    "status": "completed",
    "credits_used": 1.47,
    "output": [{"type": "video", "url": "https://cdn.example/x.mp4", "duration_seconds": 8, "width": 1920}],
}
FAILED = {
    "task_id": ID,
    "out_task_id": OUT,
    "status": "failed",
    "error_code": "content_policy_violation",
    "error_message": "The prompt was rejected under content policy.",
}


@pytest.mark.parametrize(
    ("record", "observation"),
    [
        (RUNNING, Observation(Status.RUNNING, ID, OUT, estimated_credits=1.5, estimated_seconds=35.0)),
        (COMPLETED, Observation(Status.COMPLETED, ID, OUT, credits_used=1.47, outputs=(Output("video", 8.0),))),
        (
            FAILED,
            Observation(
                Status.FAILED,
                ID,
                OUT,
                error_code="content_policy_violation",
                error_message="The prompt was rejected under content policy.",
            ),
        ),
        ({"task_id": ID, "status": "pending"}, Observation(Status.PENDING, ID)),
        (
            {"task_id": ID, "status": "cancelled", "credits_used": "0.50"},
            Observation(Status.CANCELLED, ID, credits_used=0.5),
        ),
    ],
    ids=["running", "completed", "failed", "pending", "cancelled-and-billed"],
)
def test_the_documented_records_are_read_without_drift(record: object, observation: Observation) -> None:
    assert parse_record(record, asked=BY_ID) == Answer(observation)


LEGACY = (Drift.LEGACY_SHAPE,)
MISSING = (Drift.MISSING_FIELD,)
MISTYPED = (Drift.MISTYPED_FIELD,)


@pytest.mark.parametrize(
    ("record", "expected", "drift"),
    [
        ({"status": "queued"}, {"status": Status.PENDING}, LEGACY),
        ({"status": "expired"}, {"status": Status.UNKNOWN}, (Drift.UNKNOWN_STATUS,)),
        ({"status": "not_found"}, {"status": Status.UNKNOWN}, (Drift.UNKNOWN_STATUS,)),
        ({"status": "Running"}, {"status": Status.UNKNOWN}, (Drift.UNKNOWN_STATUS,)),
        ({"estimated_seconds": "35"}, {"estimated_seconds": 35.0}, ()),
        ({"estimated_seconds": None}, {"estimated_seconds": None}, ()),
        ({"estimated_seconds": "soon"}, {"estimated_seconds": None}, MISTYPED),
        ({"estimated_credits": True}, {"estimated_credits": None}, MISTYPED),
        ({"estimated_credits": float("nan")}, {"estimated_credits": None}, MISTYPED),
        ({"progress": 50, "queue": {"at": 3}}, {"status": Status.RUNNING}, ()),
        ({"status": "completed", "output": []}, {"status": Status.COMPLETED, "credits_used": None}, MISSING),
        ({"status": "completed", "credits_used": 1}, {"credits_used": 1.0, "outputs": ()}, MISSING),
        ({"status": "completed", "output": [], "credits": 0.42}, {"credits_used": 0.42}, LEGACY),
        ({"status": "completed", "output": [], "credits": 9, "credits_used": 1}, {"credits_used": 1.0}, ()),
        ({"status": "failed"}, {"error_code": None}, MISSING),
        ({"status": "failed", "error_code": ""}, {"error_code": None}, MISTYPED),
        ({"status": "failed", "error_code": "x" * 101}, {"error_code": None}, MISTYPED),
        ({"status": "failed", "error_code": "x", "error_message": "m" * 900}, {"error_message": "m" * 500}, ()),
        ({"out_task_id": 5}, {"out_task_id": None}, MISTYPED),
        ({"out_task_id": ""}, {"out_task_id": None}, ()),
        ({"out_task_id": "x" * 201}, {"out_task_id": None}, MISTYPED),
        ({"task_id": 5}, {"task_id": ID}, MISTYPED),
        ({"task_id": None}, {"task_id": ID}, MISSING),
        ({"task_id": ""}, {"task_id": ID}, MISSING),
    ],
)
def test_deviations_are_read_as_far_as_they_go_and_noted(
    record: dict[str, object], expected: dict[str, object], drift: tuple[Drift, ...]
) -> None:
    answer = parse_record({"task_id": ID, "status": "running"} | record, asked=BY_ID)
    assert {name: getattr(observed(answer), name) for name in expected} == expected
    assert answer.drift == drift


@pytest.mark.parametrize(
    ("output", "outputs", "drift"),
    [
        ([{"type": "image"}, {"type": "image"}], (Output("image"), Output("image")), ()),
        ([{"url": "https://x"}], (Output("unknown"),), MISSING),
        ([{"type": 7}], (Output("unknown"),), MISTYPED),
        ([{"type": "video", "duration_seconds": "8.5"}], (Output("video", 8.5),), ()),
        ([{"type": "video", "duration_seconds": []}], (Output("video"),), MISTYPED),
        (["https://x"], (Output("unknown"),), MISTYPED),
        ({"type": "video"}, (), MISTYPED),
        ([{"type": "image"}] * 1001, (Output("image"),) * 1000, MISTYPED),
    ],
)
def test_outputs(output: object, outputs: tuple[Output, ...], drift: tuple[Drift, ...]) -> None:
    answer = parse_record({**COMPLETED, "output": output}, asked=BY_ID)
    assert (observed(answer).outputs, answer.drift) == (outputs, drift)


@pytest.mark.parametrize(
    ("result", "outputs", "drift"),
    [
        ({"video_url": "https://x", "duration_seconds": 5}, (Output("video", 5.0),), LEGACY),
        ({"image_url": "https://x"}, (Output("image"),), LEGACY),
        ({"other": 1}, (), LEGACY),
        ("https://x", (), (Drift.LEGACY_SHAPE, Drift.MISTYPED_FIELD)),
    ],
)
def test_the_older_result_object(result: object, outputs: tuple[Output, ...], drift: tuple[Drift, ...]) -> None:
    record = {"task_id": ID, "status": "completed", "credits_used": 1, "result": result}
    answer = parse_record(record, asked=BY_ID)
    assert (observed(answer).outputs, answer.drift) == (outputs, drift)


@pytest.mark.parametrize("echo", [{"out_task_id": OUT}, {"out_task_id": ""}, {}])
def test_asked_by_out_task_id_the_canonical_id_is_learnt(echo: dict[str, object]) -> None:
    answer = parse_record({"task_id": ID, "status": "running", **echo}, asked=BY_OUT)
    assert answer == Answer(Observation(Status.RUNNING, ID, OUT))


@pytest.mark.parametrize(
    ("task_id", "drift"),
    [(None, MISSING), ("a\nb", MISTYPED), ("x" * 201, MISTYPED), ("..", MISTYPED), ("a/%2e./b", MISTYPED)],
)
def test_asked_by_out_task_id_a_bad_task_id_is_not_learnt(task_id: object, drift: tuple[Drift, ...]) -> None:
    answer = parse_record({"task_id": task_id, "status": "running"}, asked=BY_OUT)
    assert answer == Answer(Observation(Status.RUNNING, None, OUT), drift)


@pytest.mark.parametrize(
    ("payload", "asked"),
    [
        (None, BY_ID),
        ([], BY_ID),
        ("running", BY_ID),
        ({}, BY_ID),
        ({"task_id": ID}, BY_ID),
        ({"task_id": ID, "status": 3}, BY_ID),
        ({"task_id": ID, "status": ["running"]}, BY_ID),
        ({"error": {"message": "no"}}, BY_ID),
        ({"task_id": "task_other", "status": "running"}, BY_ID),
        ({"task_id": "x" * 201, "status": "running"}, BY_ID),
        ({"task_id": ID, "out_task_id": "other", "status": "running"}, BY_OUT),
    ],
)
def test_what_is_no_record_of_the_task_is_not_believed(payload: object, asked: TaskRef) -> None:
    with pytest.raises(DispatcherError) as caught:
        parse_record(payload, asked=asked)
    assert caught.value.reason is Reason.BAD_RESPONSE


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
NAMES = (
    *("task_id", "out_task_id", "estimated_credits", "estimated_seconds", "credits_used", "credits"),
    *("output", "result", "error_code", "error_message"),
)
RECORDS = st.fixed_dictionaries(
    {"status": st.sampled_from([*Status, "queued", "novel"]) | JSON},
    optional=dict.fromkeys(NAMES, JSON),
)


def read_or_refused(payload: object, asked: TaskRef) -> Observation | None:
    try:
        return observed(parse_record(payload, asked=asked))
    except DispatcherError:
        return None


@given(payload=JSON | RECORDS, asked=st.sampled_from([BY_ID, BY_OUT]))
def test_any_json_value_is_an_answer_or_a_named_failure(payload: object, asked: TaskRef) -> None:
    observation = read_or_refused(payload, asked)
    if observation is None:
        return
    assert observation.task_id in (ID, None) if asked is BY_ID else observation.out_task_id == OUT
    numbers = (observation.estimated_credits, observation.estimated_seconds, observation.credits_used)
    assert all(number is None or 0 <= number <= 1e12 for number in numbers)
    assert all(text is None or text.isprintable() for text in (observation.error_code, observation.error_message))
