"""However the bytes of an answer are cut on their way, it is read as one."""

from itertools import pairwise

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.dispatcher.exchange import Response
from exporter.dispatcher.payload import BODY_LIMIT
from exporter.dispatcher.reader import HEAD_LIMIT, ResponseReader

OK = b"HTTP/1.1 200 OK\r\n"
ANSWERS = (
    OK + b"Content-Length: 2\r\nX-Quota: 1\r\n\r\n{}",
    OK + b"Transfer-Encoding: chunked\r\n\r\n1;e=x\r\n{\r\n1\r\n}\r\n0\r\nX-T: y\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\n{}",
    OK + b"Connection: close\r\n\r\n{}",
    b"HTTP/1.1 500 Error\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 2\r\n\r\n{}",
    OK + b"Content-Length: 2\r\n\r\n{}" + OK + b"Content-Length: 2\r\n\r\n[]",
    OK + b"Content-Length: 2\r\n\r\n{}garbage",
    OK + b"Content-Length: 3\r\n\r\n{}",
    OK + b"Content-Length: 9999999\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
)


def read(pieces: list[bytes]) -> tuple[Response | None, str, bool]:
    """What came of it: the response, the fault, and whether the connection may stay."""
    reader = ResponseReader()
    reader.start()
    for piece in pieces:
        if reader.fault is None and (reader.response is None or reader.may_go_on):
            reader.feed(memoryview(piece))
    reader.end()
    return reader.response, str(reader.fault), reader.may_go_on


@given(st.sampled_from(ANSWERS), st.lists(st.integers(1, 150), max_size=8))
def test_where_an_answer_is_cut_makes_no_difference(answer: bytes, cuts: list[int]) -> None:
    at = sorted({0, len(answer), *(cut for cut in cuts if cut < len(answer))})
    pieces = [answer[start:end] for start, end in pairwise(at)]
    assert read(pieces) == read([answer]) == read([answer[n : n + 1] for n in range(len(answer))])


@given(st.binary(max_size=200), st.sampled_from(["", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"]))
def test_no_bytes_break_it(noise: bytes, framing: str) -> None:
    response, fault, _ = read([OK + framing.encode() + b"\r\n" + noise])
    assert (response is None) != (fault == "None")


def test_one_response_after_another_knows_nothing_of_the_last() -> None:
    reader = ResponseReader()
    said = []
    for answer in (OK + b"X-A: 1\r\nContent-Length: 2\r\n\r\n{}", OK + b"X-B: 2\r\nContent-Length: 0\r\n\r\n"):
        reader.start()
        reader.feed(memoryview(answer))
        assert reader.response is not None
        said.append((sorted(reader.response.headers), reader.response.body, reader.may_go_on))
    assert said == [(["content-length", "x-a"], b"{}", True), (["content-length", "x-b"], b"", True)]


@pytest.mark.parametrize(
    ("head", "piece"),
    [(OK, b"X-Filler: y\r\n"), (b"", b"HTTP/1.1 100 Continue\r\n\r\n"), (OK + b"X: ", b"endless")],
    ids=["headers", "interim", "one-header"],
)
def test_a_head_without_end_is_given_up(head: bytes, piece: bytes) -> None:
    reader = ResponseReader()
    reader.start()
    reader.feed(memoryview(head))
    fed = 0
    while reader.fault is None:
        reader.feed(memoryview(piece * 10))
        fed += len(piece) * 10
        assert fed <= HEAD_LIMIT + len(piece) * 10
    assert isinstance(reader.fault, httpx.RemoteProtocolError)


@pytest.mark.parametrize(
    "piece", [b"1;" + b"x" * 100 + b"\r\n \r\n", b"5000\r\n" + b" " * 0x5000 + b"\r\n"], ids=["extensions", "body"]
)
def test_chunks_without_end_are_given_up(piece: bytes) -> None:
    reader = ResponseReader()
    reader.start()
    reader.feed(memoryview(OK + b"Transfer-Encoding: chunked\r\n\r\n"))
    fed = 0
    while reader.fault is None:
        reader.feed(memoryview(piece))
        fed += len(piece)
        assert fed <= 2 * BODY_LIMIT


def test_the_smallest_chunks_are_no_flood() -> None:
    pieces = [OK + b"Transfer-Encoding: chunked\r\n\r\n", *([b"1\r\n \r\n" * 1000] * 100), b"0\r\n\r\n"]
    response, fault, may_stay = read(pieces)
    assert (response and len(response.body), fault, may_stay) == (100_000, "None", True)
