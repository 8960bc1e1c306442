"""What holds for every path."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.types import Message

from exporter.metrics.snapshot import Snapshot
from exporter.settings.model import ApiConfigSettings, CallbackSettings, GroupSettings, Settings
from exporter.web.app import MAX_BODY_BYTES
from tests.support.browse import Browse
from tests.support.fake_exporter import SETTINGS, FakeExporter

PATHS = ["/", "/config", "/metrics", "/-/healthy", "/-/ready", "/healthz", "/livez", "/readyz"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_every_path_answers_at_once_and_without_a_redirect(browse: Browse, method: str, path: str) -> None:
    async with browse(FakeExporter()) as client:
        answer = await client.request(method, path)
    assert answer.status_code == 200
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/nowhere", "/metrics/", "/-/", "/-/healthy/", "/config/../nowhere"])
async def test_other_paths_are_not_found(browse: Browse, path: str) -> None:
    async with browse(FakeExporter()) as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.text) == (404, "Not Found\n")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/-/reload", {"POST", "PUT"}),
        ("DELETE", "/-/reload", {"POST", "PUT"}),
        ("POST", "/metrics", {"GET", "HEAD"}),
        ("PUT", "/", {"GET", "HEAD"}),
    ],
)
async def test_other_methods_are_not_allowed(browse: Browse, method: str, path: str, allowed: set[str]) -> None:
    exporter = FakeExporter()
    async with browse(exporter) as client:
        answer = await client.request(method, path)
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == allowed
    assert exporter.reloads == []


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_has_a_limit(browse: Browse, chunked: bool) -> None:
    async def stream() -> AsyncIterator[bytes]:
        yield b"x" * MAX_BODY_BYTES
        yield b"x"

    exporter = FakeExporter()
    async with browse(exporter) as client:
        small = await client.post("/-/reload", content=b"x" * MAX_BODY_BYTES)
        large = await client.post("/-/reload", content=stream() if chunked else b"x" * (MAX_BODY_BYTES + 1))
    assert (small.status_code, large.status_code) == (200, 413)
    assert exporter.reloads == [False]


async def test_a_fault_of_ours_shows_nothing_of_the_inside(browse: Browse) -> None:
    def fail() -> Snapshot:
        raise RuntimeError("sk-byts-secret")

    async with browse(FakeExporter(shown=fail)) as client:
        assert isinstance(client._transport, httpx.ASGITransport)
        client._transport.raise_app_exceptions = False
        answer = await client.get("/")
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/-/reload"),
        ("POST", "/api/v1/tasks"),
        ("POST", "/api/v1/callbacks/renders/s3cret"),
        ("GET", "/metrics"),
    ],
)
async def test_who_hangs_up_within_a_request_is_no_fault_of_ours(
    browse: Browse, tmp_path: Path, method: str, path: str
) -> None:
    (tmp_path / "hook").write_text("s3cret")
    callback = CallbackSettings(secret_file=tmp_path / "hook")
    group = GroupSettings("renders", "default", api_config=ApiConfigSettings(), callback_config=callback)
    exporter = FakeExporter(Settings(accounts=SETTINGS.accounts, task_groups=(group,)))
    statuses: list[int] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json"), (b"content-length", b"100")]
    scope = {
        "type": "http",
        "scheme": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1234),
        "server": ("localhost", 80),
    }
    async with browse(exporter) as client:
        assert isinstance(client._transport, httpx.ASGITransport)
        await client._transport.app(scope, receive, send)
    assert statuses == [200 if path == "/metrics" else 400]
    assert exporter.reloads == []
    assert exporter.registrations.made == []
