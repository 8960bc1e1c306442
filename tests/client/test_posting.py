"""One request to an exporter, over a real socket, and what each of its answers means."""

from pathlib import Path
from typing import Any

import pytest

from exporter.client.backlog import Waiting
from exporter.client.posting import LONGEST_WAIT, Answer, Exporter, Outcome
from tests.support.ports import free_port
from tests.support.registering import Said, registering

TASKS = [Waiting("task_1", "sora-2", 1_780_000_000.25, 0.0), Waiting("task_2", None, 1_780_000_001.0, 0.0)]


def exporter(url: str, **options: Any) -> Exporter:
    none = dict.fromkeys(("group", "token", "token_file", "ca_file"))
    return Exporter(url, **{**none, "labels": {}, **options})


def answered(said: Said) -> Answer:
    with registering(lambda _: said) as server:
        return exporter(server.url)(TASKS)


def test_an_item_has_what_is_known() -> None:
    with registering() as server:
        assert exporter(server.url)(TASKS) == Answer(Outcome.REGISTERED)
        assert exporter(server.url, group="renders", labels={"team": "video"})(TASKS[1:]) == Answer(Outcome.REGISTERED)
    assert server.requests == [
        [
            {"task_ids": ["task_1"], "model": "sora-2", "submitted_at": "2026-05-28T20:26:40.250+00:00"},
            {"task_ids": ["task_2"], "submitted_at": "2026-05-28T20:26:41.000+00:00"},
        ],
        [
            {
                "task_ids": ["task_2"],
                "group": "renders",
                "labels": {"team": "video"},
                "submitted_at": "2026-05-28T20:26:41.000+00:00",
            }
        ],
    ]
    assert all(headers["Content-Type"] == "application/json" for headers in server.headers)
    assert not any("Authorization" in headers for headers in server.headers)


def test_a_prefix_stays() -> None:
    with registering() as server:
        exporter(f"{server.url}/bytespike/")(TASKS)
    assert server.paths == ["/bytespike/api/v1/tasks"]


def test_a_token_goes_along_and_one_in_a_file_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "token"
    with registering() as server:
        exporter(server.url, token="fromtheapplication")(TASKS)
        told = exporter(server.url, token_file=file)
        assert told(TASKS) == Answer(Outcome.LATER, f"{file}: No such file or directory")
        for token in ("first", "second, longer"):
            file.write_text(f"{token}\n")
            told(TASKS)
    sent = [headers["Authorization"] for headers in server.headers]
    assert sent == ["Bearer fromtheapplication", "Bearer first", "Bearer second, longer"]


FAULTS = {
    "errors": [{"index": 1, "key": "group", "message": "is needed"}, {"index": 0, "message": "b"}, {"message": "c"}]
}


def refused(text: str, *faulty: int) -> Answer:
    return Answer(Outcome.REFUSED, text, set(faulty))


def later(text: str, *, after: float = 0.0) -> Answer:
    return Answer(Outcome.LATER, text, after=after)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            (200, {"Content-Type": "text/html; charset=utf-8"}, "<html>"),
            later("what answers there is no exporter: a page came, and no JSON"),
        ),
        ((422, {}, FAULTS), refused("answered 422: is needed", 0, 1)),
        ((422, {}, {"errors": [7, {"index": "1", "message": None}]}), refused("answered 422")),
        ((400, {}, {}), refused("answered 400")),
        ((415, {}, [1, 2]), refused("answered 415")),
        ((413, {}, "too much"), Answer(Outcome.TOO_LARGE, "answered 413")),
        ((401, {}, {"errors": [{"message": "a token is needed"}]}), later("answered 401: a token is needed")),
        ((403, {}, {}), later("answered 403")),
        ((404, {}, {}), later("answered 404")),
        ((301, {"Location": "/elsewhere"}, {}), later("answered 301")),
        ((429, {"Retry-After": "60"}, {}), later("answered 429", after=60)),
        ((503, {"Retry-After": "5"}, {}), later("answered 503", after=5)),
        ((503, {"Retry-After": "9" * 400}, {}), later("answered 503", after=LONGEST_WAIT)),
        ((503, {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, {}), later("answered 503")),
        ((503, {"Retry-After": "-5"}, {}), later("answered 503")),
    ],
)
def test_what_an_answer_means(said: Said, expected: Answer) -> None:
    assert answered(said) == expected


def test_what_is_told_is_one_short_line_without_a_secret() -> None:
    message = "sk-byts-4d0f6c1b2a9e8d7c\r\nforged: line\x1b[31m" + "x" * 1000
    text = answered((500, {}, {"errors": [{"message": message}]})).text
    assert text.startswith("answered 500: ***  forged: line [31mxxx")
    assert len(text) <= 200


def test_nobody_there_is_an_answer_too() -> None:
    answer = exporter(f"http://127.0.0.1:{free_port()}")(TASKS)
    assert answer.outcome is Outcome.LATER
    assert "refused" in answer.text


def test_authorities_that_cannot_be_read_are_an_answer_too(tmp_path: Path) -> None:
    answer = exporter("https://127.0.0.1:1", ca_file=tmp_path / "ca.pem")(TASKS)
    assert answer.outcome is Outcome.LATER


@pytest.mark.parametrize(
    ("url", "options"),
    [
        *(("", {}), ("127.0.0.1:9877", {}), ("ftp://exporter", {}), ("http://", {}), ("http://[::1", {})),
        ("http://exporter:port", {}),
        ("http://user:secret@exporter", {}),
        ("http://exporter?token=secret", {}),
        ("http://exporter", {"token": "two\r\nlines"}),
        ("http://exporter", {"token": "one", "token_file": Path("other")}),
    ],
)
def test_what_can_be_no_exporter_is_said_at_once(url: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".") as raised:
        exporter(url, **options)
    assert "secret" not in str(raised.value)
