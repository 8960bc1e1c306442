"""Who is let in: with a token whoever has it, without one only this machine."""

import asyncio
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from exporter.settings.model import ApiSettings
from exporter.web.api import access
from exporter.web.api.access import USER
from tests.support.api_rig import CONFIG, api_rig
from tests.support.browse import Browse
from tests.support.fake_exporter import SETTINGS, FakeExporter

GUARDED = CONFIG + "api: {token_file: token}\n"
EVERYTHING = [
    ("GET", "/api/v1/tasks"),
    ("POST", "/api/v1/tasks"),
    ("GET", "/api/v1/tasks/t"),
    ("DELETE", "/api/v1/tasks/t"),
]
ADMINISTRATION = [("POST", "/-/reload"), ("PUT", "/-/reload?dry_run=1"), ("GET", "/config")]
LOOSE = [("GET", "/sd"), ("GET", "/probe?task_id=t")]


@pytest.mark.parametrize(("method", "path"), [*EVERYTHING, *ADMINISTRATION])
@pytest.mark.parametrize(
    ("peer", "base_url"),
    [
        ("10.0.0.7", "http://localhost"),
        ("::ffff:10.0.0.7", "http://localhost"),
        ("127.0.0.1", "http://attacker.test"),
        ("127.0.0.1", "http://localhost.attacker.test"),
    ],
)
async def test_without_a_token_strangers_are_refused(
    tmp_path: Path, method: str, path: str, peer: str, base_url: str
) -> None:
    async with api_rig(tmp_path) as rig, rig.client_from(peer, base_url=base_url) as client:
        answer = await client.request(method, path, headers={"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=::1"})
        assert answer.status_code == 403
        assert "loopback" in answer.text


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("base_url", ["http://localhost:9877", "http://127.0.0.1", "http://[::1]:9877"])
async def test_without_a_token_this_machine_is_let_in(tmp_path: Path, peer: str, base_url: str) -> None:
    async with api_rig(tmp_path) as rig, rig.client_from(peer, base_url=base_url) as client:
        assert (await client.get("/api/v1/tasks")).status_code == 200


@pytest.mark.parametrize(
    "header", ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via"]
)
@pytest.mark.parametrize(("method", "path"), [*EVERYTHING, *ADMINISTRATION])
async def test_whom_a_proxy_on_this_machine_lets_through_is_a_stranger(
    tmp_path: Path, method: str, path: str, header: str
) -> None:
    async with api_rig(tmp_path) as rig:
        answer = await rig.client.request(method, path, headers={header: "127.0.0.1"})
        assert (answer.status_code, "a proxy lets through" in answer.text) == (403, True)


@pytest.mark.parametrize(
    ("server", "status"), [(("/run/exporter.sock", None), 200), (("10.0.0.1", 9877), 403), (None, 403)]
)
async def test_a_socket_of_the_file_system_is_this_machine_and_an_address_that_is_not_known_is_not(
    tmp_path: Path, server: tuple[str, int | None] | None, status: int
) -> None:
    """Whoever sends a request and resets the connection at once has no address any more."""
    async with api_rig(tmp_path) as rig:

        async def without_client(scope: Any, receive: Any, send: Any) -> None:
            await rig.app({**scope, "client": None, "server": server}, receive, send)

        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(without_client), base_url="http://localhost"
        ) as client:
            for path in ("/api/v1/tasks", "/config"):
                assert (await client.get(path)).status_code == status
            assert (await client.post("/-/reload")).status_code == status


@pytest.mark.parametrize("config", [CONFIG, GUARDED])
async def test_whoever_gave_the_password_of_the_web_configuration_is_let_in(tmp_path: Path, config: str) -> None:
    """But no page of another site: browsers send the password along."""
    (tmp_path / "token").write_text("s3cret\n")
    async with api_rig(tmp_path, config) as rig:

        async def with_user(scope: Any, receive: Any, send: Any) -> None:
            await rig.app({**scope, "client": ("10.0.0.7", 1), "state": {USER: "alice"}}, receive, send)

        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(with_user), base_url="http://exporter.test"
        ) as client:
            for method, path in [*ADMINISTRATION, ("GET", "/api/v1/tasks"), ("GET", "/sd")]:
                assert (await client.request(method, path)).status_code == 200
                evil = {"Origin": "http://evil.test"}
                assert (await client.request(method, path, headers=evil)).status_code == 403


@pytest.mark.parametrize("config", [CONFIG, GUARDED])
async def test_metrics_and_health_are_for_everybody(tmp_path: Path, config: str) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    async with (
        api_rig(tmp_path, config) as rig,
        rig.client_from("10.0.0.7", base_url="http://exporter.test") as client,
    ):
        for path in ("/", "/metrics", "/-/healthy", "/-/ready", "/healthz", "/livez", "/readyz"):
            assert (await client.get(path)).status_code == 200


async def test_wrong_tokens_are_counted_and_answered_later_but_the_right_one_at_once(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    async with api_rig(tmp_path, GUARDED) as rig:

        async def status(token: str) -> int:
            return (await rig.client.get("/config", headers={"Authorization": f"Bearer {token}"})).status_code

        assert [await status(f"guess {number}") for number in range(3)] == [401] * 3
        late = [asyncio.create_task(status("guess")) for _ in range(6)]
        await rig.clock.settle()
        assert sorted(task.result() for task in late if task.done()) == [429, 429]
        assert await status("s3cret") == 200
        assert (await rig.client.get("/config")).status_code == 401  # it brings nothing, so it guesses nothing
        await rig.clock.advance(8.0)
        assert sorted(task.result() for task in late) == [401] * 4 + [429] * 2
        assert 'bytespike_exporter_credentials_refused_total{kind="token"} 9.0' in await rig.metrics()


async def test_wrong_secrets_of_callbacks_are_counted_too(tmp_path: Path) -> None:
    (tmp_path / "hook").write_text("s3cret-of-callbacks\n")
    hinted = CONFIG.replace("api_config: {}", "callback_config: {secret_file: hook}")
    async with api_rig(tmp_path, hinted) as rig:
        for group in ("renders", "nosuch"):
            answer = await rig.client.post(f"/api/v1/callbacks/{group}/guess", json={})
            assert answer.status_code == 404
        answer = await rig.client.post("/api/v1/callbacks/renders/s3cret-of-callbacks", json={})
        assert answer.status_code == 202
        assert 'bytespike_exporter_credentials_refused_total{kind="callback"} 2.0' in await rig.metrics()


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.test"}])
@pytest.mark.parametrize(("method", "path"), [*EVERYTHING, *ADMINISTRATION, *LOOSE])
async def test_a_page_of_another_site_is_refused(
    tmp_path: Path, method: str, path: str, headers: dict[str, str]
) -> None:
    async with api_rig(tmp_path) as rig:
        assert (await rig.client.request(method, path, headers=headers)).status_code == 403


async def test_a_host_that_is_none(tmp_path: Path) -> None:
    async with api_rig(tmp_path) as rig:
        assert (await rig.client.get("/api/v1/tasks", headers={"Host": "[::1"})).status_code == 403


@pytest.mark.parametrize(("method", "path"), [*EVERYTHING, *ADMINISTRATION, *LOOSE])
@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Basic s3cret", "s3cret", "Bearer ", "Bearer s3cret2"])
async def test_with_a_token_whoever_lacks_it_is_refused(
    tmp_path: Path, method: str, path: str, authorization: str | None
) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    headers = {"Authorization": authorization} if authorization else {}
    async with api_rig(tmp_path, GUARDED) as rig:
        answer = await rig.client.request(method, path, headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert "s3cret" not in answer.text


async def test_with_the_token_anybody_is_let_in(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    async with (
        api_rig(tmp_path, GUARDED) as rig,
        rig.client_from("10.0.0.7", base_url="http://exporter.test") as client,
    ):
        for word in ("Bearer", "bearer"):
            headers = {"Authorization": f"{word} s3cret"}
            for path in ("/api/v1/tasks", "/config", "/sd"):
                assert (await client.get(path, headers=headers)).status_code == 200
            assert (await client.post("/-/reload", headers=headers)).status_code == 200


async def test_a_changed_token_holds_within_a_second(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("old")
    async with api_rig(tmp_path, GUARDED) as rig:

        async def status(token: str) -> int:
            return (await rig.client.get("/sd", headers={"Authorization": f"Bearer {token}"})).status_code

        assert (await status("old"), await status("new")) == (200, 401)
        (tmp_path / "token").write_text("new!")
        await rig.clock.advance(1)
        assert (await status("old"), await status("new!")) == (401, 200)


@pytest.mark.parametrize("content", [None, "", " \n", "\udcff"])
async def test_a_token_that_cannot_be_read_lets_nobody_in(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "token").write_bytes(content.encode(errors="surrogateescape"))
    async with api_rig(tmp_path, GUARDED) as rig:
        with capture_logs() as logs:
            for token in ("", "None", "x"):
                answer = await rig.client.get("/api/v1/tasks", headers={"Authorization": f"Bearer {token}"})
                assert answer.status_code == 503
        assert {line["event"] for line in logs} == {"api_token_missing"}


async def test_a_token_on_a_share_that_hangs_takes_one_thread(
    browse: Browse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scrapes need threads too: whoever knocks meanwhile waits without one."""
    reading, answers = [0], threading.Event()

    class HangingFile:
        fault = None

        def __init__(self, *, file: Path, hide: object) -> None:
            reading[0] += 1
            assert answers.wait(20)

        def reveal(self) -> str:
            return "s3cret"

    monkeypatch.setattr(access, "SecretSource", HangingFile)
    exporter = FakeExporter(replace(SETTINGS, api=ApiSettings(token_file=tmp_path / "token")))
    async with browse(exporter) as client:
        headers = {"Authorization": "Bearer s3cret"}
        knocking = [asyncio.create_task(client.get("/sd", headers=headers)) for _ in range(50)]
        assert (await client.get("/metrics")).status_code == 200
        assert reading == [1]
        answers.set()
        assert {answer.status_code for answer in await asyncio.gather(*knocking)} == {200}
    assert reading == [1]
