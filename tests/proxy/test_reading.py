"""What is read from an exchange: which task, and what the API said of it."""

import json

import pytest

from exporter.dispatcher.answer import Answer
from exporter.proxy.reading import (
    EVENT_LIMIT,
    Endpoint,
    Events,
    NotUnderstoodError,
    Target,
    asked_for,
    read_answer,
    read_submission,
)
from exporter.tasks.identity import TaskRef
from exporter.tasks.observation import Status

TASK = "task_01HQX9F2P6Y8VEX3CRZ8GXJVD9"
KEY = "sk-byts-0123456789"
PENDING = {"task_id": TASK, "status": "pending", "estimated_credits": 1.5, "estimated_seconds": 35}


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    ("method", "target", "wanted"),
    [
        (b"POST", b"/v1/tasks/submit", Target(Endpoint.SUBMIT)),
        (b"POST", b"/v1/tasks/query", Target(Endpoint.QUERY)),
        (b"GET", b"/v1/tasks/query?task_id=a", Target(Endpoint.QUERY)),
        (b"POST", b"/v1/tasks/cancel", Target(Endpoint.CANCEL)),
        (b"POST", b"/v1/tasks/cancel/task%5F1?x=y", Target(Endpoint.CANCEL, "task_1")),
        (b"GET", b"/v1/tasks/stream/task_1", Target(Endpoint.STREAM, "task_1")),
        (b"GET", b"/v1/tasks/submit", Target(Endpoint.OTHER)),
        (b"POST", b"/v1/tasks/other", Target(Endpoint.OTHER)),
        (b"POST", b"/v1/messages", Target(Endpoint.OTHER)),
        (b"GET", b"/v1/tasks/\xff", Target(Endpoint.OTHER)),
    ],
)
def test_an_endpoint_is_known_by_its_path_and_method(method: bytes, target: bytes, wanted: Target) -> None:
    assert Target.of(method, target) == wanted


class TestSubmissions:
    def test_the_model_is_the_requests_and_the_rest_the_answers(self) -> None:
        asked = as_json({"model": "sora-2-pro", "params": {"prompt": "x"}, "out_task_id": "mine"})

        submission = read_submission(asked, as_json(PENDING), account="a", key=KEY)

        assert submission.ref == TaskRef("a", TASK, "mine")
        assert submission.model == "sora-2-pro"
        assert submission.answer is not None
        assert submission.answer.observation is not None
        assert submission.answer.observation.estimated_seconds == 35

    def test_an_answer_without_a_status_claims_none(self) -> None:
        told = as_json({"task_id": TASK, "estimated_credits": 1.5})

        assert read_submission(b"", told, account="a", key=KEY).answer is None

    @pytest.mark.parametrize("told", [b"", b"[]", b"{}", b'{"task_id": 5}', b'{"task_id": ""}', b"\xff", b'{"a":' * 9])
    def test_without_a_task_nothing_is_learnt(self, told: bytes) -> None:
        with pytest.raises(NotUnderstoodError):
            read_submission(b"{}", told, account="a", key=KEY)

    @pytest.mark.parametrize("asked", [b"", b"[]", b'{"model": 5}', as_json({"model": "m" * 5000}), b"\xff"])
    def test_a_request_that_cannot_be_read_only_names_no_model(self, asked: bytes) -> None:
        assert read_submission(asked, as_json(PENDING), account="a", key=KEY).model == ""

    def test_an_answer_that_quotes_the_key_does_not_spread_it(self) -> None:
        told = as_json(PENDING | {"status": "failed", "error_code": "x", "error_message": f"key {KEY}"})

        assert KEY not in repr(read_submission(b"{}", told, account="a", key=KEY))


class TestAnswers:
    def test_a_query_names_its_task(self) -> None:
        ref, answer = read_answer(
            as_json({"task_id": TASK}), as_json(PENDING), target=Target(Endpoint.QUERY), account="a", key=KEY
        )

        assert ref == TaskRef("a", TASK)
        assert answer.observation is not None
        assert answer.observation.status is Status.PENDING

    def test_the_path_beats_the_body(self) -> None:
        target = Target(Endpoint.CANCEL, TASK)

        assert asked_for(as_json({"task_id": "other"}), target=target, account="a") == TaskRef("a", TASK)

    def test_an_answer_on_another_task_is_not_believed(self) -> None:
        with pytest.raises(NotUnderstoodError):
            read_answer(
                as_json({"task_id": "other"}), as_json(PENDING), target=Target(Endpoint.QUERY), account="a", key=KEY
            )

    @pytest.mark.parametrize(
        "asked", [b"", b"{}", as_json({"task_id": "a", "out_task_id": "b"}), b'{"task_id": "\\n"}']
    )
    def test_a_query_of_no_one_task_teaches_nothing(self, asked: bytes) -> None:
        with pytest.raises(NotUnderstoodError):
            asked_for(asked, target=Target(Endpoint.QUERY), account="a")


class TestStreams:
    def heard(self, *pieces: bytes) -> list[Answer]:
        answers: list[Answer] = []
        events = Events(TaskRef("a", TASK), lambda _ref, answer: answers.append(answer), key=KEY)
        for piece in pieces:
            events.add(piece)
        return answers

    def test_each_record_is_heard_however_it_is_cut(self) -> None:
        stream = b": hello\n\nevent: status\ndata: " + as_json(PENDING) + b"\r\n\r\ndata: {}\n\n"

        assert len(self.heard(stream)) == 1
        assert len(self.heard(*(stream[at : at + 1] for at in range(len(stream))))) == 1

    def test_what_is_no_record_is_passed_over(self) -> None:
        assert self.heard(b"data: nonsense\n\ndata: [1]\n\ndata: " + as_json(PENDING | {"task_id": "other"})) == []

    def test_an_event_without_end_is_forgotten(self) -> None:
        assert self.heard(b"data: " + b"a" * (2 * EVENT_LIMIT), b"\n\ndata: " + as_json(PENDING) + b"\n\n") != []
