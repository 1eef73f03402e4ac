"""A frame with its labels, and what each run found on it -> its Sheet: outlines and pixels.

The kinds of errors come with the pairs they were decided on; nothing is judged here.

Outlines are SVG paths in native frame pixels. An outline runs along the edges between pixels, not
through their centres, so that at any zoom it separates exactly the pixels that are in the mask from
those that are not:

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

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float64, Int64, UInt8

from tinyseg import masks as mask_ops
from tinyseg.frame import Frame, Instances
from tinyseg.masks import CropMasks
from tinyseg.report.html.pictures import picture_of
from tinyseg.report.html.records import Detected, Fate, Labelled, Outlined, Sheet
from tinyseg.scoring import ERRORS, ErrorKind, FrameErrors, FramePairs, Sides

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
    contours, _ = cv2.findContours(doubled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    rings = []
    for contour in contours:
        line = (contour[:, 0].astype(np.int64) + 1) // 2
        # From pixel corner to pixel corner, without a corner twice in a row
        line = line[(line != np.roll(line, 1, axis=0)).any(axis=1)]
        if area > EXACT_AREA:
            middles = (line + np.roll(line, -1, axis=0)).astype(np.float32)[:, None] / 2
            ring = cv2.approxPolyDP(middles, TOLERANCE, True)[:, 0]
        else:  # without the points on a straight way
            before, after = line - np.roll(line, 1, axis=0), np.roll(line, -1, axis=0) - line
            turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
            ring = line[turns | ((before * after).sum(axis=1) < 0)]
        if len(ring) > 2:
            rings.append(ring.astype(np.float64) + np.array(origin_xy, np.float64))
    return rings


def _path(line: Float64[np.ndarray, "k 2"]) -> str:
    """SVG's path of a closed line, in steps; level and upright ones are written short."""
    parts = [f"M{line[0, 0]:g} {line[0, 1]:g}"]
    for dx, dy in np.diff(line, axis=0).tolist():
        parts.append(f"h{dx:g}" if dy == 0 else f"v{dy:g}" if dx == 0 else f"l{dx:g} {dy:g}")
    return "".join([*parts, "z"])


MOST_DRAWN = 300
"""Detections of a frame that are drawn, the best ones."""

NATIVE_AREA = 96**2
"""Larger objects are seen well enough at half resolution."""


@dataclass(frozen=True, slots=True)
class JudgedFrame:
    """What one run found on a frame, its pairs with the labels, and the verdicts on both."""

    instances: Instances
    pairs: FramePairs
    errors: FrameErrors


def sheet_of(frame: Frame, runs: Sequence[JudgedFrame], *, floor: float, max_bytes: int) -> Sheet:
    """The frame for the page; detections under score `floor` are left out."""
    shapes = _shapes(frame.instances, runs[0].pairs.truth, frame.hw)
    fates = [_fates(run.errors.truth, run.errors.taker, run.pairs.iou.T) for run in runs]
    truth = tuple(Labelled(shape, tuple(own)) for shape, *own in zip(shapes, *fates, strict=True))
    found = tuple(_found(run, frame.hw, floor) for run in runs)
    # How much native pixels are worth, and where: errors twice, guesses by their score
    worth = [(one.shape, max(_weight(fate) for fate in one.fates)) for one in truth]
    worth += [(one.shape, one.score * _weight(one.fate)) for run in found for one in run]
    boxes = np.array([shape.box for shape, _ in worth], np.float64).reshape(-1, 4)
    shares = np.array([w if shape.area <= NATIVE_AREA else 0.0 for shape, w in worth], np.float64)
    ignored = outlines(mask_ops.union(frame.ignore), frame.hw)[0] if len(frame.ignore) else ""
    return Sheet(
        frame.name,
        frame.hw,
        picture_of(frame.image, boxes, shares, max_bytes=max_bytes),
        ignored,
        truth,
        found,
    )


def _found(run: JudgedFrame, hw: tuple[int, int], floor: float) -> tuple[Detected, ...]:
    """The best detections from `floor` on, the lowest score first: the best is drawn on top."""
    shapes = _shapes(run.instances, run.pairs.found, hw)
    fates = _fates(run.errors.found, run.errors.target, run.pairs.iou)
    rows = zip(shapes, run.pairs.found.scores.tolist(), fates, strict=True)
    return tuple(reversed([Detected(*row) for row in rows if row[1] >= floor][:MOST_DRAWN]))


def _fates(
    kinds: Int64[np.ndarray, " rows"],
    partners: Int64[np.ndarray, " rows"],
    iou: Float64[np.ndarray, "rows others"],
) -> list[Fate]:
    """Each row's kind, and its IoU with its partner; with whatever is nearest if it has none."""
    nearest = iou.max(axis=1, initial=0.0)
    own = np.append(iou, nearest[:, None], axis=1)[np.arange(len(kinds)), partners]
    return [
        Fate(ErrorKind(kind), value)
        for kind, value in zip(kinds.tolist(), own.tolist(), strict=True)
    ]


def _shapes(instances: Instances, side: Sides, hw: tuple[int, int]) -> list[Outlined]:
    paths = outlines(instances.masks.select(side.index), hw)
    rows = zip(side.labels.tolist(), side.boxes, side.areas.tolist(), paths, strict=True)
    shapes = []
    for label, box, area, path in rows:
        x0, y0, x1, y1 = box.astype(int).tolist()
        shapes.append(Outlined(label, (x0, y0, x1, y1), round(area), path))
    return shapes


def _weight(fate: Fate) -> float:
    return 2.0 if fate.kind in ERRORS else 1.0
