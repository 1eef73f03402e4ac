"""Polygons -> pixels, by the rule of COCO's own tools.

In: objects, each a list of polygons `[x, y, x, y, ...]` in pixels of a frame. Out: CropMasks in
pixel form, inside the frame and tight; an object is the union of its polygons (COCO's annToRLE).
Refused: polygons of fewer than three corners, coordinates that are not finite or beyond 2^20.

The pixels are those of pycocotools (`frPyObjects`, `merge`) bit for bit, so that a score over
polygons is COCO's own. Its rule: corners are rounded to fifths of a pixel, and an edge visits each
fifth along its longer side, the other coordinate rounded. Where it steps over the centre of a
column of pixels it crosses the column, between two fifths down; from one crossing to the next the
pixels whose centres lie between are inside. pycocotools walks along all fifths; here each crossing
is computed from its edge, for all edges of all objects at once, in the same double precision.
"""

from collections.abc import Callable, Sequence
from itertools import chain

import numpy as np
from jaxtyping import Float64, Int64

from tinyseg.errors import MaskError
from tinyseg.masks.record import CropMasks
from tinyseg.masks.runs import LineRuns, checked_frame, masks_of_runs

MAX_POLYGON_COORDINATE = 2**20

MAX_CROSSINGS = 2**22
"""Crossings that are held at once, about 200 bytes each; one object may have four times as many."""

FIFTHS, CENTRE = 5, 2
"""Fifths in a pixel, and which of them holds its centre."""

_Integers = Int64[np.ndarray, " n"]
_Edges = Int64[np.ndarray, "6 n"]
"""Polygon, x and y of the lower end along the longer side, dx and dy to the other end, all in
fifths, and the first column of pixels that is crossed."""


def from_polygons(
    objects: Sequence[Sequence[Sequence[float | int]]], frame_hw: tuple[int, int]
) -> CropMasks:
    """One mask for each object: the pixels of the frame that any of its polygons takes."""
    height, width = checked_frame(frame_hw)
    if not all(map(len, objects)):
        raise MaskError("an object needs at least one polygon", got=0)
    edges, columns = _edges(*_corners([p for polygons in objects for p in polygons]), width)
    crossings = int(columns.sum())
    if crossings > MAX_CROSSINGS and len(objects) > 1:
        half = len(objects) // 2
        parts = [from_polygons(part, frame_hw) for part in (objects[:half], objects[half:])]
        return CropMasks.concatenate(parts)
    if crossings > 4 * MAX_CROSSINGS:
        rule = f"the edges of one object may cross {4 * MAX_CROSSINGS} columns of pixels"
        raise MaskError(rule, got=crossings)
    owner = np.repeat(np.arange(len(objects)), [len(polygons) for polygons in objects])
    runs = _runs_inside(edges, columns, owner, (height, width))
    return masks_of_runs(runs, len(objects), height, transposed=True)


def _corners(
    polygons: Sequence[Sequence[float | int]],
) -> tuple[Float64[np.ndarray, "corners 2"], Int64[np.ndarray, " polygons"]]:
    """The corners of all polygons, and how many each has."""
    sizes = [len(polygon) for polygon in polygons]
    for size in sizes:
        if size < 6 or size % 2:
            rule = "a polygon needs an even number of coordinates, at least 6"
            raise MaskError(rule, got=size)
    values = np.fromiter(chain.from_iterable(polygons), np.float64, sum(sizes))
    if not (np.abs(values) <= MAX_POLYGON_COORDINATE).all():
        rule = "polygon coordinates must be finite and below 2^20"
        at = int(np.flatnonzero(~(np.abs(values) <= MAX_POLYGON_COORDINATE))[0])
        raise MaskError(rule, got=float(values[at]))
    return values.reshape(-1, 2), np.array(sizes, np.int64) // 2


def _edges(
    corners: Float64[np.ndarray, "corners 2"], counts: Int64[np.ndarray, " polygons"], width: int
) -> tuple[_Edges, _Integers]:
    """The edges that cross columns of a frame of this width, and how many each crosses."""
    # Towards zero, as C converts: below zero it isn't rounding.
    x, y = (corners.T * FIFTHS + 0.5).astype(np.int64)
    ends = np.cumsum(counts)
    following = np.arange(1, len(x) + 1)
    following[ends - 1] = ends - counts
    dx, dy = x[following] - x, y[following] - y
    low = np.minimum(x, x + dx)
    first = np.maximum((low - CENTRE + FIFTHS - 1) // FIFTHS, 0)
    last = np.minimum((low + np.abs(dx) - CENTRE - 1) // FIFTHS, width - 1)
    turned = np.where(np.abs(dx) >= np.abs(dy), dx, dy) < 0
    x, y = np.where(turned, x + dx, x), np.where(turned, y + dy, y)
    dx, dy = np.where(turned, -dx, dx), np.where(turned, -dy, dy)
    polygon = np.repeat(np.arange(len(counts)), counts)
    crossing = np.flatnonzero(last >= first)
    return np.stack([polygon, x, y, dx, dy, first])[:, crossing], (last - first + 1)[crossing]


def _runs_inside(
    edges: _Edges,
    columns: _Integers,
    owner: Int64[np.ndarray, " polygons"],
    frame_hw: tuple[int, int],
) -> LineRuns:
    """The runs down the frame's columns that are inside each object, `owner` of its polygons."""
    # A crossing is one number, so that sorting brings it to its column: polygon, column, row.
    row_bits, column_bits = (side.bit_length() for side in frame_hw)
    place_bits = row_bits + column_bits
    high = np.abs(edges[4]) > np.abs(edges[3])
    crossed = [
        _crossings(edges[:, which], columns[which], rule, frame_hw)
        for which, rule in ((~high, _crossed_by_wide), (high, _crossed_by_high))
    ]
    polygon, column, row = np.concatenate(crossed, axis=1)
    key = np.sort((polygon << place_bits) | (column << row_bits) | row)
    # A closed line crosses a column an even number of times.
    polygon = key[::2] >> place_bits
    to_object = (owner[polygon] - polygon) << place_bits
    starts, ends = np.sort(key[::2] + to_object), np.sort(key[1::2] + to_object)
    # The union of runs begins where all that began before have ended.
    fresh = np.ones(len(starts) + 1, np.bool_)
    fresh[1:-1] = starts[1:] > ends[:-1]
    starts, ends = starts[fresh[:-1]], ends[fresh[1:]]
    kept = starts < ends
    starts, last = starts[kept], ends[kept] - 1
    column, rows = (starts >> row_bits) & ((1 << column_bits) - 1), (1 << row_bits) - 1
    return LineRuns(starts >> place_bits, column, starts & rows, column, last & rows)


def _crossings(
    edges: _Edges,
    columns: _Integers,
    rule: Callable[[_Integers, _Integers, _Integers, _Integers, _Integers], _Integers],
    frame_hw: tuple[int, int],
) -> Int64[np.ndarray, "3 crossings"]:
    """Polygon, column, and the first row below each crossing, of the frame or its height."""
    polygon, x, y, dx, dy, column = np.repeat(edges, columns, axis=1)
    column += np.arange(len(column)) - np.repeat(np.cumsum(columns) - columns, columns)
    fifth = rule(x, y, dx, dy, FIFTHS * column + CENTRE)
    row = (fifth - CENTRE + FIFTHS - 1) // FIFTHS
    return np.stack([polygon, column, np.clip(row, 0, frame_hw[0])])


def _crossed_by_wide(
    x: _Integers, y: _Integers, dx: _Integers, dy: _Integers, centre: _Integers
) -> _Integers:
    """The upper of the fifths that an edge visits at x = centre and at the next x."""
    steps = centre - x + (dy < 0)
    return (y + dy / dx * steps + 0.5).astype(np.int64)


def _crossed_by_high(
    x: _Integers, y: _Integers, dx: _Integers, dy: _Integers, centre: _Integers
) -> _Integers:
    """The last fifth down before an edge comes from centre to the next x, or from there to it."""
    exact = (centre - x + 0.5) * dy / dx
    steps = np.where(dx > 0, np.ceil(exact), np.floor(exact))
    # On a tie the walk's own sum decides, which may fall short of a half by its rounding.
    short = x + dx / dy * steps + 0.5 < centre + 1
    steps += np.where(short, np.sign(dx), 0)
    return (y + steps - (dx > 0)).astype(np.int64)
