"""Callbacks: a hint that is asked about at once, whatever else it says."""

import json
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exporter.web.api.callbacks import named_in
from tests.support.api_rig import CONFIG, Upstream, api_rig

SECRET = "a/secret with-36+signs="
HINTED = CONFIG.replace(
    "api_config: {}", "api_config: {}, poll: {strategy: eta, default_eta: 10m}, callback_config: {secret_file: hook}"
)
OPEN = HINTED.replace("secret_file: hook", "secret_file: hook, register_unknown: true")
URL = "/api/v1/callbacks/renders/a%2Fsecret%20with-36%2Bsigns%3D"


@pytest.fixture(autouse=True)
def secret(tmp_path: Path) -> None:
    (tmp_path / "hook").write_text(f"{SECRET}\n")


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        ({"task_id": "t"}, ("t", None)),
        ({"out_task_id": "x", "task_id": "t"}, ("t", "x")),
        ({"event": "done", "task": {"task_id": "t"}}, ("t", None)),
        ({"data": {"out_task_id": "x"}}, (None, "x")),
        ({"task_id": "", "data": {"task_id": "t"}}, ("t", None)),
        ({"task_id": 7, "out_task_id": "x"}, (None, "x")),
        ({"task_id": "a b"}, (None, None)),
        ({"task_id": "x" * 201}, (None, None)),
        ({"result": {"task_id": "t"}}, (None, None)),
        (["t"], (None, None)),
        ("t", (None, None)),
        (None, (None, None)),
    ],
)
def test_where_ids_are_looked_for(payload: object, found: tuple[str | None, str | None]) -> None:
    assert named_in(payload) == found


async def test_a_known_task_is_asked_about_at_once_and_the_payload_is_not_believed(tmp_path: Path) -> None:
    upstream = Upstream({"t1": {"status": "running"}})
    async with api_rig(tmp_path, HINTED, upstream=upstream) as rig:
        await rig.register("t1")
        await rig.clock.advance(101)
        assert upstream.asked == ["t1"]
        answer = await rig.client.post(URL, json={"task_id": "t1", "status": "completed", "credits_used": 9})
        assert (answer.status_code, answer.json()) == (202, {"status": "accepted"})
        assert upstream.asked == ["t1"]
        await rig.clock.advance(0.2)
        assert upstream.asked == ["t1", "t1"]
        assert (await rig.client.get("/api/v1/tasks/t1")).json()["status"] == "running"


async def test_a_flood_is_one_query_per_task_and_interval(tmp_path: Path) -> None:
    upstream = Upstream({"t1": {"status": "running"}})
    async with api_rig(tmp_path, HINTED, upstream=upstream) as rig:
        await rig.register("t1")
        await rig.clock.advance(101)
        for _ in range(100):
            assert (await rig.client.post(URL, json={"task_id": "t1"})).status_code == 202
            await rig.clock.advance(0.1)
        assert 5 <= len(upstream.asked) - 1 <= 6  # 10 s, min_interval 2 s


@pytest.mark.parametrize(("config", "followed"), [(HINTED, []), (OPEN, ["t9"])])
async def test_an_unknown_task_is_followed_only_where_that_is_allowed(
    tmp_path: Path, config: str, followed: list[str]
) -> None:
    async with api_rig(tmp_path, config) as rig:
        payload = {"task_id": "t9", "out_task_id": "another's"}
        assert (await rig.client.post(URL, json=payload)).status_code == 202
        await rig.register("last")
        assert await rig.followed() == [*followed, "last"]
        if followed:
            assert (await rig.client.get("/api/v1/tasks/t9")).json()["out_task_id"] is None
    async with api_rig(tmp_path, config) as rig:
        assert await rig.followed() == [*followed, "last"]


async def test_callbacks_alone_may_register(tmp_path: Path) -> None:
    async with api_rig(tmp_path, OPEN.replace("api_config: {}, ", "")) as rig:
        await rig.client.post(URL, json={"out_task_id": "x1"})
        await rig.exporter.registrations.register([])  # what was offered before has been served then
        assert (await rig.client.get("/api/v1/tasks/x1")).json()["sources"] == ["renders/api"]
        assert (await rig.client.post("/api/v1/tasks", json={"task_ids": ["t"]})).status_code == 422


@pytest.mark.parametrize(
    "path", ["renders/wrong", "renders/", "nowhere/a%2Fsecret%20with-36%2Bsigns%3D", "renders/%C3%A9", "renders/None"]
)
async def test_wrong_group_and_wrong_secret_are_the_same(tmp_path: Path, path: str) -> None:
    async with api_rig(tmp_path, HINTED) as rig:
        answer = await rig.client.post(f"/api/v1/callbacks/{path}", content=b"not looked at")
        assert (answer.status_code, answer.json()["errors"]) == (404, [{"message": "Not Found"}])


async def test_a_secret_that_changes_or_goes(tmp_path: Path) -> None:
    async with api_rig(tmp_path, HINTED) as rig:
        assert (await rig.client.post(URL, json={})).status_code == 202
        (tmp_path / "hook").write_text("another")
        await rig.clock.advance(1)
        assert (await rig.client.post(URL, json={})).status_code == 404
        assert (await rig.client.post("/api/v1/callbacks/renders/another", json={})).status_code == 202
        (tmp_path / "hook").unlink()
        await rig.clock.advance(1)
        assert (await rig.client.post("/api/v1/callbacks/renders/another", json={})).status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        *((garbage, 400) for garbage in (b"", b"task_id=t1", b"\xff", b"[" * 60_000)),
        *((json_of_no_use, 202) for json_of_no_use in (b"null", b"[]", b"7", b'{"status": "completed"}')),
        (json.dumps({"task_id": "t", "x": "y" * 65_536}).encode(), 413),
    ],
)
async def test_garbage(tmp_path: Path, body: bytes, status: int) -> None:
    async with api_rig(tmp_path, OPEN) as rig:
        assert (await rig.client.post(URL, content=body)).status_code == status
        assert await rig.followed() == []


async def test_the_secret_is_in_no_answer_and_no_log(tmp_path: Path) -> None:
    async with api_rig(tmp_path, OPEN) as rig:
        with capture_logs() as logs:
            answers = [
                await rig.client.post(URL, json={"task_id": "t1"}),
                await rig.client.post(URL, content=b"x"),
                await rig.client.get(URL),
                await rig.client.get("/config"),
                await rig.client.get("/metrics"),
            ]
        assert [answer.status_code for answer in answers] == [202, 400, 405, 200, 200]
        said = "".join(answer.text for answer in answers) + repr(logs)
        assert SECRET not in said
        assert "36%2Bsigns" not in said
