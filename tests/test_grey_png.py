"""16-bit label maps decoded fast: libpng is the second implementation."""

import zlib
from itertools import pairwise

import cv2
import numpy as np
import pytest
from _png import png_file
from hypothesis import given, settings, strategies as st
from jaxtyping import UInt8, UInt16

from tinyseg.grey_png import SIGNATURE, decode_grey16


def filtered(pixels: UInt16[np.ndarray, "h w"], kinds: list[int]) -> bytes:
    """The rows as PNG stores them, each by its filter type, written byte by byte."""
    rows = pixels.astype(">u2").view(np.uint8).astype(int)
    out, above = bytearray(), np.zeros(rows.shape[1], int)
    for kind, row in zip(kinds, rows, strict=True):
        out.append(kind)
        for at, value in enumerate(row.tolist()):
            left, up = int(row[at - 2]) if at > 1 else 0, int(above[at])
            corner = int(above[at - 2]) if at > 1 else 0
            guess = left + up - corner
            nearest = min((left, up, corner), key=lambda v: abs(guess - v))
            out.append((value - (0, left, up, (left + up) // 2, nearest)[kind]) % 256)
        above = row
    return bytes(out)


def png_of(body: bytes, hw: tuple[int, int], *, interlaced: bool = False, parts: int = 1) -> bytes:
    """A 16-bit grey PNG of these filtered rows, its data in several chunks."""
    packed = zlib.compress(body)
    cuts = [len(packed) * i // parts for i in range(parts + 1)]
    pieces = [packed[a:b] for a, b in pairwise(cuts)]
    return png_file(hw, pieces, bits=16, interlaced=interlaced)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 12), st.integers(1, 4))
def test_every_mixture_of_filters_gives_the_pixels(
    seed: int, height: int, width: int, parts: int
) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.choice([0, 255, 256, 33001, 65535], (height, width)).astype(np.uint16)
    data = png_of(filtered(pixels, rng.integers(0, 5, height).tolist()), pixels.shape, parts=parts)
    for decoded in (
        cv2.imdecode(np.frombuffer(data, np.uint8), -1),
        decode_grey16(data, pixels.shape),
    ):
        assert decoded is not None
        assert np.array_equal(decoded, pixels)


@pytest.fixture
def rows() -> UInt8[np.ndarray, " n"]:
    """Three rows of two pixels, unfiltered."""
    return np.array([0, 1, 2, 3, 4] * 3, np.uint8)


def test_what_is_not_taken(rows: UInt8[np.ndarray, " n"]) -> None:
    body = rows.tobytes()
    assert decode_grey16(png_of(body, (3, 2)), (3, 2)) is not None
    assert decode_grey16(png_of(body, (3, 2), interlaced=True), (3, 2)) is None
    assert decode_grey16(png_of(body[:-1], (3, 2)), (3, 2)) is None, "a byte is missing"
    assert decode_grey16(png_of(body + b"\0", (3, 2)), (3, 2)) is None, "a byte too many"
    assert decode_grey16(png_of(b"\5" + body[1:], (3, 2)), (3, 2)) is None, "no such filter type"
    assert decode_grey16(SIGNATURE, (3, 2)) is None


def test_a_bomb_is_not_unpacked() -> None:
    data = png_of(bytes(50_000_000), (3, 2))
    assert len(data) < 100_000
    assert decode_grey16(data, (3, 2)) is None
