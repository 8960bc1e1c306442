"""Where bodies end, however their bytes are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.proxy.framing import (
    Chunked,
    Counted,
    Framing,
    FramingError,
    UntilClose,
    framing_of_request,
    framing_of_response,
)
from exporter.proxy.head import HeadError, RequestHead, ResponseHead


def fed(framing: Framing, pieces: list[bytes]) -> tuple[bytes, bytes]:
    """What a body says, and what of the bytes is behind its end."""
    said: list[bytes] = []
    behind = b""
    for piece in pieces:
        taken = framing.feed(piece, said.append)
        behind += piece[taken:]
    return b"".join(said), behind


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({min(place, len(data)) for place in places} | {len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


places = st.lists(st.integers(0, 400), max_size=20)


class TestCounted:
    @given(body=st.binary(max_size=200), behind=st.binary(max_size=20), places=places)
    def test_so_many_bytes_are_the_body(self, body: bytes, behind: bytes, places: list[int]) -> None:
        framing = Counted(len(body))

        assert fed(framing, cut(body + behind, places)) == (body, behind)
        assert framing.is_over


class TestChunked:
    @given(
        chunks=st.lists(st.binary(min_size=1, max_size=60), max_size=6), behind=st.binary(max_size=20), places=places
    )
    def test_the_last_chunk_and_its_trailers_are_the_end(
        self, chunks: list[bytes], behind: bytes, places: list[int]
    ) -> None:
        data = b"".join(b"%x;name=value\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
        data += b"0\r\nX-Sum: 1\r\n\r\n"
        framing = Chunked()

        assert fed(framing, cut(data + behind, places)) == (b"".join(chunks), behind)
        assert framing.is_over

    def test_it_is_not_over_before_the_empty_line(self) -> None:
        framing = Chunked()
        fed(framing, [b"1\r\na\r\n0\r\n"])

        assert not framing.is_over

    @pytest.mark.parametrize(
        "data",
        [
            b"x\r\n",
            b"\r\n",
            b"-1\r\n",
            b"0x5\r\n",
            b"5\n",
            b"1\r\nab\r\n",
            b"1\r\na\rb",
            b"1" * 16 + b"\r\n",
            b"1;" + b"a" * 5000,
            b"0\r\n" + b"X: y\r\n" * 5000,
        ],
    )
    def test_what_breaks_its_own_rules_is_told(self, data: bytes) -> None:
        with pytest.raises(FramingError):
            fed(Chunked(), [data])


def test_a_body_until_the_end_of_the_connection_takes_everything() -> None:
    assert fed(UntilClose(), [b"a", b"bc"]) == (b"abc", b"")


def of_request(*lines: bytes, first: bytes = b"POST / HTTP/1.1") -> Framing:
    return framing_of_request(RequestHead.read(b"\r\n".join([first, *lines])))


class TestRequests:
    def test_without_a_word_there_is_no_body(self) -> None:
        assert of_request().is_over

    def test_lengths_and_chunks(self) -> None:
        assert isinstance(of_request(b"Content-Length: 5"), Counted)
        assert isinstance(of_request(b"Transfer-Encoding: Chunked"), Chunked)

    @pytest.mark.parametrize(
        "lines",
        [
            (b"Content-Length: 5", b"Transfer-Encoding: chunked"),
            (b"Content-Length: 5", b"Content-Length: 5"),
            (b"Content-Length: 5, 5",),
            (b"Content-Length: +5",),
            (b"Content-Length: 0x5",),
            (b"Content-Length: " + b"9" * 20,),
            (b"Transfer-Encoding: gzip, chunked",),
            (b"Transfer-Encoding: chunked, chunked",),
            (b"Transfer-Encoding: identity",),
        ],
    )
    def test_what_could_be_read_in_two_ways_is_refused(self, lines: tuple[bytes, ...]) -> None:
        with pytest.raises(HeadError):
            of_request(*lines)

    def test_chunks_are_not_of_http_1_0(self) -> None:
        with pytest.raises(HeadError):
            of_request(b"Transfer-Encoding: chunked", first=b"POST / HTTP/1.0")


def of_response(*lines: bytes, status: int = 200, method: bytes = b"POST") -> Framing:
    head = ResponseHead.read(b"\r\n".join([b"HTTP/1.1 %d X" % status, *lines]))
    return framing_of_response(head, method=method)


class TestAnswers:
    @pytest.mark.parametrize(("status", "method"), [(200, b"HEAD"), (204, b"GET"), (304, b"GET"), (100, b"POST")])
    def test_some_have_none_whatever_they_say(self, status: int, method: bytes) -> None:
        assert of_response(b"Content-Length: 5", status=status, method=method).is_over

    def test_lengths_and_chunks(self) -> None:
        assert isinstance(of_response(b"Content-Length: 5"), Counted)
        assert isinstance(of_response(b"Transfer-Encoding: chunked"), Chunked)

    @pytest.mark.parametrize(
        "lines",
        [
            (),
            (b"Content-Length: 5", b"Transfer-Encoding: chunked"),
            (b"Content-Length: 5", b"Content-Length: 6"),
            (b"Content-Length: five",),
            (b"Transfer-Encoding: gzip",),
        ],
    )
    def test_where_it_is_doubtful_they_go_on_to_the_end(self, lines: tuple[bytes, ...]) -> None:
        assert isinstance(of_response(*lines), UntilClose)
