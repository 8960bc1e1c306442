"""What stands before the app, in the order of the toolkit."""

import base64
from random import Random

import bcrypt
import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from exporter.web.api.access import USER
from exporter.web.api.refusals import refusal
from exporter.web.toolkit import passwords
from exporter.web.toolkit.guard import Guard, basic_auth
from exporter.web.toolkit.limit import RateLimit
from exporter.web.toolkit.passwords import Passwords
from exporter.web.toolkit.settings import HttpServerSettings, WebSettings

USERS = {"prometheus": bcrypt.hashpw(b"a password", bcrypt.gensalt(4)).decode()}
HEADERS = HttpServerSettings(headers={"X-Frame-Options": "deny", "Content-Security-Policy": "default-src 'self'\n"})


async def whoever(scope: Scope, receive: Receive, send: Send) -> None:
    """Says who asks; and it has a policy of its own."""
    user = Request(scope).scope.get("state", {}).get(USER, "nobody")
    await PlainTextResponse(user, headers={"Content-Security-Policy": "none"})(scope, receive, send)


class Refused:
    """Remembers whose passwords were wrong; after ``most`` of them it has enough."""

    def __init__(self, most: int = 100) -> None:
        self.addresses: list[str] = []
        self._most = most

    async def __call__(self, address: str) -> None:
        self.addresses.append(address)
        if len(self.addresses) > self._most:
            raise refusal(429, "too many wrong credentials", headers={"Retry-After": "8"})


def browse(
    settings: WebSettings | None, limit: RateLimit | None = None, refused: Refused | None = None
) -> httpx.AsyncClient:
    passwords = Passwords(random=Random(1))
    guard = Guard(whoever, lambda: settings, passwords=passwords, refused=refused or Refused(), limit=limit)
    return httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url="http://exporter.test")


async def test_without_users_anybody_passes() -> None:
    async with browse(WebSettings()) as client:
        assert (await client.get("/", auth=("prometheus", "a password"))).text == "nobody"


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready", "/api/v1/tasks", "/sd", "/no/such"])
async def test_no_path_is_left_out(path: str) -> None:
    async with browse(WebSettings(basic_auth_users=USERS)) as client:
        refused = await client.get(path)
        assert (refused.status_code, refused.text) == (401, "Unauthorized\n")
        assert refused.headers["www-authenticate"] == "Basic"
        assert (await client.get(path, auth=("prometheus", "a password"))).text == "prometheus"
        assert (await client.get(path, auth=("prometheus", "another"))).status_code == 401
        assert (await client.get(path, auth=("nobody", "a password"))).status_code == 401


async def test_headers_are_set_where_the_app_has_none_of_its_own() -> None:
    async with browse(WebSettings(http_server_config=HEADERS, basic_auth_users=USERS)) as client:
        answer = await client.get("/", auth=("prometheus", "a password"))
        assert answer.headers["x-frame-options"] == "deny"
        assert answer.headers.get_list("content-security-policy") == ["none"]
        refused = await client.get("/")
        assert refused.headers["content-security-policy"] == "default-src 'self'"


async def test_a_wrong_file_is_told_to_everybody() -> None:
    async with browse(None) as client:
        answer = await client.get("/metrics")
    assert (answer.status_code, answer.text) == (500, "Internal Server Error\n")


async def test_the_limit_comes_before_passwords_and_headers() -> None:
    limit = RateLimit(interval=60, burst=1, now=lambda: 0.0)
    async with browse(WebSettings(http_server_config=HEADERS, basic_auth_users=USERS), limit) as client:
        assert (await client.get("/")).status_code == 401
        second = await client.get("/", auth=("prometheus", "a password"))
    assert (second.status_code, second.text) == (429, "Too Many Requests\n")
    assert "x-frame-options" not in second.headers


async def test_who_guesses_is_told_of_and_who_says_nothing_is_not() -> None:
    refused = Refused(most=2)
    async with browse(WebSettings(basic_auth_users=USERS), refused=refused) as client:
        await client.get("/")
        await client.get("/", headers={"Authorization": "Bearer x"})
        assert refused.addresses == []
        answers = [(await client.get("/", auth=("prometheus", "x"))) for _ in range(3)]
        assert (await client.get("/", auth=("prometheus", "a password"))).text == "prometheus"

    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert answers[2].headers["retry-after"] == "8"
    assert refused.addresses == ["127.0.0.1"] * 3


async def test_where_too_many_passwords_wait_one_more_is_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "WAITING", 0)
    async with browse(WebSettings(basic_auth_users=USERS)) as client:
        answer = await client.get("/", auth=("prometheus", "a password"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def header(value: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"host", b"x"), (b"authorization", value)]


def test_the_header_as_go_reads_it() -> None:
    def encoded(both: bytes) -> bytes:
        return base64.b64encode(both)

    assert basic_auth(header(b"Basic " + encoded(b"a:b"))) == ("a", b"b")
    assert basic_auth(header(b"bASIC " + encoded(b"a:b:c"))) == ("a", b"b:c")
    assert basic_auth(header(b"Basic " + encoded(b":"))) == ("", b"")
    assert basic_auth(header(b"Basic " + encoded(b"\xff:\xff"))) == ("\udcff", b"\xff")
    for wrong in (b"", b"Basic", b"Basic ", b"Basic !", b"Basic " + encoded(b"a"), b"Bearer " + encoded(b"a:b")):
        assert basic_auth(header(wrong)) is None
    assert basic_auth([]) is None
