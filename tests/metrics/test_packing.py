"""Pieces that were compressed one by one are one gzip member, for every reader."""

import gzip
import subprocess
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.metrics.packing import Piece, gzipped, pack
from tests.support.tools import need_tool

PARTS = st.lists(st.binary(max_size=300) | st.binary(max_size=3).map(lambda some: some * 5000), max_size=6)


def joined(parts: list[bytes]) -> bytes:
    return b"".join(piece.plain() for piece in gzipped([pack(part) for part in parts]))


@given(PARTS)
def test_what_was_packed_in_parts_is_unpacked_as_a_whole(parts: list[bytes]) -> None:
    assert gzip.decompress(joined(parts)) == b"".join(parts)


@given(PARTS)
def test_it_is_one_member_for_those_that_read_only_one(parts: list[bytes]) -> None:
    first = zlib.decompressobj(zlib.MAX_WBITS | 16)
    assert first.decompress(joined(parts)) == b"".join(parts)
    assert (first.eof, first.unused_data) == (True, b"")


@pytest.mark.parametrize("parts", [[], [b""], [b"# EOF\n"], [b"a 1.0\n" * 9999, b"b 2.0\n"]])
def test_gzip_itself_finds_nothing_wrong(parts: list[bytes]) -> None:
    tested = subprocess.run([need_tool("gzip"), "--test"], input=joined(parts), capture_output=True, check=False)
    assert (tested.returncode, tested.stderr) == (0, b"")


def test_the_sum_is_that_of_everything() -> None:
    parts = [b"one", b"", b"two" * 70_000]
    assert joined(parts)[-8:-4] == zlib.crc32(b"".join(parts)).to_bytes(4, "little")


def test_a_piece_is_packed_once() -> None:
    piece = Piece([b"a 1.0\n", b"", b"b 2.0\n"])
    assert (piece.size, piece.plain()) == (12, b"a 1.0\nb 2.0\n")
    assert piece.packed() is piece.packed()
    assert piece == Piece([b"a 1.0\n", b"", b"b 2.0\n"])
