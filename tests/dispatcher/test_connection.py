"""The HTTP exchange by itself; what each fault of a query and a stream is called is in test_client and test_stream."""

import httpx
import pytest

from exporter.dispatcher.answer import DispatcherError, Reason
from exporter.dispatcher.connection import Connection
from exporter.dispatcher.exchange import Response
from exporter.dispatcher.payload import BODY_LIMIT

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


def new_connection(transport: httpx.AsyncBaseTransport | None = None) -> Connection:
    return Connection("http://api/", timeout=5.0, max_in_flight=2, transport=transport)


async def test_headers_are_found_whatever_their_case() -> None:
    answer = httpx.Response(200, headers={"X-Quota-Remaining-Credits": "5"}, content=b"{}")
    connection = new_connection(httpx.MockTransport(lambda _: answer))
    response = await connection.post("/path", body=b"", headers={})
    assert response.headers.get("x-quota-remaining-credits") == response.headers["X-QUOTA-REMAINING-CREDITS"] == "5"
    await connection.aclose()


@pytest.mark.parametrize(
    ("status", "content", "body"),
    [(200, b"{}", b"{}"), (302, b"moved", b""), (500, b"x" * (BODY_LIMIT + 1), b""), (500, b"down", b"down")],
)
async def test_what_is_read_of_a_body(status: int, content: bytes, body: bytes) -> None:
    headers = {"Location": "http://elsewhere"}
    answer = httpx.Response(status, headers=headers, content=content)
    connection = new_connection(httpx.MockTransport(lambda _: answer))
    assert await connection.post("/path", body=b"", headers={}) == Response(status, answer.headers, body)
    await connection.aclose()


async def test_what_is_raised_beside_an_open_response_is_left_as_it_is() -> None:
    connection = new_connection(httpx.MockTransport(lambda _: httpx.Response(200, content=b"{}")))
    with pytest.raises(KeyError):
        async with connection.listen("/path", headers={}):
            raise KeyError
    await connection.aclose()


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("SSL_CERT_FILE", "/no/such/file", Reason.TLS),
        ("SSL_CERT_FILE", __file__, Reason.TLS),
        ("HTTPS_PROXY", "nonsense://proxy", Reason.CONNECT),
        ("ALL_PROXY", "http://proxy:port", Reason.CONNECT),
    ],
)
def test_an_environment_that_allows_no_connection_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: Reason
) -> None:
    for proxy in PROXIES:
        monkeypatch.delenv(proxy, raising=False)
    monkeypatch.setenv(name, value)
    with pytest.raises(DispatcherError, match="that the environment names") as caught:
        new_connection()
    assert caught.value.reason is reason
