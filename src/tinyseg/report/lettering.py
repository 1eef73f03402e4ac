"""Text in pictures: lines of it, and names set beside the objects they belong to.

A canvas, masks in its pixels and the names come in; the canvas is written on. A name hides no
object and no other name: it stands inside a large object, or as near to a small one as there is
room, with a thin line between them. A name for which there is no room at all is left out.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Int64, UInt8
from PIL import Image, ImageDraw, ImageFont

from tinyseg.masks import CropMasks

Colour = tuple[int, int, int]
WHITE, GREY, DARK = (255, 255, 255), (170, 170, 170), (22, 24, 28)

PLATE = 0.8
"""How much of what is behind a text its plate hides: enough to read on a white sky."""

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in whole canvas pixels, half open."""

LANES = 8
"""How many heights of a name it may stand away from its object."""


@dataclass(frozen=True, slots=True)
class Name:
    """What to write beside the mask of this index."""

    index: int
    text: str
    colour: Colour


def write_names(canvas: UInt8[np.ndarray, "h w 3"], pixels: CropMasks, names: list[Name]) -> None:
    """Each name beside its mask, set from left to right; those of empty masks are left out."""
    size = font_size(canvas.shape[1])
    boxes: list[Box] = [_whole(box) for box in pixels.boxes.tolist()]
    room = _Room((canvas.shape[0], canvas.shape[1]), boxes)
    placed: list[tuple[Name, Box]] = []
    for name in sorted(names, key=lambda n: boxes[n.index][0]):
        box = boxes[name.index]
        if box[2] > box[0] and box[3] > box[1]:
            text_hw = letters(name.text, size).shape
            inner = _inside(box, pixels.grid(name.index), text_hw)
            place = room.place_inside(inner) or room.place_beside(box, text_hw)
            placed += [(name, place)] if place is not None else []
    for name, place in placed:
        # A thin line from it to the nearest pixel of its mask, if it stands apart
        x0, y0, _, y1 = boxes[name.index]
        above = place[3] <= y0
        if above or place[1] >= y1:
            y = place[3] if above else place[1]
            x = min(max((x0 + boxes[name.index][2]) // 2, place[0] + 2), place[2] - 2)
            rows, columns = np.nonzero(pixels.grid(name.index))
            nearest = int(((rows + y0 - y) ** 2 + (columns + x0 - x) ** 2).argmin())
            end = (int(columns[nearest]) + x0, int(rows[nearest]) + y0)
            cv2.line(canvas, (x, y), end, name.colour, 1, cv2.LINE_AA)
    for name, place in placed:
        write_text(canvas, name.text, (place[0], place[1]), size=size, colour=name.colour)


def _whole(box: list[float] | list[int]) -> Box:
    x0, y0, x1, y1 = (int(edge) for edge in box)
    return x0, y0, x1, y1


CELL = 4
"""Room for names is kept in cells of this many pixels."""


class _Room:
    """Which cells of a canvas hold an object or a name, and which a name or its line."""

    def __init__(self, hw: tuple[int, int], boxes: list[Box]) -> None:
        self.hw = hw
        shape = (hw[0] // CELL + 1, hw[1] // CELL + 1)
        self.taken = np.zeros(shape, np.bool_)
        self.written = np.zeros(shape, np.bool_)
        for c0, r0, c1, r1 in _cells(np.array(boxes, np.int64).reshape(-1, 4)):
            self.taken[r0:r1, c0:c1] = True

    def place_inside(self, places: list[Box]) -> Box | None:
        """The first of these places within an object that no name is on, which is then taken."""
        cells = _cells(np.array(places, np.int64).reshape(-1, 4))
        for place, (c0, r0, c1, r1) in zip(places, cells, strict=True):
            if not self.written[r0:r1, c0:c1].any():
                self.written[r0:r1, c0:c1] = True
                return place
        return None

    def place_beside(self, box: Box, text_hw: tuple[int, int]) -> Box | None:
        """The best free rectangle for a text by this box, which is then taken.

        Names on lines and lines on names are worst; then the distance counts, and three times
        as much what a line crosses of other objects.
        """
        # Above and below the box, nearest first
        (x0, y0, x1, y1), (h, w) = box, text_hw
        gap = max(h // 4, 2)
        aways = [gap + lane * (h + gap) for lane in range(LANES)]
        lefts = (x0, (x0 + x1 - w) // 2, x1 - w, x0 - w, x1)
        corners = [(x, y) for away in aways for x in lefts for y in (y0 - away - h, y1 + away)]
        low = np.array(corners, np.int64)
        places = np.concatenate([low, low + np.array((w, h))], axis=1)
        inside = (places[:, :2] >= 0).all(axis=1) & (places[:, 2:] <= self.hw[::-1]).all(axis=1)
        places = places[inside]
        cells, lines = _cells(places), _cells(_between(places, box))
        best: tuple[bool, int] | None = None
        at = -1
        for index, ((c0, r0, c1, r1), (d0, s0, d1, s1)) in enumerate(
            zip(cells, lines, strict=True)
        ):
            if self.taken[r0:r1, c0:c1].any():
                continue
            mixed = self.written[r0:r1, c0:c1].any() or self.written[s0:s1, d0:d1].any()
            crossed = np.count_nonzero(self.taken[s0:s1, d0:d1].any(axis=1))
            cost = (bool(mixed), s1 - s0 + 3 * int(crossed))
            if best is None or cost < best:
                best, at = cost, index
        if at < 0:
            return None
        (c0, r0, c1, r1), (d0, s0, d1, s1) = cells[at], lines[at]
        self.taken[r0:r1, c0:c1] = True
        self.written[r0:r1, c0:c1] = True
        self.written[s0:s1, d0:d1] = True
        return _whole(places[at].tolist())


def _cells(boxes: Int64[np.ndarray, "n 4"]) -> list[list[int]]:
    """The half-open cells c0, r0, c1, r1 that each box reaches into."""
    inside = np.maximum(boxes, 0)
    ends = -(-inside[:, 2:] // CELL)
    return np.concatenate([inside[:, :2] // CELL, ends], axis=1).tolist()


def _inside(box: Box, grid: UInt8[np.ndarray, "h w"], text_hw: tuple[int, int]) -> list[Box]:
    """Places on a large object, around its thickest part, which is seldom a face; else none."""
    (x0, y0, x1, y1), (h, w) = box, text_hw
    if x1 - x0 < 1.5 * w or y1 - y0 < 4 * h:
        return []
    depth = cv2.distanceTransform(np.pad(grid, 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), grid.shape)
    if depth[row, column] < h:
        return []
    left = min(max(x0 + int(column) - w // 2, x0), x1 - w)
    tops = [y0 + int(row) + step * h - h // 2 for step in (0, 1, -1, 2, -2)]
    return [(left, top, left + w, top + h) for top in tops if y0 <= top and top + h <= y1]


def _between(places: Int64[np.ndarray, "n 4"], box: Box) -> Int64[np.ndarray, "n 4"]:
    """The columns that a line from a name at each place to the object runs in."""
    left, top, right, bottom = places.T
    middle = (box[0] + box[2]) // 2
    start = np.clip(middle, left, right)
    above = bottom <= box[1]
    low, high = np.where(above, bottom, box[3]), np.where(above, box[1], np.maximum(top, box[3]))
    return np.stack([np.minimum(start, middle), low, np.maximum(start, middle) + 1, high], axis=1)


def font_size(width: int) -> int:
    """Height of letters in pixels, for a picture of this width."""
    return max(width // 130, 11)


@lru_cache(maxsize=4096)
def letters(text: str, size: int) -> UInt8[np.ndarray, "h w"]:
    """Coverage of the text, in a rectangle of the font's height with a small margin."""
    font = ImageFont.load_default(size)
    margin = max(size // 6, 1)
    pen = ImageDraw.Draw(Image.new("L", (1, 1)))
    width = round(pen.textlength(text, font)) + 4 * margin
    picture = Image.new("L", (width, round(size * 1.25) + 2 * margin))
    ImageDraw.Draw(picture).text((2 * margin, margin), text, fill=255, font=font)
    return np.asarray(picture)


def write_text(
    canvas: UInt8[np.ndarray, "h w 3"],
    text: str,
    corner: tuple[int, int],
    *,
    size: int,
    colour: Colour,
) -> None:
    """Text on a dark plate whose top-left corner is (x, y), cut at the canvas' rims."""
    x, y = corner
    window = canvas[y:, x:]
    cover = letters(text, size)[: window.shape[0], : window.shape[1], None] / 255.0
    window = window[: cover.shape[0], : cover.shape[1]]
    plate = window * (1 - PLATE) + np.array(DARK) * PLATE
    window[:] = (plate * (1 - cover) + np.array(colour) * cover).astype(np.uint8)


def text_lines(
    items: list[tuple[str, Colour]], width: int, *, enlarge: float = 1.0
) -> UInt8[np.ndarray, "h width 3"]:
    """Texts, each in its colour, on a dark ground: from left to right and on into the next line."""
    size = round(font_size(width) * enlarge)
    height = letters("x", size).shape[0]
    x, y, places = 0, 0, []
    for text, colour in items:
        w = letters(text, size).shape[1]
        if x and x + w > width:
            x, y = 0, y + height
        places.append(((x, y), text, colour))
        x += w + size
    canvas = np.full((y + height, width, 3), DARK, np.uint8)
    for corner, text, colour in places:
        write_text(canvas, text, corner, size=size, colour=colour)
    return canvas
