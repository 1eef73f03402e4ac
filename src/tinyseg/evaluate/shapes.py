"""What only masks can tell of matched pairs: how far outlines are off, and which sides are cut.

The masks of one frame's detections and labels come in as pixels; a FrameShapes goes out, with
figures of the pairs of IoU .5 and above. Boundary IoU is that of Cheng et al., Boundary IoU, 2021:
of each mask only the pixels within a distance d of its outline count, d a share of the frame's
diagonal; a mask narrower than 2 d is all boundary.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt8

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
    `growth_px` the mean of the detection's, positive outside the label. `straight` is how much of
    each side of a detection's box (left, top, right, bottom) its outermost pixels fill.
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
    distance_px: int,
) -> FrameShapes:
    """The shapes of masks in pixel form, none empty, with the IoU of each detection and label."""
    rows, columns = np.nonzero(iou >= MIN_IOU)
    first, second = (
        _Outlines.of(found, rows, distance_px),
        _Outlines.of(truth, columns, distance_px),
    )
    figures = [
        (iou[i, j], 0.0, 0.0) if iou[i, j] == 1 else _compare(first, i, second, j, iou[i, j].item())
        for i, j in zip(rows.tolist(), columns.tolist(), strict=True)
    ]
    table = np.array(figures, np.float64).reshape(len(figures), 3)
    return FrameShapes(rows, columns, table[:, 0], table[:, 1], table[:, 2], _straight(found))


def _straight(masks: CropMasks) -> Float64[np.ndarray, "n 4"]:
    shares = [
        [np.count_nonzero(edge) / len(edge) for edge in (g[:, 0], g[0], g[:, -1], g[-1])]
        for g in masks.grids()
    ]
    return np.array(shares, np.float64).reshape(len(masks), 4)


@dataclass(frozen=True, slots=True)
class _Outlines:
    """Some masks of a frame: corners, pixels 0 and 1, edge pixels, and boundary pixels.

    The boundary of a mask that is all boundary is the mask itself, the same array.
    """

    corners: dict[int, tuple[int, int, int, int]]
    pixels: dict[int, UInt8[np.ndarray, "_h _w"]]
    edges: dict[int, UInt8[np.ndarray, "_h _w"]]
    boundaries: dict[int, UInt8[np.ndarray, "_h _w"]]

    @staticmethod
    def of(masks: CropMasks, which: Int64[np.ndarray, " k"], distance_px: int) -> "_Outlines":
        out = _Outlines({}, {}, {}, {})
        corners, offsets = masks.boxes.astype(int).tolist(), masks.offsets().tolist()
        for index in np.unique(which).tolist():
            x0, y0, x1, y1 = corners[index]
            cells = masks.coverage[offsets[index] : offsets[index + 1]]
            pixels = (cells >> 7).reshape(y1 - y0, x1 - x0)
            out.corners[index] = (x0, y0, x1, y1)
            out.pixels[index] = pixels
            out.edges[index] = pixels - _eroded(pixels, cv2.MORPH_CROSS, 1)
            out.boundaries[index] = _boundary(pixels, distance_px)
        return out


def _boundary(pixels: UInt8[np.ndarray, "h w"], distance_px: int) -> UInt8[np.ndarray, "h w"]:
    """The pixels at most so far, along rows and columns, from what is not the mask."""
    if min(pixels.shape) <= 2 * distance_px:
        return pixels
    return np.asarray(pixels - _eroded(pixels, cv2.MORPH_RECT, distance_px))


def _eroded(pixels: UInt8[np.ndarray, "h w"], form: int, by: int) -> UInt8[np.ndarray, "h w"]:
    """Beyond the mask's box, and beyond the frame, there is no mask."""
    kernel = cv2.getStructuringElement(form, (2 * by + 1, 2 * by + 1))
    out = cv2.erode(pixels, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=(0,))
    return np.asarray(out, np.uint8)


def _compare(
    first: _Outlines, i: int, second: _Outlines, j: int, iou: float
) -> tuple[float, float, float]:
    """Boundary IoU, offset and growth in pixels of mask i of `first` against j of `second`."""
    a, b = first.corners[i], second.corners[j]
    hull = (min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3]))
    edge_a, edge_b = _put(first.edges[i], a, hull), _put(second.edges[j], b, hull)
    at_a, at_b = edge_a > 0, edge_b > 0
    to_b, to_a = _distance(edge_b)[at_a], _distance(edge_a)[at_b]
    offset = (to_b.sum() + to_a.sum()) / (len(to_b) + len(to_a))
    inside = _put(second.pixels[j], b, hull)[at_a] > 0
    growth = np.where(inside, -to_b, to_b).mean()
    boundary_iou = iou
    boundary_a, boundary_b = first.boundaries[i], second.boundaries[j]
    if boundary_a is not first.pixels[i] or boundary_b is not second.pixels[j]:
        boundary_iou = _iou(_put(boundary_a, a, hull) > 0, _put(boundary_b, b, hull) > 0)
    return boundary_iou, float(offset), float(growth)


def _put(
    pixels: UInt8[np.ndarray, "h w"],
    own: tuple[int, int, int, int],
    hull: tuple[int, int, int, int],
) -> UInt8[np.ndarray, "out_h out_w"]:
    """The pixels of the box `own` on a canvas that is the box `hull`."""
    canvas = np.zeros((hull[3] - hull[1], hull[2] - hull[0]), np.uint8)
    canvas[own[1] - hull[1] : own[3] - hull[1], own[0] - hull[0] : own[2] - hull[0]] = pixels
    return canvas


def _distance(edge: UInt8[np.ndarray, "h w"]) -> Float64[np.ndarray, "h w"]:
    """From each pixel's centre to that of the nearest edge pixel."""
    away = cv2.distanceTransform(1 - edge, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(away, np.float64)


def _iou(a: Bool[np.ndarray, "h w"], b: Bool[np.ndarray, "h w"]) -> float:
    return float(np.count_nonzero(a & b) / np.count_nonzero(a | b))
