"""Cut-outs: an object's pixels and mask taken out of one frame and put into a view of another.

What is nearer covers what is farther, nearer being whose lower edge is lower; masks lose what is
covered. An object that is covered too much joins the ignore region, as one that a view's edge cuts
does. Refused (the view comes back as it was): a place on the ignore region, and one where the
cut-out itself could hardly be seen.
"""

from dataclasses import dataclass
from math import ceil

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8

from tinyseg import boxes as box_math, masks as mask_ops
from tinyseg.frame import Frame, Instances
from tinyseg.masks import HALF, CropMasks
from tinyseg.recipes import Sampling
from tinyseg.views import resampled

MARGIN = 2
"""Pixels around a cut-out into which its edge is blended."""

BLUR = 0.6
"""Standard deviation in view pixels of the blending at an edge."""

LIGHT_SHARE = 0.6
"""How far a cut-out takes on the light of the place: 0 not, 1 wholly."""

GAINS = (0.6, 1.6)
"""Limits of the change of contrast in that."""

LEAST_VISIBLE = 0.5
"""A cut-out of which less can be seen is not pasted."""

MOST_IGNORED = 0.02
"""A cut-out of which more lies on the ignore region is not pasted."""

Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class CutOut:
    """An object's coverage, its picture with a rim of that many pixels around it, its class."""

    image: UInt8[np.ndarray, "height width 3"]
    rim: int
    grid: UInt8[np.ndarray, "h w"]
    label: int


def cut_out(frame: Frame, which: int, *, mirrored: bool, smallest: float) -> CutOut:
    """Instance `which` of a frame, to be pasted at no less than `smallest` pixels a side."""
    box = frame.instances.masks.boxes[which]
    rim = max(MARGIN, ceil(MARGIN * min(box[2] - box[0], box[3] - box[1]) / smallest))
    rect = (box[0] - rim, box[1] - rim, box[2] + rim, box[3] + rim)
    image = resampled(frame.image, rect, (round(rect[3] - rect[1]), round(rect[2] - rect[0])))
    grid = frame.instances.masks.grid(which)
    if mirrored:
        image, grid = np.ascontiguousarray(image[:, ::-1]), np.ascontiguousarray(grid[:, ::-1])
    return CutOut(image, rim, grid, int(frame.instances.labels[which]))


def paste(seen: Frame, piece: CutOut, box: Box, rules: Sampling) -> Frame:
    """The view with the cut-out in these whole pixels, or as it was if it must not lie there."""
    before = seen.instances.masks
    nearer = before.boxes[:, 3] > box[3]
    own = CropMasks.pack(np.array([box], np.float64), [piece.grid])
    own = mask_ops.cut(own, (0.0, 0.0, float(seen.hw[1]), float(seen.hw[0])))
    own = _uncovered(own, before, where=nearer[None, :])
    whole = max(int(piece.grid.sum(dtype=np.int64)), 1)
    if _sums(own)[0] < max(LEAST_VISIBLE, rules.min_visible) * whole:
        return seen
    if mask_ops.share_inside(own, seen.ignore)[0] > MOST_IGNORED:
        return seen
    after = _uncovered(before, own, where=~nearer[:, None])
    image = _blended(seen.image, piece, box, hidden_by=before.select(nearer))
    share = _sums(after) / np.maximum(_sums(before), 1)
    kept = share >= rules.min_visible
    hidden = after.select(~kept & (share > 0) & (share >= rules.drop_visible))
    masks = CropMasks.concatenate([after.select(kept), own])
    labels = np.append(seen.instances.labels[kept], piece.label)
    return Frame(
        seen.name,
        image,
        Instances.from_labels(mask_ops.tighten(masks), labels),
        CropMasks.concatenate([seen.ignore, mask_ops.tighten(hidden)]),
        seen.unlabelled,
    )


def _uncovered(masks: CropMasks, covers: CropMasks, *, where: Bool[np.ndarray, "n m"]) -> CropMasks:
    """The masks without the cells whose centres lie in a cover, for the pairs in `where`."""
    grids = list(masks.grids())
    pairs = box_math.overlapping_pairs(masks.boxes, covers.boxes)
    for i, j in zip(*(index.tolist() for index in pairs), strict=True):
        if where[i, j] and grids[i].size:
            covered = _covered_cells(
                masks.boxes[i], grids[i].shape, covers.boxes[j], covers.grid(j)
            )
            grids[i] = np.where(covered, np.uint8(0), grids[i])
    return CropMasks.pack(masks.boxes, grids)


def _covered_cells(
    box: Float64[np.ndarray, " 4"],
    hw: tuple[int, int],
    cover_box: Float64[np.ndarray, " 4"],
    cover: UInt8[np.ndarray, "cover_h cover_w"],
) -> Bool[np.ndarray, "h w"]:
    """Which cells of a grid over a box have their centres in cells of the cover that are set."""
    inside, cells = [], []
    for low, high, count, cover_low, cover_high, cover_count in (
        (box[1], box[3], hw[0], cover_box[1], cover_box[3], cover.shape[0]),
        (box[0], box[2], hw[1], cover_box[0], cover_box[2], cover.shape[1]),
    ):
        centres = low + (np.arange(count) + 0.5) * ((high - low) / count)
        at = np.floor((centres - cover_low) * (cover_count / max(cover_high - cover_low, 1e-9)))
        inside.append((at >= 0) & (at < cover_count))
        cells.append(at.clip(0, cover_count - 1).astype(np.int64))
    return inside[0][:, None] & inside[1][None, :] & (cover[np.ix_(*cells)] >= HALF)


def _sums(masks: CropMasks) -> Float64[np.ndarray, " n"]:
    """Coverage of each mask, summed over the cells of its own grid."""
    return np.array([g.sum(dtype=np.int64) for g in masks.grids()], np.float64)


def _blended(
    image: UInt8[np.ndarray, "height width 3"],
    piece: CutOut,
    box: Box,
    *,
    hidden_by: CropMasks,
) -> UInt8[np.ndarray, "height width 3"]:
    """A new image with the cut-out in the box, its edge blended, behind `hidden_by`."""
    x0, y0, x1, y1 = (v + d for v, d in zip(box, (-MARGIN, -MARGIN, MARGIN, MARGIN), strict=True))
    colours, weight = _at_size(piece, (box[3] - box[1], box[2] - box[0]))
    left, top, right, bottom = (
        max(x0, 0),
        max(y0, 0),
        min(x1, image.shape[1]),
        min(y1, image.shape[0]),
    )
    part = slice(top - y0, bottom - y0), slice(left - x0, right - x0)
    front = mask_ops.paint(hidden_by.shift(float(-left), float(-top)), (bottom - top, right - left))
    alpha = np.where(front > 0, np.float32(0), weight[part])[:, :, None]
    out = image.copy()
    window = out[top:bottom, left:right]
    lit = _lit_like(colours[part], image[_around(box, image.shape[:2])])
    window[:] = np.rint(window * (1 - alpha) + lit * alpha).astype(np.uint8)
    return out


def _lit_like(
    colours: UInt8[np.ndarray, "h w 3"], place: UInt8[np.ndarray, "place_h place_w 3"]
) -> Float32[np.ndarray, "h w 3"]:
    """The colours with the darkest and lightest twentieth of the place where they come to lie: a
    frame against the sun is pale, one in the shade is dark, and an object shares that. Partly: an
    object in a dark coat is darker than its street."""
    (low, high), (dark, light) = (
        np.percentile(pixels.reshape(-1, 3).mean(axis=1), (5, 95)) for pixels in (colours, place)
    )
    gain = np.clip((light - dark) / max(high - low, 1.0), *GAINS)
    matched = (colours - np.float32(low)) * np.float32(gain) + np.float32(dark)
    mixed = LIGHT_SHARE * matched + (1 - LIGHT_SHARE) * colours
    return np.clip(mixed, 0, 255).astype(np.float32)


def _around(box: Box, hw: tuple[int, int]) -> tuple[slice, slice]:
    """The box with as much again on each side, inside the view."""
    width, height = box[2] - box[0], box[3] - box[1]
    rows = slice(max(box[1] - height, 0), min(box[3] + height, hw[0]))
    return rows, slice(max(box[0] - width, 0), min(box[2] + width, hw[1]))


def _at_size(
    piece: CutOut, out_hw: tuple[int, int]
) -> tuple[UInt8[np.ndarray, "h w 3"], Float32[np.ndarray, "h w"]]:
    """The cut-out's colours and weights 0 ... 1 with its grid at out_hw, and MARGIN around that."""
    out_h, out_w = out_hw
    (height, width), rim = piece.grid.shape, piece.rim
    dx, dy = MARGIN * width / out_w, MARGIN * height / out_h
    rect = (rim - dx, rim - dy, rim + width + dx, rim + height + dy)
    colours = resampled(piece.image, rect, (out_h + 2 * MARGIN, out_w + 2 * MARGIN))
    shrinks = out_h <= height and out_w <= width
    way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    weight = cv2.resize(piece.grid, (out_w, out_h), interpolation=way)
    rimmed = np.pad(weight.astype(np.float32) / 255, MARGIN)
    return colours, np.asarray(cv2.GaussianBlur(rimmed, (3, 3), BLUR), np.float32)
