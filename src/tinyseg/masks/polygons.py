"""Polygons -> pixels, by the rule of COCO's own tools; and pixels -> outlines.

In: objects, each a list of polygons `[x, y, x, y, ...]` in pixels of a frame. Out: CropMasks in
pixel form, inside the frame and tight; an object is the union of its polygons (COCO's annToRLE).
Refused: polygons of fewer than three corners, coordinates that are not finite or beyond 2^20.

The pixels are those of pycocotools (`frPyObjects`, `merge`) bit for bit, so that a score over
polygons is COCO's own. Its rule: corners are rounded to fifths of a pixel, and an edge visits each
fifth along its longer side, the other coordinate rounded. Where it steps over the centre of a
column of pixels it crosses the column, between two fifths down; from one crossing to the next the
pixels whose centres lie between are inside. pycocotools walks along all fifths; here each crossing
is computed from its edge, for all edges of all objects at once, in the same double precision.

Outlines run along the edges of pixels and enclose exactly these pixels. In: masks in any form. Out:
rings of pixel corners, each [[x, y], ...] without its first corner again: outer ones run with the
mask on their right (clockwise as seen, y down), holes the other way round. Pixels that touch at a
corner only are apart. `one_ring` joins the rings of a mask by bridges without width, for formats
that hold one polygon an object. An empty mask has no ring.
"""

from collections.abc import Sequence
from itertools import chain

import numpy as np
from jaxtyping import Bool, Float64, Int64

from tinyseg.errors import MaskError
from tinyseg.masks.raster import rasterise
from tinyseg.masks.record import HALF, CropMasks
from tinyseg.masks.runs import LineRuns, checked_frame, masks_of_runs

MAX_POLYGON_COORDINATE = 2**20

MAX_CROSSINGS = 2**22
"""Crossings that are held at once, about 200 bytes each; one object may have four times as many."""

FIFTHS, CENTRE = 5, 2
"""Fifths in a pixel, and which of them holds its centre."""

_Numbers = Float64[np.ndarray, " n"]
"""Whole numbers, as floats: numpy is quicker with these."""


def from_polygons(
    objects: Sequence[Sequence[Sequence[float | int]]], frame_hw: tuple[int, int]
) -> CropMasks:
    """One mask for each object: the pixels of the frame that any of its polygons takes."""
    runs = runs_of_polygons(objects, frame_hw)
    if runs is not None:
        return masks_of_runs(runs, len(objects), frame_hw[0], transposed=True)
    half = len(objects) // 2
    halves = [from_polygons(some, frame_hw) for some in (objects[:half], objects[half:])]
    return CropMasks.concatenate(halves)


def runs_of_polygons(
    objects: Sequence[Sequence[Sequence[float | int]]], frame_hw: tuple[int, int]
) -> LineRuns | None:
    """The runs down the frame's columns that each object takes; None if they are too many at once.

    Raises MaskError where one object alone crosses more columns than can be held.
    """
    height, width = checked_frame(frame_hw)
    parts = [len(polygons) for polygons in objects]
    if not all(parts):
        raise MaskError("an object needs at least one polygon", got=0)
    corners, counts = _corners(list(chain.from_iterable(objects)))
    edges, columns, wide = _edges(corners, counts, width)
    crossings = int(columns.sum())
    if crossings > MAX_CROSSINGS and len(objects) > 1:
        return None
    if crossings > 4 * MAX_CROSSINGS:
        rule = f"the edges of one object may cross {4 * MAX_CROSSINGS} columns of pixels"
        raise MaskError(rule, got=crossings)
    # A crossing is one number, so that sorting brings it to its column: polygon, column, row.
    bits = width.bit_length(), height.bit_length()
    polygon, column, row = _crossings(edges, columns, wide, height)
    crossed = ((polygon * 2 ** bits[0] + column) * 2 ** bits[1] + row).astype(np.int64)
    crossed.sort()
    # A closed line crosses a column an even number of times: from one to the next is inside.
    starts, ends = crossed[::2], crossed[1::2]
    if len(counts) > len(objects):
        owner = np.arange(len(objects)).repeat(parts) - np.arange(len(counts))
        to_object = owner[starts >> sum(bits)] << sum(bits)
        starts, ends = _united(starts + to_object, ends + to_object)
    kept = starts < ends  # runs of no pixel
    starts, last = starts[kept], ends[kept] - 1
    in_line, in_row = (1 << bits[0]) - 1, (1 << bits[1]) - 1
    line = (starts >> bits[1]) & in_line
    return LineRuns(starts >> sum(bits), line, starts & in_row, line, last & in_row)


def _corners(
    polygons: Sequence[Sequence[float | int]],
) -> tuple[Float64[np.ndarray, "2 corners"], Int64[np.ndarray, " polygons"]]:
    """x and y of the corners of all polygons, in fifths of a pixel, and how many each has."""
    sizes = [len(polygon) for polygon in polygons]
    for size in sizes:
        if size < 6 or size % 2:
            rule = "a polygon needs an even number of coordinates, at least 6"
            raise MaskError(rule, got=size)
    values = np.fromiter(chain.from_iterable(polygons), np.float64, sum(sizes))
    if not np.abs(values).max(initial=0) <= MAX_POLYGON_COORDINATE:
        rule = "polygon coordinates must be finite and below 2^20"
        at = int(np.flatnonzero(~(np.abs(values) <= MAX_POLYGON_COORDINATE))[0])
        raise MaskError(rule, got=float(values[at]))
    # Towards zero, as C converts: below zero it isn't rounding.
    return np.trunc(values * FIFTHS + 0.5).reshape(-1, 2).T, np.array(sizes, np.int64) // 2


def _pixel_after(fifth: _Numbers) -> _Numbers:
    """The first pixel whose centre does not lie before this fifth."""
    return np.ceil(fifth / FIFTHS - 0.5)


def _edges(
    corners: Float64[np.ndarray, "2 corners"], counts: Int64[np.ndarray, " polygons"], width: int
) -> tuple[Float64[np.ndarray, "6 n"], Int64[np.ndarray, " n"], int]:
    """Edges that cross columns of a frame of this width, how many each crosses, and a count.

    Polygon, first column, x and y of the lower end along the longer side, dx and dy from there.
    As many of the first as the count says are at least as wide as high.
    """
    following = np.arange(1, corners.shape[1] + 1)
    ends = counts.cumsum()
    following[ends - 1] = ends - counts
    column = np.minimum(np.maximum(_pixel_after(corners[0]), 0), width)
    there_column = column[following]
    x, y = corners
    edge = (column != there_column).nonzero()[0]
    wide = np.abs(x[following] - x)[edge] >= np.abs(y[following] - y)[edge]
    many_wide = int(np.count_nonzero(wide))
    edge = edge[np.concatenate([wide.nonzero()[0], (~wide).nonzero()[0]])]
    here, there = corners.take(edge, axis=1), corners.take(following[edge], axis=1)
    step = there - here
    turned = np.concatenate([step[0, :many_wide], step[1, many_wide:]]) < 0
    edges = np.empty((6, len(edge)))
    edges[0] = np.arange(len(counts)).repeat(counts)[edge]
    edges[1] = np.minimum(column, there_column)[edge]
    edges[2:4] = here + step * turned
    edges[4:] = step * (1 - 2 * turned)
    return edges, np.abs(there_column - column)[edge].astype(np.int64), many_wide


def _crossings(
    edges: Float64[np.ndarray, "6 edges"],
    columns: Int64[np.ndarray, " edges"],
    wide: int,
    height: int,
) -> tuple[_Numbers, _Numbers, _Numbers]:
    """Polygon, column, and the first row after each crossing, of the frame or its height."""
    ends = columns.cumsum()
    edges[1] -= ends - columns
    polygon, column, x, y, dx, dy = edges.repeat(columns, axis=1)
    column += np.arange(len(column))
    ahead = column * FIFTHS + CENTRE - x
    fifth = np.empty(len(x))
    first_high = int(ends[wide - 1]) if wide else 0
    for part, rule in ((slice(first_high), _in_wide), (slice(first_high, None), _in_high)):
        fifth[part] = rule(x[part], y[part], dx[part], dy[part], ahead[part])
    return polygon, column, np.minimum(np.maximum(_pixel_after(fifth), 0), height)


def _in_wide(x: _Numbers, y: _Numbers, dx: _Numbers, dy: _Numbers, ahead: _Numbers) -> _Numbers:
    """The upper of the fifths that an edge visits `ahead` of x and one step further."""
    return np.trunc(y + dy / dx * (ahead + (dy < 0)) + 0.5)


def _in_high(x: _Numbers, y: _Numbers, dx: _Numbers, dy: _Numbers, ahead: _Numbers) -> _Numbers:
    """The last fifth down before an edge goes over from `ahead` of x to one further, or back."""
    exact = (ahead + 0.5) * dy / dx
    right = dx > 0
    steps = np.where(right, np.ceil(exact), np.floor(exact))
    # On a tie the walk's own sum decides, which may fall short of a half by its rounding.
    short = x + dx / dy * steps + 0.5 < x + ahead + 1
    if short.any():
        steps += np.where(short, np.sign(dx), 0)
    return y + steps - right


def _united(
    starts: Int64[np.ndarray, " n"], ends: Int64[np.ndarray, " n"]
) -> tuple[Int64[np.ndarray, " m"], Int64[np.ndarray, " m"]]:
    """The union of runs, which begins where all that began before have ended."""
    starts.sort()
    ends.sort()
    fresh = np.ones(len(starts) + 1, np.bool_)
    fresh[1:-1] = starts[1:] > ends[:-1]
    return starts[fresh[:-1]], ends[fresh[1:]]


Ring = Int64[np.ndarray, "_k 2"]

STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))
"""East, south, west, north: what an edge of each direction adds to (x, y)."""


def outlines(masks: CropMasks) -> list[list[Ring]]:
    """The rings of each mask, largest first."""
    pixels = rasterise(masks)
    found = []
    for corner, grid in zip(pixels.boxes.astype(np.int64)[:, :2], pixels.grids(), strict=True):
        # Edges are followed with the mask on the right
        edges, rings = _pixel_edges(np.pad(grid >= HALF, 1)), []
        while edges:
            rings.append(_follow(edges, next(iter(edges))) + corner)
        found.append(sorted(rings, key=lambda ring: -abs(enclosed(ring))))
    return found


def enclosed(ring: Ring) -> int:
    """Pixels inside a ring, below zero for a hole (the shoelace formula)."""
    x, y = ring[:, 0], ring[:, 1]
    return int((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) // 2


def one_ring(rings: Sequence[Ring]) -> Ring:
    """All rings as one: from where two are closest a bridge leads over and back again."""
    joined = rings[0]
    for ring in rings[1:]:
        # The corner that is next to the ring's first one, the ring's next to that, and back again
        here = int(np.abs(joined - ring[0]).sum(axis=1).argmin())
        there = int(np.abs(ring - joined[here]).sum(axis=1).argmin())
        here = int(np.abs(joined - ring[there]).sum(axis=1).argmin())
        turned = np.roll(ring, -there, axis=0)
        joined = np.concatenate([joined[: here + 1], turned, turned[:1], joined[here:]])
    return joined


def _pixel_edges(bits: Bool[np.ndarray, "h w"]) -> dict[tuple[int, int], list[int]]:
    """Directions of the edges that leave each corner (x, y); `bits` has a border of one pixel."""
    found: dict[tuple[int, int], list[int]] = {}
    inner = bits[1:-1, 1:-1]
    sides = (  # the neighbour beyond the edge, and where the edge starts in its pixel
        (bits[:-2, 1:-1], (0, 0)),
        (bits[1:-1, 2:], (1, 0)),
        (bits[2:, 1:-1], (1, 1)),
        (bits[1:-1, :-2], (0, 1)),
    )
    for direction, (beyond, (dx, dy)) in enumerate(sides):
        rows, columns = np.nonzero(inner & ~beyond)
        for x, y in zip((columns + dx).tolist(), (rows + dy).tolist(), strict=True):
            found.setdefault((x, y), []).append(direction)
    return found


def _follow(edges: dict[tuple[int, int], list[int]], start: tuple[int, int]) -> Ring:
    """Take one ring's edges out, from corner to corner; only corners where it turns are kept."""
    at, before, corners = start, -1, []
    first = edges[start][0]
    while True:
        out = edges[at]
        # Where two edges leave, the right turn keeps pixels that touch at a corner apart.
        turn = (before + 1) % 4
        direction = turn if before >= 0 and turn in out else out[0]
        if at == start and before < 0:
            direction = first
        out.remove(direction)
        if not out:
            del edges[at]
        if direction != before:
            corners.append(at)
        at, before = (at[0] + STEPS[direction][0], at[1] + STEPS[direction][1]), direction
        if at == start:
            break
    if before == first and len(corners) > 1:
        corners.pop(0)
    return np.array(corners, np.int64).reshape(-1, 2)
