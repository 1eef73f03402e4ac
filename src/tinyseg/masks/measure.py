"""Areas and overlaps of masks, counted in whole pixels.

Masks that are not in pixel form are rasterised first, unclipped. Only pairs whose boxes meet are
looked at, and of those only the rectangle that the two boxes share.
"""

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt8

from tinyseg import boxes as box_math
from tinyseg.masks.raster import rasterise
from tinyseg.masks.record import HALF, CropMasks


def area(masks: CropMasks) -> Int64[np.ndarray, " n"]:
    """Pixels in each mask."""
    return np.array([np.count_nonzero(b) for b in _bits(_pixels(masks))], np.int64)


def intersections(a: CropMasks, b: CropMasks) -> Int64[np.ndarray, "n m"]:
    """Pixels shared by each mask of `a` and each of `b`."""
    first, second = _pixels(a), _pixels(b)
    shared = np.zeros((len(a), len(b)), np.int64)
    bits_a, bits_b = _bits(first), _bits(second)
    corners_a, corners_b = first.boxes.astype(int).tolist(), second.boxes.astype(int).tolist()
    pairs = box_math.overlapping_pairs(first.boxes, second.boxes)
    for i, j in zip(*(p.tolist() for p in pairs), strict=True):
        ax, ay, ax1, ay1 = corners_a[i]
        bx, by, bx1, by1 = corners_b[j]
        x0, y0, x1, y1 = max(ax, bx), max(ay, by), min(ax1, bx1), min(ay1, by1)
        both = (
            bits_a[i][y0 - ay : y1 - ay, x0 - ax : x1 - ax]
            & bits_b[j][y0 - by : y1 - by, x0 - bx : x1 - bx]
        )
        shared[i, j] = np.count_nonzero(both)
    return shared


def iou(a: CropMasks, b: CropMasks) -> Float64[np.ndarray, "n m"]:
    """Intersection over union of each mask of `a` and each of `b`; 0 for a pair of empty masks."""
    a, b = _pixels(a), _pixels(b)
    shared = intersections(a, b)
    either = area(a)[:, None] + area(b)[None, :] - shared
    return np.divide(shared, either, out=np.zeros(shared.shape), where=either > 0)


def share_inside(masks: CropMasks, region: CropMasks) -> Float64[np.ndarray, " n"]:
    """Share of each mask's own area that lies in the union of the region's; 0 for an empty mask."""
    pixels = _pixels(masks)
    shared = intersections(pixels, union(region)) if len(region) else np.zeros((len(masks), 1))
    own = area(pixels)
    return np.divide(shared[:, 0], own, out=np.zeros(len(masks)), where=own > 0)


def union(masks: CropMasks, groups: Int64[np.ndarray, " n"] | None = None) -> CropMasks:
    """One mask for each group 0 ... max(groups), all pixels of its members.

    Without groups all masks are one, and no masks give one empty mask.
    """
    if groups is None:
        groups, count = np.zeros(len(masks), np.int64), 1
    else:
        count = int(groups.max(initial=-1)) + 1
    pixels = _pixels(masks)
    grids = list(pixels.grids())
    members: list[list[int]] = [[] for _ in range(count)]
    for index, group in enumerate(groups.tolist()):
        if grids[index].size:
            members[group].append(index)
    merged = [_merge(pixels.boxes[m].astype(int), [grids[i] for i in m]) for m in members]
    return CropMasks.pack_pixels([origin for origin, _ in merged], [grid for _, grid in merged])


def _merge(
    corners: Int64[np.ndarray, "n 4"], grids: list[UInt8[np.ndarray, "_h _w"]]
) -> tuple[tuple[int, int], UInt8[np.ndarray, "h w"]]:
    """Origin (x, y) and pixels of the union of masks in pixel form."""
    if not grids:
        return (0, 0), np.zeros((0, 0), np.uint8)
    left, top = corners[:, :2].min(axis=0).tolist()
    right, bottom = corners[:, 2:].max(axis=0).tolist()
    canvas = np.zeros((bottom - top, right - left), np.uint8)
    for grid, (x0, y0, x1, y1) in zip(grids, corners.tolist(), strict=True):
        window = canvas[y0 - top : y1 - top, x0 - left : x1 - left]
        np.maximum(window, grid, out=window)
    return (left, top), canvas


def _pixels(masks: CropMasks) -> CropMasks:
    return masks if masks.in_pixel_form().all() else rasterise(masks)


def _bits(masks: CropMasks) -> list[Bool[np.ndarray, "_h _w"]]:
    whole, starts = masks.coverage >= HALF, masks.offsets().tolist()
    return [
        whole[start : start + h * w].reshape(h, w)
        for start, (h, w) in zip(starts, masks.grid_hw.tolist(), strict=False)
    ]
