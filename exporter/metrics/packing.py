"""Pieces of a page, and gzip put together from pieces that were compressed before.

One gzip member, not one for each piece: several are valid, too (RFC 1952, 2.2), but some clients read only the first
and say nothing of the rest. A deflate stream may be cut where a block was flushed, so pieces can be joined as they are;
the sum over all of it is reckoned from theirs, as zlib's own ``crc32_combine`` does.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, reduce

GZIP_LEVEL = 1
"""The library's level 9 takes five times as long as 1 and saves a sixth of the bytes."""

_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"  # deflate, no name, no time, fastest, unknown system
_LAST_BLOCK = b"\x03\x00"
_RAW = -zlib.MAX_WBITS

_POLYNOMIAL = 0xEDB88320
_ONE = 1 << 31
_X_TO_THE_8 = 1 << 23


@dataclass(frozen=True, slots=True)
class Packed:
    """Compressed bytes without an end; the checksum and the length of what they were, and what shifts a sum by it."""

    data: bytes
    crc: int
    size: int
    shift: int


@dataclass(slots=True)
class Piece:
    """Some bytes of a page. They never change, and what was compressed once is kept."""

    texts: Sequence[bytes]
    size: int = field(init=False, compare=False)
    _packed: Packed | None = field(default=None, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        self.size = sum(map(len, self.texts))

    def plain(self) -> bytes:
        """As it is."""
        return b"".join(self.texts)

    def packed(self) -> Packed:
        """Compressed."""
        if self._packed is None:
            self._packed = pack(self.plain())
        return self._packed


def pack(plain: bytes) -> Packed:
    """Compress a piece by itself. The interpreter is free meanwhile."""
    deflate = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, _RAW)
    data = deflate.compress(plain) + deflate.flush(zlib.Z_FULL_FLUSH)
    return Packed(data, zlib.crc32(plain), len(plain), _shift(len(plain)))


def gzipped(pieces: Sequence[Packed]) -> tuple[Piece, ...]:
    """All of these as one gzip member, in pieces that are to be sent one behind the other."""
    crc = reduce(lambda sum_, piece: _times(piece.shift, sum_) ^ piece.crc, pieces, 0)
    size = sum(piece.size for piece in pieces) & 0xFFFFFFFF
    end = _LAST_BLOCK + crc.to_bytes(4, "little") + size.to_bytes(4, "little")
    return tuple(Piece((data,)) for data in (_HEADER, *(piece.data for piece in pieces), end))


# ---- polynomials over GF(2), modulo that of the checksum; the highest bit is the lowest power ------------------------


def _times(one: int, other: int) -> int:
    product = 0
    while one:
        if one & _ONE:
            product ^= other
        one = one << 1 & 0xFFFFFFFF
        other = other >> 1 ^ (_POLYNOMIAL if other & 1 else 0)
    return product


def _shift(size: int) -> int:
    """x to the power of so many bytes' bits: a checksum times this is that checksum before so many zeros."""
    powers = (_shift_by_power_of_2(bit) for bit in range(size.bit_length()) if size >> bit & 1)
    return reduce(_times, powers, _ONE)


@cache
def _shift_by_power_of_2(bit: int) -> int:
    """The same for 1, 2, 4, 8 bytes and so on."""
    if bit == 0:
        return _X_TO_THE_8
    half = _shift_by_power_of_2(bit - 1)
    return _times(half, half)
