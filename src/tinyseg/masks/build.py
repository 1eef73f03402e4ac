"""Masks from what the world brings: label maps, bitmaps, polygons, and RoI mask heads.

Refuses polygons that are not finite or have fewer than three corners. A label map is read in one
pass over its pixels, however many instances it holds: only changes of value along a row are
looked at, then each instance's own box.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt8, UInt16

from tinyseg.errors import MaskError
from tinyseg.masks.record import CropMasks

POLYGON_SUBPIXELS = 4
"""Polygons are drawn this many times finer than pixels in x and y, then averaged to coverage."""

MAX_POLYGON_CELLS = 2**26
"""Largest bounding box of one polygon, in pixels."""


def from_label_map(
    label: UInt16[np.ndarray, "height width"], *, background: int
) -> tuple[Int64[np.ndarray, " n"], CropMasks]:
    """The distinct values of a label map other than `background`, ascending, and their masks.

    Masks come in pixel form, in the label map's own pixels.
    """
    values, boxes = value_boxes(label, background=background)
    return values, cut_values(label, values, boxes)


def value_boxes(
    label: UInt16[np.ndarray, "height width"], *, background: int
) -> tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, "n 4"]]:
    """The distinct values of a label map other than `background`, ascending, and the box of each.

    No mask is made yet, so that a caller can refuse a picture that is no label map.
    """
    rows = np.flatnonzero(_rows_with_content(label, background))
    if rows.size == 0:
        return np.zeros(0, np.int64), np.zeros((0, 4), np.int64)
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    values, boxes = _boxes_by_runs(label[top:bottom], background)
    return values, boxes + np.array([0, top, 0, top])


def cut_values(
    label: UInt16[np.ndarray, "height width"],
    values: Int64[np.ndarray, " n"],
    boxes: Int64[np.ndarray, "n 4"],
) -> CropMasks:
    """The mask of each value inside its box, in pixel form."""
    grids = [
        (label[y0:y1, x0:x1] == value).view(np.uint8) * np.uint8(255)
        for value, (x0, y0, x1, y1) in zip(values.tolist(), boxes.tolist(), strict=True)
    ]
    return CropMasks.pack(boxes.astype(np.float64), grids) if grids else CropMasks.empty()


def filled(boxes: Float64[np.ndarray, "n 4"]) -> CropMasks:
    """The boxes themselves as masks in pixel form: every pixel whose centre lies inside."""
    corners = np.ceil(boxes - 0.5).astype(np.int64).tolist()
    grids = [
        np.full((max(y1 - y0, 0), max(x1 - x0, 0)), 255, np.uint8) for x0, y0, x1, y1 in corners
    ]
    return CropMasks.pack_pixels([(x0, y0) for x0, y0, _, _ in corners], grids)


def _rows_with_content(
    label: UInt16[np.ndarray, "height width"], background: int
) -> Bool[np.ndarray, " height"]:
    """Rows that hold something else than background, compared four pixels at a time if possible."""
    plain = label.flags.c_contiguous and label.dtype.isnative
    if label.size == 0 or label.shape[1] % 4 or not plain:
        return np.asarray((label != background).any(axis=1))
    four = np.array([background] * 4, np.uint16).view(np.uint64)[0]
    return np.asarray((label.view(np.uint64) != four).any(axis=1))


def _boxes_by_runs(
    label: UInt16[np.ndarray, "height width"], background: int
) -> tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, "n 4"]]:
    """Values other than background and the bounding box of each, from the runs along the rows."""
    height, width = label.shape
    flat = label.ravel()
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    starts = np.union1d(starts, np.arange(height) * width)
    ends = np.append(starts[1:], flat.size)
    run_values = flat[starts].astype(np.int64)
    kept = run_values != background
    starts, ends, run_values = starts[kept], ends[kept], run_values[kept]
    order = np.argsort(run_values, kind="stable")
    values, first = np.unique(run_values[order], return_index=True)
    y, x = np.divmod(starts[order], width)
    x_end = (ends[order] - 1) % width + 1
    low_high = (
        np.minimum.reduceat(x, first),
        np.minimum.reduceat(y, first),
        np.maximum.reduceat(x_end, first),
        np.maximum.reduceat(y, first) + 1,
    )
    return values, np.stack(low_high, axis=1).astype(np.int64)


def from_bitmaps(bitmaps: Sequence[Bool[np.ndarray, "_h _w"]]) -> CropMasks:
    """One mask for each bitmap whose top-left pixel is the frame's, cropped to its set pixels."""
    origins, grids = [], []
    for bitmap in bitmaps:
        rows, columns = np.flatnonzero(bitmap.any(axis=1)), np.flatnonzero(bitmap.any(axis=0))
        y0, y1 = (int(rows[0]), int(rows[-1]) + 1) if rows.size else (0, 0)
        x0, x1 = (int(columns[0]), int(columns[-1]) + 1) if columns.size else (0, 0)
        origins.append((x0, y0))
        grids.append(bitmap[y0:y1, x0:x1].astype(np.uint8) * np.uint8(255))
    return CropMasks.pack_pixels(origins, grids)


def from_roi_grids(
    boxes: Float64[np.ndarray, "n 4"], probabilities: Float32[np.ndarray, "n h w"]
) -> CropMasks:
    """A mask head's grids, values 0 ... 1, each stretched over its box; refuses NaN."""
    if np.isnan(probabilities).any():
        raise MaskError("mask probabilities must be numbers", got="NaN")
    cells = np.rint(np.clip(probabilities, 0.0, 1.0) * 255.0).astype(np.uint8)
    grid_hw = np.tile(np.array(cells.shape[1:], np.int64), (len(boxes), 1))
    return CropMasks(boxes, grid_hw, cells.ravel())


def from_polygons(objects: Sequence[Sequence[Sequence[float]]]) -> CropMasks:
    """One mask for each object, the union of its polygons, each `[x, y, x, y, ...]` in pixels.

    Cells are whole pixels and hold the share that the polygons cover, in steps of 1/16.
    """
    drawn = [_draw_polygons([_corners(polygon) for polygon in polygons]) for polygons in objects]
    return CropMasks.pack_pixels([origin for origin, _ in drawn], [grid for _, grid in drawn])


def _corners(polygon: Sequence[float]) -> Float64[np.ndarray, "k 2"]:
    if len(polygon) < 6 or len(polygon) % 2:
        rule = "a polygon needs an even number of coordinates, at least 6"
        raise MaskError(rule, got=len(polygon))
    corners = np.asarray(polygon, np.float64).reshape(-1, 2)
    if not np.isfinite(corners).all() or np.abs(corners).max() > 2**20:
        raise MaskError("polygon coordinates must be finite and below 2^20", got=list(polygon)[:8])
    return corners


def _draw_polygons(
    polygons: Sequence[Float64[np.ndarray, "_k 2"]],
) -> tuple[tuple[int, int], UInt8[np.ndarray, "h w"]]:
    """Origin (x, y) and coverage of the union of polygons."""
    if not polygons:
        raise MaskError("an object needs at least one polygon", got=0)
    everything = np.concatenate(polygons)
    x0, y0 = np.floor(everything.min(axis=0)).astype(int).tolist()
    x1, y1 = np.ceil(everything.max(axis=0)).astype(int).tolist()
    width, height = max(x1 - x0, 1), max(y1 - y0, 1)
    if width * height > MAX_POLYGON_CELLS:
        rule = f"a polygon's bounding box may hold {MAX_POLYGON_CELLS} pixels"
        raise MaskError(rule, got=width * height)
    fine = POLYGON_SUBPIXELS if width * height * POLYGON_SUBPIXELS**2 <= MAX_POLYGON_CELLS else 1
    canvas = np.zeros((height * fine, width * fine), np.uint8)
    for corners in polygons:
        # fillPoly puts integer coordinates at pixel centres and takes 4 binary digits of fraction.
        points = np.rint(((corners - (x0, y0)) * fine - 0.5) * 16).astype(np.int32)
        cv2.fillPoly(canvas, [points], (255,), shift=4)
    coverage = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    return (x0, y0), coverage.astype(np.uint8, copy=False)
