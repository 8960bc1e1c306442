"""The client against the exporter's real application, and against servers that answer anything else."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from exporter.watch import client as module
from exporter.watch.address import Address, AddressError, Credentials
from exporter.watch.client import ExporterClient, NoAnswerError
from exporter.watch.overview import Filters, Overview
from tests.support.api_rig import CONFIG, Rig, api_rig

ANY = Filters()

TOKEN = "the-token-of-the-exporter"


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with api_rig(tmp_path, CONFIG) as rig:
        yield rig


async def asked(transport: httpx.AsyncBaseTransport, filters: Filters = ANY, *, token: str | None = None) -> Overview:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    exporter = ExporterClient(
        "http://localhost:9877", transport=transport, authorize=lambda: headers, wall=lambda: 1_780_000_000.0
    )
    async with exporter:
        return await exporter.overview(filters)


async def test_tasks_and_sums_of_a_real_exporter(rig: Rig) -> None:
    await rig.register("task_1", "task_2")
    found = await asked(httpx.ASGITransport(rig.app))
    assert sorted(task.name for task in found.tasks) == ["task_1", "task_2"]
    assert found.sums.total == 2
    assert {task.account for task in found.tasks} == {"one"}


async def test_of_another_group_nothing_is_shown(rig: Rig) -> None:
    await rig.register("task_1")
    found = await asked(httpx.ASGITransport(rig.app), Filters(group="others"))
    assert (found.tasks, found.sums.total) == ((), 0)


async def test_a_token_is_needed_where_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    async with api_rig(tmp_path, CONFIG + "api: {token_file: token}\n") as rig:
        way = httpx.ASGITransport(rig.app)
        await asked(way, token=TOKEN)  # no task, nothing to list
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        answer = await rig.client.post("/api/v1/tasks", json={"task_ids": ["task_1"]}, headers=bearer)
        assert answer.status_code == 200
        assert len((await asked(way, token=TOKEN)).tasks) == 1
        with pytest.raises(NoAnswerError, match="--token-file") as refused:
            await asked(way, token="another-one")
        assert refused.value.is_refusal


def answering(answer: Callable[[httpx.Request], httpx.Response]) -> httpx.AsyncBaseTransport:
    return httpx.MockTransport(answer)


ONE = b'bytespike_tasks{account="a",group="g",model="",status="running"} 1\n'


@pytest.mark.parametrize(
    ("metrics", "tasks", "reason"),
    [
        (httpx.Response(200, content=b"<html>{not metrics"), None, "the metrics are not those of this exporter"),
        (httpx.Response(200, content=b"\xff\xfe"), None, "the metrics are not those of this exporter"),
        (httpx.Response(200, content=b'bytespike_tasks{status="x"} 1\n'), None, "the metrics are not those"),
        (httpx.Response(404), None, "HTTP 404 from /metrics: there is no such path"),
        (httpx.Response(302, headers={"Location": "http://elsewhere/"}), None, "HTTP 302 from /metrics"),
        (httpx.Response(200, content=ONE), httpx.Response(200, content=b"[]"), "the list of tasks is not one"),
        (httpx.Response(200, content=ONE), httpx.Response(200, content=b'{"tasks": [{}]}'), "the list of tasks is not"),
        (httpx.Response(200, content=ONE), httpx.Response(403), "HTTP 403 from /api/v1/tasks: this is not let in"),
    ],
)
async def test_what_is_not_this_exporter_is_said_in_words(
    metrics: httpx.Response, tasks: httpx.Response | None, reason: str
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return metrics if request.url.path == "/metrics" else tasks or httpx.Response(500)

    with pytest.raises(NoAnswerError, match=reason):
        await asked(answering(answer))


async def test_no_answer_quotes_nothing_of_the_request() -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(f"sent with {request.headers['Authorization']}")

    with pytest.raises(NoAnswerError) as caught:
        await asked(answering(fail), token=TOKEN)
    assert str(caught.value) == "no connection"


async def test_an_answer_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 1 << 20)
    with pytest.raises(NoAnswerError, match="more than 1 MiB"):
        await asked(answering(lambda _: httpx.Response(200, content=b"#" * (2 << 20))))


async def test_a_status_that_no_task_has_is_not_asked_for() -> None:
    paths: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(f"{request.url.path}?{request.url.params.get('status', '')}")
        listed = json.dumps({"tasks": [{"account": "a", "group": "g", "status": "running", "task_id": "t"}]})
        return httpx.Response(200, content=ONE if request.url.path == "/metrics" else listed.encode())

    found = await asked(answering(answer))
    assert paths == ["/metrics?", "/api/v1/tasks?running"]
    assert [task.name for task in found.tasks] == ["t"]


# ---- where it is, and who asks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "url", "socket"),
    [
        ("http://localhost:9877", "http://localhost:9877", None),
        ("https://monitoring.example/exporter/", "https://monitoring.example/exporter", None),
        ("http://[::1]:9877", "http://[::1]:9877", None),
        ("unix:/run/x.sock", "http://localhost", "/run/x.sock"),
    ],
)
def test_an_address(text: str, url: str, socket: str | None) -> None:
    assert Address.parse(text) == Address(url, socket)


@pytest.mark.parametrize(
    "text", ["localhost:9877", "ftp://x", "http://", "http://me:pw@x", "http://x/?token=1", "unix:x"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="expected http://HOST:PORT"):
        Address.parse(text)


def test_who_asks(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    environ = {"T": "from-the-variable", "P": "pass"}
    assert Credentials().header({}) == {}
    assert Credentials(token_env="T").header(environ) == {"Authorization": "Bearer from-the-variable"}
    assert Credentials(token_env="T", token_file=tmp_path / "token").header(environ) == {
        "Authorization": f"Bearer {TOKEN}"
    }
    assert Credentials(user="ada", password_env="P").header(environ) == {"Authorization": "Basic YWRhOnBhc3M="}


@pytest.mark.parametrize(
    ("credentials", "reason"),
    [
        (Credentials(token_file=Path("/nowhere/token")), "the token: /nowhere/token: No such file"),
        (Credentials(user="ada", password_env="P"), "a password is needed"),
        (Credentials(token_env="T"), "characters that no header may carry"),
    ],
)
def test_credentials_that_cannot_be(credentials: Credentials, reason: str) -> None:
    with pytest.raises(AddressError, match=reason):
        credentials.header({"T": "two words"})
