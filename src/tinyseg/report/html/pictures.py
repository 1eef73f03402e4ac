"""One frame's pixels for the page, within a number of bytes.

A frame's image and the boxes that matter on it go in; a Picture comes out: the whole frame, at half
resolution where it is large, and patches at native resolution where small objects are. Patches
are made of square tiles, taken by what lies on them until the bytes are used up, then joined to
rectangles. All as WebP in data URIs, which a page needs no other file for.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float64, UInt8

from tinyseg import boxes as box_math
from tinyseg.errors import DataError

SMALL_PICTURE = 1.6e6
"""A frame of no more pixels is kept at native resolution as a whole."""

SHRUNK = ((1 / 2, 70), (1 / 2, 50), (1 / 2, 30), (1 / 4, 40), (1 / 8, 30))
"""Scale and quality of the whole frame, in the order in which they are tried."""

WHOLE_SHARE = 0.55
"""Most of a frame's bytes that its whole picture takes; the rest is for native patches."""

TILE = 160
MARGIN = 48
"""Pixels around a box that are worth as much as the box."""

PATCH_QUALITY = 82


@dataclass(frozen=True, slots=True)
class Patch:
    """A rectangle of the frame, x0, y0, x1, y1, and its pixels, `scale` of the native ones."""

    box: tuple[int, int, int, int]
    scale: float
    source: str


@dataclass(frozen=True, slots=True)
class Picture:
    """The whole frame and the patches that lie on it."""

    whole: Patch
    native: tuple[Patch, ...]

    @property
    def bytes(self) -> int:
        """What the data URIs take on the page."""
        return sum(len(patch.source) for patch in (self.whole, *self.native))


def picture_of(
    image: UInt8[np.ndarray, "height width 3"],
    boxes: Float64[np.ndarray, "n 4"],
    worth: Float64[np.ndarray, " n"],
    *,
    max_bytes: int,
) -> Picture:
    """The frame for the page, in at most `max_bytes` of data URIs if at all possible.

    `boxes` are in frame pixels, `worth` is how much each deserves native pixels; none at 0. A
    frame whose smallest version alone is larger keeps that one, without patches.
    """
    height, width = image.shape[:2]
    tries = [(1.0, 75), *SHRUNK] if height * width <= SMALL_PICTURE else list(SHRUNK)
    for scale, quality in tries:
        share = 1.0 if scale == 1 else WHOLE_SHARE
        whole = _patch(image, (0, 0, width, height), scale, quality)
        if len(whole.source) <= share * max_bytes:
            break
    if whole.scale == 1:
        return Picture(whole, ())
    tiles = _tiles(image, boxes, worth, max_bytes - len(whole.source))
    return Picture(whole, tuple(_patch(image, box, 1.0, PATCH_QUALITY) for box in _joined(tiles)))


def _patch(
    image: UInt8[np.ndarray, "height width 3"],
    box: tuple[int, int, int, int],
    scale: float,
    quality: int,
) -> Patch:
    x0, y0 = box[:2]
    x1, y1 = min(box[2], image.shape[1]), min(box[3], image.shape[0])
    pixels = image[y0:y1, x0:x1]
    if scale != 1:
        size = max(round((x1 - x0) * scale), 1), max(round((y1 - y0) * scale), 1)
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    fine, code = cv2.imencode(".webp", pixels[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, quality])
    if not fine:
        raise DataError("a picture for the page cannot be encoded", got=pixels.shape)
    source = "data:image/webp;base64," + base64.b64encode(code.tobytes()).decode("ascii")
    return Patch((x0, y0, x1, y1), scale, source)


def _tiles(
    image: UInt8[np.ndarray, "height width 3"],
    boxes: Float64[np.ndarray, "n 4"],
    worth: Float64[np.ndarray, " n"],
    max_bytes: int,
) -> Bool[np.ndarray, "rows columns"]:
    """Which tiles to keep: the worthiest first, as long as they fit."""
    height, width = image.shape[:2]
    value = np.zeros((-(-height // TILE), -(-width // TILE)))
    grown = box_math.clip(
        boxes + np.array([-MARGIN, -MARGIN, MARGIN, MARGIN]),
        (0.0, 0.0, float(width), float(height)),
    )
    for (x0, y0, x1, y1), one in zip((grown / TILE).tolist(), worth.tolist(), strict=True):
        value[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))] += one
    kept = np.zeros(value.shape, np.bool_)
    for place in np.argsort(-value, axis=None, kind="stable").tolist():
        row, column = divmod(place, value.shape[1])
        if value[row, column] <= 0:
            break
        max_bytes -= len(_patch(image, _rectangle(row, column, 1, 1), 1.0, PATCH_QUALITY).source)
        if max_bytes < 0:
            break
        kept[row, column] = True
    return kept


def _rectangle(row: int, column: int, rows: int, columns: int) -> tuple[int, int, int, int]:
    return column * TILE, row * TILE, (column + columns) * TILE, (row + rows) * TILE


def _joined(kept: Bool[np.ndarray, "rows columns"]) -> Sequence[tuple[int, int, int, int]]:
    """Rectangles in pixels that hold exactly the kept tiles: runs of a row, joined downwards."""
    left = kept.copy()
    found = []
    for row, column in np.argwhere(kept).tolist():
        if not left[row, column]:
            continue
        end = column
        while end < kept.shape[1] and left[row, end]:
            end += 1
        last = row
        while last < kept.shape[0] and left[last, column:end].all():
            left[last, column:end] = False
            last += 1
        found.append(_rectangle(row, column, last - row, end - column))
    return found
