"""The fast way from the bytes of a 16-bit grey PNG to its pixels, for label maps.

In: the whole file, whose checksums the caller has looked at, and its height and width. Out: the
pixels as uint16, or None for what this way does not take: interlaced files, and data that do not
inflate to exactly the rows that the header states. libpng has the last word on those.

A label map of 9 megapixels is 18 MB of nearly nothing but zeros, since most of its rows are stored
as differences from the row above (PNG specification, section 9, filter types). zlib-ng inflates
them five times faster than the zlib inside OpenCV, and a row is then one addition of bytes. Rows
of the two filter types that depend on their own left neighbour in a nonlinear way go to libpng,
run by run, as a small PNG of their own: benchmarks/label_map.py.
"""

import sys
import zlib
from collections.abc import Iterator
from itertools import groupby

import cv2
import numpy as np
from jaxtyping import UInt8, UInt16
from zlib_ng import zlib_ng

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_NONE, _SUB, _UP, _AVERAGE, _PAETH = range(5)
_HEADER_BYTES = 13
_NOT_INTERLACED = 0


def decode_grey16(data: bytes, hw: tuple[int, int]) -> UInt16[np.ndarray, "h w"] | None:
    """The pixels of a checked 16-bit grey PNG of this height and width; None if it is not taken."""
    chunks = list(_chunks(data))
    header = next((body for kind, body in chunks if kind == b"IHDR"), b"")
    if len(header) != _HEADER_BYTES or header[12] != _NOT_INTERLACED:
        return None
    packed = b"".join(body for kind, body in chunks if kind == b"IDAT")
    rows = _inflate(packed, hw[0], 1 + 2 * hw[1])
    if rows is None or rows[:, 0].max() > _PAETH:
        return None
    pixels = _without_filters(rows)
    if pixels is None:
        return None
    native = pixels.view(np.uint16)
    return native.byteswap(inplace=True) if sys.byteorder == "little" else native


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Kind and body of each chunk, up to the end of the file."""
    at, view = len(SIGNATURE), memoryview(data)
    while at + 12 <= len(data):
        size = int.from_bytes(view[at : at + 4], "big")
        yield bytes(view[at + 4 : at + 8]), view[at + 8 : at + 8 + size]
        at += 12 + size


def _inflate(packed: bytes, height: int, row_bytes: int) -> UInt8[np.ndarray, "h b"] | None:
    """The rows with their filter types in front; None for damaged, too few or too many bytes."""
    stream = zlib_ng.decompressobj()
    try:
        # One byte more than wanted tells too many from enough, and bounds what a bomb can take.
        plain = stream.decompress(packed, height * row_bytes + 1)
    except zlib_ng.error:  # type: ignore[misc]  # its stub has a value where the class stands
        return None
    if len(plain) != height * row_bytes or not stream.eof:
        return None
    return np.frombuffer(plain, np.uint8).reshape(height, row_bytes)


def _without_filters(rows: UInt8[np.ndarray, "h b"]) -> UInt8[np.ndarray, "h _b"] | None:
    """The bytes of the pixels, high byte first; None where libpng refuses its rows."""
    kinds, stored = rows[:, 0].tolist(), rows[:, 1:]
    out = np.empty(stored.shape, np.uint8)
    above = np.zeros(stored.shape[1], np.uint8)
    for nonlinear, run in groupby(range(len(rows)), lambda y: kinds[y] >= _AVERAGE):
        places = list(run)
        if nonlinear:
            decoded = _by_libpng(above, rows[places[0] : places[-1] + 1])
            if decoded is None:
                return None
            out[places[0] : places[-1] + 1] = decoded
        else:  # types None, Sub and Up: sums modulo 256
            for y in places:
                if kinds[y] == _UP:
                    np.add(above, stored[y], out=out[y])
                elif kinds[y] == _SUB:
                    pairs, sums = stored[y].reshape(-1, 2), out[y].reshape(-1, 2)
                    np.add.accumulate(pairs, axis=0, dtype=np.uint8, out=sums)
                else:
                    out[y] = stored[y]
                above = out[y]
        above = out[places[-1]]
    return out


def _by_libpng(
    above: UInt8[np.ndarray, " b"], rows: UInt8[np.ndarray, "k _b"]
) -> UInt8[np.ndarray, "k b"] | None:
    """A run of rows below the row `above`, as a PNG of their own."""
    first = np.concatenate([np.array([_NONE], np.uint8), above])
    body = np.concatenate([first, rows.ravel()]).tobytes()
    size = (above.size // 2).to_bytes(4, "big") + (len(rows) + 1).to_bytes(4, "big")
    chunks = ((b"IHDR", size + b"\x10\0\0\0\0"), (b"IDAT", zlib.compress(body, 0)), (b"IEND", b""))
    small = SIGNATURE
    for kind, content in chunks:
        sum_of = zlib.crc32(kind + content).to_bytes(4, "big")
        small += len(content).to_bytes(4, "big") + kind + content + sum_of
    pixels = cv2.imdecode(np.frombuffer(small, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16:
        return None
    return np.asarray(pixels[1:].astype(">u2").view(np.uint8))
