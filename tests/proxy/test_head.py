"""Heads: what is read, what is refused, and what the next hop gets to see."""

import pytest

from exporter.proxy.head import HeadError, RequestHead, ResponseHead


def request(*lines: bytes) -> RequestHead:
    return RequestHead.read(b"\r\n".join([b"POST /v1/tasks/query HTTP/1.1", *lines]))


def response(*lines: bytes, first: bytes = b"HTTP/1.1 200 OK") -> ResponseHead:
    return ResponseHead.read(b"\r\n".join([first, *lines]))


class TestReading:
    def test_a_request_line_has_three_words(self) -> None:
        head = RequestHead.read(b"GET /v1/models?capability=video HTTP/1.1\r\nHost: here")

        assert (head.method, head.target, head.minor) == (b"GET", b"/v1/models?capability=video", 1)

    def test_fields_keep_their_order_and_their_spelling(self) -> None:
        head = request(b"X-API-Key: a", b"accept:b", b"Accept:  c \t")

        assert head.fields == ((b"X-API-Key", b"a"), (b"accept", b"b"), (b"Accept", b"c"))
        assert head.values(b"accept") == [b"b", b"c"]

    def test_a_list_may_stand_in_several_fields(self) -> None:
        assert request(b"Connection: close, X-One", b"connection: x-two,,").tokens(b"connection") == [
            b"close",
            b"x-one",
            b"x-two",
        ]

    @pytest.mark.parametrize(
        "line",
        [b"Name : value", b": value", b" folded", b"Na me: value", b"Name: a\nb", b"Name: a\0b", b"no colon", b""],
    )
    def test_what_is_no_field_is_refused(self, line: bytes) -> None:
        with pytest.raises(HeadError):
            request(line)

    @pytest.mark.parametrize(
        "line", [b"GET /", b"GET / HTTP/2.0", b"GET  / HTTP/1.1", b"G(T / HTTP/1.1", b"GET /a b HTTP/1.1", b""]
    )
    def test_what_is_no_request_line_is_refused(self, line: bytes) -> None:
        with pytest.raises(HeadError):
            RequestHead.read(line)

    @pytest.mark.parametrize("line", [b"HTTP/1.1 20 OK", b"HTTP/2 200", b"ICY 200 OK", b"HTTP/1.1 099 X"])
    def test_what_is_no_status_line_is_refused(self, line: bytes) -> None:
        with pytest.raises(HeadError):
            ResponseHead.read(line)

    def test_a_reason_may_be_empty_or_left_out(self) -> None:
        assert response(first=b"HTTP/1.1 204 ").reason == b""
        assert response(first=b"HTTP/1.1 204").reason is None


class TestPersistence:
    @pytest.mark.parametrize(
        ("first", "field", "closes"),
        [
            (b"GET / HTTP/1.1", b"X: y", False),
            (b"GET / HTTP/1.1", b"Connection: Close", True),
            (b"GET / HTTP/1.0", b"X: y", True),
            (b"GET / HTTP/1.0", b"Connection: keep-alive", False),
        ],
    )
    def test_the_version_and_connection_decide(self, first: bytes, field: bytes, closes: bool) -> None:
        assert RequestHead.read(first + b"\r\n" + field).closes is closes


class TestPassingOn:
    def test_a_request_is_the_same_but_for_host_and_via(self) -> None:
        head = request(
            b"Host: localhost:9878", b"Authorization: Bearer k", b"Content-Length: 2", b"accept-ENCODING: br"
        )

        assert head.for_upstream(host=b"llm.bytespike.ai") == (
            b"POST /v1/tasks/query HTTP/1.1\r\nHost: llm.bytespike.ai\r\nAuthorization: Bearer k\r\n"
            b"Content-Length: 2\r\naccept-ENCODING: br\r\nVia: 1.1 bytespike-exporter\r\n\r\n"
        )

    def test_what_speaks_of_one_hop_stays_there(self) -> None:
        head = request(
            b"Connection: X-Mine, keep-alive", b"X-Mine: 1", b"Keep-Alive: timeout=5", b"Upgrade: h2c", b"X-Yours: 2"
        )

        assert b"".join(name for name, _ in head.passed_on()) == b"X-Yours"

    def test_no_client_can_have_the_framing_or_the_host_taken_out(self) -> None:
        head = request(b"Connection: content-length, host, transfer-encoding", b"Host: a", b"Content-Length: 5")

        assert [name for name, _ in head.passed_on()] == [b"Host", b"Content-Length"]

    def test_trailers_are_welcome_where_the_client_takes_them(self) -> None:
        sent = request(b"Connection: TE", b"TE: trailers, deflate;q=0.5").for_upstream(host=b"h")

        assert b"TE: trailers\r\nConnection: TE\r\n" in sent
        assert b"deflate" not in sent

    def test_an_answer_is_the_same_but_for_via(self) -> None:
        sent = response(b"X-Quota-Remaining-Credits: 192.40", b"Connection: keep-alive").for_client(closes=False)

        assert sent == (b"HTTP/1.1 200 OK\r\nX-Quota-Remaining-Credits: 192.40\r\nVia: 1.1 bytespike-exporter\r\n\r\n")

    def test_the_client_is_told_that_its_connection_ends(self) -> None:
        assert response().for_client(closes=True).endswith(b"Connection: close\r\n\r\n")

    def test_an_interim_answer_says_nothing_of_the_connection(self) -> None:
        assert b"Connection" not in response(first=b"HTTP/1.1 100 Continue").for_client(closes=True)
