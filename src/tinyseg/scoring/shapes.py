"""What only masks can tell of matched pairs: how far outlines are off, and which sides are cut.

The masks of one frame's detections and labels come in as pixels; a FrameShapes goes out, with
figures of the pairs of IoU .5 and above. Boundary IoU is that of Cheng et al., Boundary IoU, 2021:
of each mask only the pixels within a distance d of its outline count, d a share of the frame's
diagonal; a mask narrower than 2 d is all boundary.
"""

import math
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt8

from tinyseg.errors import DataError
from tinyseg.masks import CropMasks

MIN_IOU = 0.5
"""Pairs below it are no match at any threshold and are not measured."""


@dataclass(frozen=True, slots=True)
class ShapeRules:
    """The boundary's width: a share of the frame's diagonal, at least `min_px` pixels."""

    dilation: float = 0.02
    min_px: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.dilation < 1 or self.min_px < 1:
            rule = "a boundary is a share of the diagonal above 0, and at least 1 pixel wide"
            raise DataError(rule, got=f"{self.dilation}, {self.min_px} px")

    def distance_px(self, hw: tuple[int, int]) -> int:
        """The boundary's width on a frame of this size."""
        return max(round(self.dilation * math.hypot(*hw)), self.min_px)


@dataclass(frozen=True, slots=True)
class FrameShapes:
    """One frame's outlines. `found` and `truth` are the rows of the pairs of MIN_IOU and above.

    `offset_px` is the mean distance from the edge pixels of either mask to the other's edge;
    `growth_px` the mean of the detection's, positive outside the label; both nan for pairs that
    cannot be a true positive. `straight` is how much of each side of a detection's box (left, top,
    right, bottom) its outermost pixels fill.
    """

    found: Int64[np.ndarray, " k"]
    truth: Int64[np.ndarray, " k"]
    boundary_iou: Float64[np.ndarray, " k"]
    offset_px: Float64[np.ndarray, " k"]
    growth_px: Float64[np.ndarray, " k"]
    straight: Float64[np.ndarray, "detections 4"]


def measure_shapes(
    found: CropMasks,
    truth: CropMasks,
    iou: Float64[np.ndarray, "found truth"],
    same: Bool[np.ndarray, "found truth"],
    distance_px: int,
) -> FrameShapes:
    """The shapes of masks in pixel form, none empty; `same` tells which pairs have one class.

    Detections are sorted best first, which decides what can be a true positive.
    """
    rows, columns = np.nonzero(iou >= MIN_IOU)
    first, second = _outlines(found, rows, distance_px), _outlines(truth, columns, distance_px)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    parts = [(first[i], second[j]) for i, j in pairs]
    values = iou[rows, columns].tolist()
    boundary = [_boundary_iou(a, b, value) for (a, b), value in zip(parts, values, strict=True)]
    offsets = np.full((len(parts), 2), np.nan)
    for place in np.flatnonzero(_may_be_true(iou, same)[rows, columns]).tolist():
        offsets[place] = _offset(*parts[place]) if values[place] < 1 else 0.0
    ious = np.array(boundary, np.float64)
    shares = [
        [np.count_nonzero(edge) / len(edge) for edge in (g[:, 0], g[0], g[:, -1], g[-1])]
        for g in found.grids()
    ]
    straight = np.array(shares, np.float64).reshape(len(found), 4)
    return FrameShapes(rows, columns, ious, offsets[:, 0], offsets[:, 1], straight)


def _may_be_true(
    iou: Float64[np.ndarray, "found truth"], same: Bool[np.ndarray, "found truth"]
) -> Bool[np.ndarray, "found truth"]:
    """Which pairs matching could choose at MIN_IOU, whatever else it does.

    A label is gone once a detection came by that could take no other.
    """
    may = same & (iou >= MIN_IOU)
    bound = may & (may.sum(axis=1) == 1)[:, None]
    gone = np.cumsum(bound, axis=0) - bound > 0
    return np.asarray(may & ~gone)


@dataclass(frozen=True, slots=True)
class _Outline:
    """A mask's box, its pixels as 0 and 1, its edge pixels, and those of its boundary.

    The boundary of a mask that is all boundary is the mask itself, the same array.
    """

    box: tuple[int, int, int, int]
    pixels: UInt8[np.ndarray, "h w"]
    edge: UInt8[np.ndarray, "h w"]
    boundary: UInt8[np.ndarray, "h w"]


def _outlines(
    masks: CropMasks, which: Int64[np.ndarray, " k"], distance_px: int
) -> dict[int, _Outline]:
    """The outlines of the masks of these numbers."""
    corners, offsets = masks.boxes.astype(int).tolist(), masks.offsets().tolist()
    out = {}
    for index in np.unique(which).tolist():
        x0, y0, x1, y1 = corners[index]
        cells = masks.coverage[offsets[index] : offsets[index + 1]]
        pixels = (cells >> 7).reshape(y1 - y0, x1 - x0)
        edge = pixels - _eroded(pixels, cv2.MORPH_CROSS, 1)
        # The pixels at most so far, along rows and columns, from what is not the mask
        boundary = pixels
        if min(pixels.shape) > 2 * distance_px:
            boundary = pixels - _eroded(pixels, cv2.MORPH_RECT, distance_px)
        out[index] = _Outline((x0, y0, x1, y1), pixels, edge, boundary)
    return out


def _eroded(pixels: UInt8[np.ndarray, "h w"], form: int, by: int) -> UInt8[np.ndarray, "h w"]:
    """Beyond the mask's box, and beyond the frame, there is no mask."""
    kernel = _kernel(form, 2 * by + 1)
    out = cv2.erode(pixels, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=(0,))
    return np.asarray(out, np.uint8)


@cache
def _kernel(form: int, side: int) -> UInt8[np.ndarray, "side side"]:
    return np.asarray(cv2.getStructuringElement(form, (side, side)), np.uint8)


def _boundary_iou(a: _Outline, b: _Outline, iou: float) -> float:
    """Boundary IoU, which is mask IoU where both masks are all boundary."""
    if a.boundary is a.pixels and b.boundary is b.pixels:
        return iou
    hull = _hull(a, b)
    first, second = _put(a.boundary, a.box, hull) > 0, _put(b.boundary, b.box, hull) > 0
    return float(np.count_nonzero(first & second) / np.count_nonzero(first | second))


def _offset(a: _Outline, b: _Outline) -> tuple[float, float]:
    """Mean distance of either's edge pixels from the other's edge, and growth of a over b."""
    hull = _hull(a, b)
    edge_a, edge_b = _put(a.edge, a.box, hull), _put(b.edge, b.box, hull)
    at_a, at_b = edge_a > 0, edge_b > 0
    to_b, to_a = _distance(edge_b)[at_a], _distance(edge_a)[at_b]
    offset = (float(to_b.sum()) + float(to_a.sum())) / (len(to_b) + len(to_a))
    inside = _put(b.pixels, b.box, hull)[at_a] > 0
    return offset, float(np.where(inside, -to_b, to_b).mean())


def _hull(a: _Outline, b: _Outline) -> tuple[int, int, int, int]:
    low = min(a.box[0], b.box[0]), min(a.box[1], b.box[1])
    return *low, max(a.box[2], b.box[2]), max(a.box[3], b.box[3])


def _put(
    pixels: UInt8[np.ndarray, "h w"],
    own: tuple[int, int, int, int],
    hull: tuple[int, int, int, int],
) -> UInt8[np.ndarray, "out_h out_w"]:
    """The pixels of the box `own` on a canvas that is the box `hull`."""
    canvas = np.zeros((hull[3] - hull[1], hull[2] - hull[0]), np.uint8)
    canvas[own[1] - hull[1] : own[3] - hull[1], own[0] - hull[0] : own[2] - hull[0]] = pixels
    return canvas


def _distance(edge: UInt8[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    """From each pixel's centre to that of the nearest edge pixel."""
    away = cv2.distanceTransform(1 - edge, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(away, np.float32)
