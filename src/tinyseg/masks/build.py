"""Masks from what the world brings: label maps, bitmaps, boxes, and RoI mask heads.

A label map is read in one pass over its pixels, however many instances it holds: only changes of
value along a row are looked at, then each instance's own box.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt16

from tinyseg.errors import MaskError
from tinyseg.masks.record import CropMasks


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
    if label.size == 0 or label.shape[1] % 4 or not label.flags.c_contiguous:
        filled_rows = (label != background).any(axis=1)
    else:  # four pixels at a time
        four = np.array([background] * 4, label.dtype).view(np.uint64)[0]
        filled_rows = (label.view(np.uint64) != four).any(axis=1)
    rows = np.flatnonzero(filled_rows)
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
