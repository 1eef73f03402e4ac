"""Stretched grids become pixels here, and nowhere else.

A grid's value at a point is interpolated bilinearly between the centres of its cells, as if a ring
of zeros lay around them. So a grid full of 255 falls to one half on the sides of its box, and
fills it but for the corners, rounded within half a cell. A pixel belongs to the mask where its
centre lies in the box and the value there is at least one half.
"""

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8

from tinyseg import boxes as box_math
from tinyseg.errors import MaskError
from tinyseg.masks.record import HALF, MAX_COVERAGE_BYTES, CropMasks

_ONE_HALF = HALF - 0.51
"""Halfway between 127 and 128; the hundredth is for a side's 127.5, rounded in float32."""


def rasterise(masks: CropMasks, frame_hw: tuple[int, int] | None = None) -> CropMasks:
    """The masks in pixel form, tight around their pixels and, if a frame is given, inside it.

    Masks in pixel form keep their pixels as they are; an empty mask stays, with an empty grid.
    Raises MaskError where the pixels would take more than MAX_COVERAGE_BYTES.
    """
    if _is_rasterised(masks, frame_hw):
        return masks
    # The pixels whose centres lie in each box (and the frame)
    ranges = np.ceil(masks.boxes - 0.5).astype(np.int64)
    if frame_hw is not None:
        ranges = np.clip(ranges, 0, np.array(frame_hw[::-1] * 2))
    sides = (ranges[:, 2:] - ranges[:, :2]).astype(np.float64)  # their product may be above 2^63
    total = int(sides.prod(axis=1).sum())
    if total > MAX_COVERAGE_BYTES:
        rule = f"the pixels of one call may take {MAX_COVERAGE_BYTES} bytes"
        raise MaskError(rule, got=f"{total} for {len(masks)} masks")
    corners, as_pixels, grids = ranges.tolist(), masks.in_pixel_form().tolist(), []
    for grid, box, (x0, y0, x1, y1), is_pixels in zip(
        masks.grids(), masks.boxes, corners, as_pixels, strict=True
    ):
        if is_pixels:
            left, top = int(box[0]), int(box[1])
            inside = grid[y0 - top : y1 - top, x0 - left : x1 - left] >= HALF
        elif x1 <= x0 or y1 <= y0 or grid.size == 0:
            inside = np.zeros((max(y1 - y0, 0), max(x1 - x0, 0)), np.bool_)
        else:
            values = _interpolated(grid, box, columns=range(x0, x1), rows=range(y0, y1))
            inside = values >= _ONE_HALF
        grids.append(np.where(inside, np.uint8(255), np.uint8(0)))
    return tighten(CropMasks.pack_pixels([(x0, y0) for x0, y0, _, _ in corners], grids))


def _is_rasterised(masks: CropMasks, frame_hw: tuple[int, int] | None) -> bool:
    """True where nothing would change: 0 and 255 in pixel form, tight, inside the frame."""
    if not masks.in_pixel_form().all():
        return False
    if frame_hw is not None:
        height, width = float(frame_hw[0]), float(frame_hw[1])
        if not (box_math.clip(masks.boxes, (0.0, 0.0, width, height)) == masks.boxes).all():
            return False
    if ((masks.coverage - np.uint8(1)) < 254).any():
        return False
    return all(_is_tight(grid) for grid in masks.grids())


def _is_tight(grid: UInt8[np.ndarray, "h w"]) -> bool:
    """True where each outermost row and column holds coverage; an empty grid has none."""
    if grid.size == 0:
        return grid.shape == (0, 0)
    edges = (grid[0], grid[-1], grid[:, 0], grid[:, -1])
    return all(np.count_nonzero(edge) for edge in edges)


def coverage_at(
    grid: UInt8[np.ndarray, "h w"], box: Float64[np.ndarray, " 4"], *, columns: range, rows: range
) -> UInt8[np.ndarray, "out_h out_w"]:
    """Coverage of one mask at the centres of these pixels, all of them with centres in its box.

    It is at least HALF exactly where `rasterise` sets the pixel. A grid in pixel form is read, any
    other interpolated.
    """
    height, width = box[3] - box[1], box[2] - box[0]
    if grid.size == 0 or not rows or not columns:
        return np.zeros((len(rows), len(columns)), np.uint8)
    if (width, height) == grid.shape[::-1] and bool((box == np.rint(box)).all()):
        down, across = (r.start - int(low) for r, low in ((rows, box[1]), (columns, box[0])))
        return grid[down :: rows.step, across :: columns.step][: len(rows), : len(columns)]
    values = _interpolated(grid, box, columns=columns, rows=rows)
    return (values + np.float32(HALF - _ONE_HALF)).astype(np.uint8)


def _interpolated(
    grid: UInt8[np.ndarray, "h w"], box: Float64[np.ndarray, " 4"], *, columns: range, rows: range
) -> Float32[np.ndarray, "out_h out_w"]:
    """The grid's value, stretched over the box, at each pixel centre."""
    down = _interpolation(rows, float(box[1]), float(box[3]), grid.shape[0])
    across = _interpolation(columns, float(box[0]), float(box[2]), grid.shape[1])
    return np.asarray(down @ grid.astype(np.float32) @ across.T)


def _interpolation(
    pixels: range, low: float, high: float, cells: int
) -> Float32[np.ndarray, "pixels cells"]:
    """Weight of each cell at each pixel centre, half a pixel from its number, along one axis."""
    at = (np.arange(pixels.start, pixels.stop, pixels.step) + 0.5 - low) * (cells / (high - low))
    at -= 0.5
    below = np.floor(at).astype(np.int64)
    fraction = (at - below).astype(np.float32)
    # One column more on each side takes the weights that fall beyond the rim.
    weights = np.zeros((len(at), cells + 2), np.float32)
    index = np.arange(len(at))
    weights[index, np.clip(below + 1, 0, cells + 1)] = 1 - fraction
    weights[index, np.clip(below + 2, 0, cells + 1)] += fraction
    return weights[:, 1:-1]


def tighten(masks: CropMasks) -> CropMasks:
    """The same masks with boxes and grids cut down to the rows and columns that hold coverage."""
    return _windows(masks, [_filled_range(grid) for grid in masks.grids()])


def cut(masks: CropMasks, rect: tuple[float, float, float, float]) -> CropMasks:
    """What lies inside the rectangle (x0, y0, x1, y1): the cells whose centres do, tight.

    A mask wholly outside stays in its place in the row, as an empty one.
    """
    inside = (box_math.clip(masks.boxes, rect) == masks.boxes).all(axis=1).tolist()
    ranges = []
    for box, grid, whole in zip(masks.boxes, masks.grids(), inside, strict=True):
        h, w = grid.shape
        c0, c1 = (0, w) if whole else _cells_between(rect[0], rect[2], box[0], box[2], w)
        r0, r1 = (0, h) if whole else _cells_between(rect[1], rect[3], box[1], box[3], h)
        f = _filled_range(grid[r0:r1, c0:c1])
        ranges.append((f[0] + r0, f[1] + r0, f[2] + c0, f[3] + c0))
    return _windows(masks, ranges)


def _cells_between(
    start: float, stop: float, low: float, high: float, cells: int
) -> tuple[int, int]:
    """Half-open range of the cells whose centres lie in [start, stop), along one axis."""
    if cells == 0 or high <= low:
        return 0, 0
    step = (high - low) / cells
    first, last = (int(np.ceil((edge - low) / step - 0.5)) for edge in (start, stop))
    first = min(max(first, 0), cells)
    return first, min(max(last, first), cells)


def _filled_range(grid: UInt8[np.ndarray, "h w"]) -> tuple[int, int, int, int]:
    """Half-open rows r0, r1 and columns c0, c1 around the cells above zero; zeros if none is."""
    rows = np.flatnonzero(grid.any(axis=1))
    if rows.size == 0:
        return 0, 0, 0, 0
    columns = np.flatnonzero(grid.any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _windows(masks: CropMasks, ranges: list[tuple[int, int, int, int]]) -> CropMasks:
    """Each mask's cells [r0:r1, c0:c1], with the part of the box that they cover."""
    window: Int64[np.ndarray, "n 4"] = np.array(ranges, np.int64).reshape(len(ranges), 4)
    cells = np.maximum(masks.grid_hw, 1)
    step_x = (masks.boxes[:, 2] - masks.boxes[:, 0]) / cells[:, 1]
    step_y = (masks.boxes[:, 3] - masks.boxes[:, 1]) / cells[:, 0]
    x0, y0 = masks.boxes[:, 0], masks.boxes[:, 1]
    edges = (x0 + window[:, 2] * step_x, y0 + window[:, 0] * step_y)
    ends = (x0 + window[:, 3] * step_x, y0 + window[:, 1] * step_y)
    grids = [g[r0:r1, c0:c1] for g, (r0, r1, c0, c1) in zip(masks.grids(), ranges, strict=True)]
    return CropMasks.pack(np.stack([*edges, *ends], axis=1), grids)


def paint(masks: CropMasks, frame_hw: tuple[int, int]) -> UInt8[np.ndarray, "height width"]:
    """One frame-sized bitmap, 255 where any mask is: for regions and pictures, never for a list."""
    canvas = np.zeros(frame_hw, np.uint8)
    pixels = rasterise(masks, frame_hw)
    corners = pixels.boxes.astype(int).tolist()
    for (x0, y0, x1, y1), grid in zip(corners, pixels.grids(), strict=True):
        window = canvas[y0:y1, x0:x1]
        np.maximum(window, grid, out=window)
    return canvas
