"""PNG files by hand, so that they may state what they do not hold."""

import struct
import zlib
from collections.abc import Sequence

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB = 0, 2
"""Colour types."""


def png_file(
    hw: tuple[int, int],
    data: Sequence[bytes],
    *,
    bits: int = 8,
    colour_type: int = GREY,
    interlaced: bool = False,
) -> bytes:
    """A PNG that states this size, with these packed pieces of pixel data, whatever they hold."""
    head = struct.pack(">IIBBBBB", hw[1], hw[0], bits, colour_type, 0, 0, interlaced)
    parts = [(b"IHDR", head), *((b"IDAT", piece) for piece in data), (b"IEND", b"")]
    return SIGNATURE + b"".join(_chunk(kind, body) for kind, body in parts)


def _chunk(kind: bytes, body: bytes) -> bytes:
    check = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)
