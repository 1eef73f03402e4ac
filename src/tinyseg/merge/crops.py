"""The pixels of instances for comparing and averaging, in bounded memory.

An instance is sampled at the pixels (x, y) of the frame with x and y multiples of its step: 1 for
all but the largest, otherwise the power of two that keeps it to MAX_POINTS. Steps nest, so two
instances are compared at the points of the coarser one.

Which boxes meet, all pairs that share some area, is found without looking at every pair: a
hierarchy of grids, a hash join on each: a box lives on the grid whose cells are just larger than
it, so in four cells at most, and every smaller box asks in its own four cells of that grid. The
work is in the number of boxes, the number of grids (about ten), and the pairs found.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64, Shaped, UInt8

from tinyseg import masks as mask_ops
from tinyseg.masks import HALF, CropMasks

MAX_POINTS = 2**16
"""Most points at which one mask is sampled for comparing."""

Window = tuple[int, int, int, int]
"""Half-open x0, y0, x1, y1, in pixels, or in points of a step."""


def windows(boxes: Float64[np.ndarray, "n 4"]) -> Int64[np.ndarray, "n 4"]:
    """Half-open ranges of the pixels whose centres lie in the boxes."""
    return np.ceil(boxes - 0.5).astype(np.int64)


def meet(a: Window, b: Window) -> Window:
    """What two windows share; an empty one has x1 <= x0 or y1 <= y0."""
    return max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])


def around(window: Int64[np.ndarray, "n 4"]) -> Window:
    """The smallest window that holds all of these, of which there is one at least."""
    x0, y0 = window[:, :2].min(axis=0).tolist()
    x1, y1 = window[:, 2:].max(axis=0).tolist()
    return x0, y0, x1, y1


def part(
    pixels: Shaped[np.ndarray, "h w"], window: Window, inner: Window
) -> Shaped[np.ndarray, "_h _w"]:
    """The part of a window's pixels (not a copy) that an inner window holds."""
    x0, y0, x1, y1 = inner
    left, top = window[:2]
    return pixels[y0 - top : max(y1, y0) - top, x0 - left : max(x1, x0) - left]


@dataclass(frozen=True, slots=True)
class Crop:
    """Coverage of one mask in a window of points `step` pixels apart."""

    window: Window
    step: int
    coverage: UInt8[np.ndarray, "h w"]
    bits: Bool[np.ndarray, "h w"]

    def inside(self, window: Window, step: int) -> Bool[np.ndarray, "h w"]:
        """The bits of a window that lies within this one, both counted in a coarser step."""
        x0, y0, x1, y1 = window
        fine = step // self.step
        left, top = x0 * fine - self.window[0], y0 * fine - self.window[1]
        return self.bits[top::fine, left::fine][: y1 - y0, : x1 - x0]


def crop(
    grid: UInt8[np.ndarray, "h w"], box: Float64[np.ndarray, " 4"], window: Window, step: int
) -> Crop:
    """One mask at the points of a window of pixels, which lies in its box."""
    points = coarser(window, step)
    columns, rows = (range(points[i] * step, points[i + 2] * step, step) for i in (0, 1))
    coverage = mask_ops.coverage_at(grid, box, columns=columns, rows=rows)
    return Crop(points, step, coverage, coverage >= HALF)


def coarser(window: Window, step: int) -> Window:
    """The points of a step that lie in a window of pixels."""
    x0, y0, x1, y1 = (-(-edge // step) for edge in window)
    return x0, y0, max(x1, x0), max(y1, y0)


@dataclass(frozen=True, slots=True)
class SampledMasks:
    """Masks with the window of pixels that each lies in, and a crop of each for comparing."""

    boxes: Float64[np.ndarray, "n 4"]
    grids: list[UInt8[np.ndarray, "_h _w"]]
    windows: Int64[np.ndarray, "n 4"]
    crops: list[Crop]

    def coverage(self, index: int) -> UInt8[np.ndarray, "h w"]:
        """Coverage of every pixel in the window of one mask."""
        found = self.crops[index]
        if found.step == 1:
            return found.coverage
        return crop(self.grids[index], self.boxes[index], self.window(index), 1).coverage

    def window(self, index: int) -> Window:
        """The window of one mask."""
        x0, y0, x1, y1 = self.windows[index].tolist()
        return x0, y0, x1, y1


def sample(masks: CropMasks, rects: Int64[np.ndarray, "n 4"]) -> SampledMasks:
    """The masks in what each shares with the rectangle beside it, in whole pixels."""
    inside = windows(masks.boxes)
    inside = np.concatenate(
        [np.maximum(inside[:, :2], rects[:, :2]), np.minimum(inside[:, 2:], rects[:, 2:])], axis=1
    )
    inside[:, 2:] = np.maximum(inside[:, 2:], inside[:, :2])
    excess = np.sqrt((inside[:, 2:] - inside[:, :2]).prod(axis=1) / MAX_POINTS)
    steps = 2 ** np.ceil(np.log2(np.maximum(excess, 1.0))).astype(np.int64)
    grids = list(masks.grids())
    rows = zip(grids, masks.boxes, inside.tolist(), steps.tolist(), strict=True)
    crops = [crop(grid, box, (x0, y0, x1, y1), step) for grid, box, (x0, y0, x1, y1), step in rows]
    return SampledMasks(masks.boxes, grids, inside, crops)


def shared_points(a: Crop, b: Crop) -> int:
    """Pixels that both masks hold, counted at the points of the coarser one."""
    step = max(a.step, b.step)
    x0, y0, x1, y1 = window = meet(
        rescaled(a.window, step // a.step), rescaled(b.window, step // b.step)
    )
    if x1 <= x0 or y1 <= y0:
        return 0
    both = a.inside(window, step) & b.inside(window, step)
    return int(np.count_nonzero(both)) * step**2


def rescaled(window: Window, by: int) -> Window:
    """A window of points in points `by` times as far apart."""
    return window if by == 1 else coarser(window, by)


Pairs = tuple[Int64[np.ndarray, " k"], Int64[np.ndarray, " k"]]


def meeting_pairs(boxes: Float64[np.ndarray, "n 4"]) -> Pairs:
    """Indices (i, j), i < j, of boxes that share some area, in ascending order."""
    # For each box the exponent of a power of two that is no less than its sides
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1.0).max(axis=1, initial=1.0)
    level = np.ceil(np.log2(sides)).astype(np.int64)
    codes = [np.zeros(0, np.int64)]
    for at in np.unique(level).tolist():
        hosts, guests = np.flatnonzero(level == at), np.flatnonzero(level <= at)
        codes.append(_met_on_grid(boxes, hosts, guests, 2.0**at))
    first, second = np.divmod(np.unique(np.concatenate(codes)), max(len(boxes), 1))
    return first, second


def _met_on_grid(
    boxes: Float64[np.ndarray, "n 4"],
    hosts: Int64[np.ndarray, " h"],
    guests: Int64[np.ndarray, " g"],
    cell: float,
) -> Int64[np.ndarray, " k"]:
    """i * n + j of the pairs of a host and a guest that share a cell and some area, i < j."""
    host, host_key = _in_cells(boxes, hosts, cell)
    guest, guest_key = _in_cells(boxes, guests, cell)
    order = np.argsort(host_key, kind="stable")
    host, host_key = host[order], host_key[order]
    first = np.searchsorted(host_key, guest_key, side="left")
    count = np.searchsorted(host_key, guest_key, side="right") - first
    # One row for each meeting: the k-th of a guest is with the k-th host of its cell.
    rank = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    a, b = np.repeat(guest, count), host[np.repeat(first, count) + rank]
    i, j = np.minimum(a, b), np.maximum(a, b)
    low = np.maximum(boxes[i, :2], boxes[j, :2])
    high = np.minimum(boxes[i, 2:], boxes[j, 2:])
    met = (i < j) & (high > low).all(axis=1)
    return np.asarray(i[met] * len(boxes) + j[met])


def _in_cells(
    boxes: Float64[np.ndarray, "n 4"], which: Int64[np.ndarray, " m"], cell: float
) -> Pairs:
    """Indices of boxes, once for each corner, and the key of the cell that the corner lies in."""
    low = np.floor(boxes[which, :2] / cell).astype(np.int64)
    high = np.floor(boxes[which, 2:] / cell).astype(np.int64)
    wide, tall = (low != high).T
    corners = (
        (low[:, 0], low[:, 1], np.ones(len(which), np.bool_)),
        (high[:, 0], low[:, 1], wide),
        (low[:, 0], high[:, 1], tall),
        (high[:, 0], high[:, 1], wide & tall),
    )
    keys = np.concatenate([(x + y * 2**31)[kept] for x, y, kept in corners])
    return np.concatenate([which[kept] for _, _, kept in corners]), keys
