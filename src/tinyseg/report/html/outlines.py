"""Masks -> outlines as SVG paths, in native frame pixels.

An outline runs along the edges between pixels, not through their centres, so that at any zoom it
separates exactly the pixels that are in the mask from those that are not:

    pixel edges   0   1   2   3
                0 +---+---+        the mask of three pixels has the path
                  | x   x |        M0 0h2v2h-1v-1h-1z
                1 +---+   |
                      | x |
                2     +---+

Masks of up to EXACT_AREA pixels keep every edge. Of larger ones the line through the middles of
the pixels' edges, which has no stairs, is simplified by Douglas and Peucker (1973) within
TOLERANCE: an ellipse of 173,096 pixels takes 60 points, and 180 pixels change sides. Holes are
paths of their own (fill rule: even-odd).
"""

import cv2
import numpy as np
from jaxtyping import Float64, Int64, UInt8

from tinyseg import masks as mask_ops
from tinyseg.masks import CropMasks

EXACT_AREA = 48 * 48
TOLERANCE = 0.8
"""Pixels between a large mask's line of middles and its simplified one."""

HALF = 128


def outlines(masks: CropMasks, frame_hw: tuple[int, int]) -> list[str]:
    """One path for each mask, within the frame; an empty text for a mask without a pixel there."""
    pixels = mask_ops.rasterise(masks, frame_hw)
    corners = pixels.boxes.astype(int).tolist()
    return [
        "".join(_path(ring) for ring in mask_rings(grid, (x0, y0)))
        for (x0, y0, _, _), grid in zip(corners, pixels.grids(), strict=True)
    ]


def mask_rings(
    grid: UInt8[np.ndarray, "h w"], origin_xy: tuple[int, int]
) -> list[Float64[np.ndarray, "_k 2"]]:
    """The closed lines around a mask's pixels, x and y of their corners in the frame."""
    bits = (grid >= HALF).astype(np.uint8)
    area = int(np.count_nonzero(bits))
    if area == 0:
        return []
    # With pixels doubled, each quarter of a pixel lies next to exactly one of its corners.
    doubled = bits.repeat(2, axis=0).repeat(2, axis=1)
    found, _ = cv2.findContours(doubled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    steps = [_steps((ring[:, 0].astype(np.int64) + 1) // 2) for ring in found]
    lines = [_simplified(one) if area > EXACT_AREA else _corners_only(one) for one in steps]
    return [line + np.array(origin_xy, np.float64) for line in lines if len(line) > 2]


def _steps(line: Int64[np.ndarray, "k 2"]) -> Int64[np.ndarray, "_m 2"]:
    """The closed line from pixel corner to pixel corner, without a corner twice in a row."""
    return np.asarray(line[(line != np.roll(line, 1, axis=0)).any(axis=1)])


def _corners_only(line: Int64[np.ndarray, "k 2"]) -> Float64[np.ndarray, "_m 2"]:
    """The line without the points on a straight way."""
    before, after = line - np.roll(line, 1, axis=0), np.roll(line, -1, axis=0) - line
    turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    back = (before * after).sum(axis=1) < 0
    return np.asarray(line[turns | back].astype(np.float64))


def _simplified(line: Int64[np.ndarray, "k 2"]) -> Float64[np.ndarray, "_m 2"]:
    middles = (line + np.roll(line, -1, axis=0)).astype(np.float32)[:, None] / 2
    return np.asarray(cv2.approxPolyDP(middles, TOLERANCE, True)[:, 0].astype(np.float64))


def _path(line: Float64[np.ndarray, "k 2"]) -> str:
    """SVG's path of a closed line, in steps; level and upright ones are written short."""
    parts = [f"M{line[0, 0]:g} {line[0, 1]:g}"]
    for dx, dy in np.diff(line, axis=0).tolist():
        parts.append(f"h{dx:g}" if dy == 0 else f"v{dy:g}" if dx == 0 else f"l{dx:g} {dy:g}")
    return "".join([*parts, "z"])
