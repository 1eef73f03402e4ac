"""Copy-paste with perspective: an object of another frame slides along the road to another size.

On a plane, seen by a level camera, all that moves straight ahead goes towards the vanishing point
(v_x, horizon), and its size in pixels is proportional to the distance of its lower edge below the
horizon. So an object whose lower edge has the middle (x, y) may stand, s times its size, at

    x' = v_x + s (+-(x - v_x) + shift (y - horizon)),     y' = horizon + s (y - horizon)

mirrored or not, a step to the side (`shift`, in heights of the camera) included: it stays in its
lane or on its pavement, and is seen from the same side. v_x is the middle of the frame.

In: a view of one frame (view pixels) and another frame of the same data set and size (its own
pixels). Out: the view with objects pasted in. An object is not taken where something nearer or the
ignore region may cover a part of it or it leaves its frame, and not put on the ignore region.
Ghiasi et al. 2021 (Simple Copy-Paste) paste at random places and sizes.

What is nearer covers what is farther, nearer being whose lower edge is lower; masks lose what is
covered. An object that is covered too much joins the ignore region, as one that a view's edge cuts
does. Refused (the view comes back as it was): a place on the ignore region, and one where the
cut-out itself could hardly be seen.
"""

from dataclasses import dataclass
from math import ceil

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt8

from tinyseg import boxes as box_math, masks as mask_ops
from tinyseg.frame import Frame, Instances
from tinyseg.masks import HALF, CropMasks
from tinyseg.recipes import Sampling
from tinyseg.views import View, resampled

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
    # The box with as much again on each side, inside the view
    hw = image.shape[:2]
    width, height = box[2] - box[0], box[3] - box[1]
    rows = slice(max(box[1] - height, 0), min(box[3] + height, hw[0]))
    around = (rows, slice(max(box[0] - width, 0), min(box[2] + width, hw[1])))
    lit = _lit_like(colours[part], image[around])
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


SIDE_STEP = 0.7
"""Largest step to the side, in heights of the camera: about a metre."""

NEAREST_SHARE = 0.01
"""Objects nearer to the horizon than this share of the frame's height say nothing of their size."""

SMALLEST_SOURCE = 12.0
"""Objects less than this wide or high in their own frame are not cut out."""

SMALLEST_PASTED = 4.0
"""The same in the view where they land."""

LEAST_FILLED = 0.45
"""Share of its box that a mask fills, if the object is whole."""

LEAST_FOOT = 0.5
"""Width of the lowest sixth of a mask, as a share of its box's, if the object is whole."""

LARGEST_ZOOM = 2.0
"""View pixels per pixel of the cut-out: above, it would look blurred beside what is there."""


@dataclass(frozen=True, slots=True)
class Slides:
    """Objects that can slide into the view: which, between which sizes, and their direction."""

    which: Int64[np.ndarray, " n"]
    low: Float64[np.ndarray, " n"]
    high: Float64[np.ndarray, " n"]
    direction: Float64[np.ndarray, "n 2"]
    """Middle of the lower edge at size 1, seen from the vanishing point."""


def paste_objects(
    seen: Frame,
    view: View,
    donor: Frame,
    rules: Sampling,
    generator: np.random.Generator,
    *,
    horizon: float,
) -> Frame:
    """The view with 0 ... copy_paste.most objects of the donor; `horizon` is a row in pixels."""
    mirrored = bool(generator.random() < 0.5)
    slides = find_slides(donor, view, rules, generator, horizon=horizon, mirrored=mirrored)
    labels = donor.instances.labels[slides.which]
    left = np.ones(len(labels), bool)
    for _ in range(int(generator.integers(1, rules.copy_paste.most + 1))):
        if not left.any():
            break
        # Classes first, so that the rare ones are not drowned by cars; no object twice.
        wanted = generator.choice(np.unique(labels[left]))
        pick = int(generator.choice(np.flatnonzero(left & (labels == wanted))))
        left[pick] = False
        low, high = np.log(slides.low[pick]), np.log(slides.high[pick])
        size = float(np.exp(generator.uniform(low, high)))
        vanishing = np.array([donor.hw[1] / 2, horizon])
        foot = vanishing + size * slides.direction[pick]
        turned = mirrored != view.flip
        piece = cut_out(donor, int(slides.which[pick]), mirrored=turned, smallest=SMALLEST_PASTED)
        box = _landing(piece, view, foot, size)
        seen = paste(seen, piece, box, rules)
    return seen


def find_slides(
    donor: Frame,
    view: View,
    rules: Sampling,
    generator: np.random.Generator,
    *,
    horizon: float,
    mirrored: bool,
) -> Slides:
    """The donor's objects whose lower edge can come to lie in the view at an allowed size."""
    boxes = donor.instances.boxes
    feet = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1)
    direction = feet - np.array([donor.hw[1] / 2, horizon])
    direction[:, 0] *= -1 if mirrored else 1
    side_steps = generator.uniform(-SIDE_STEP, SIDE_STEP, len(boxes))
    direction[:, 0] += side_steps * direction[:, 1]
    usable = _whole_objects(donor) & (direction[:, 1] > NEAREST_SHARE * donor.hw[0])

    zoom = min(view.scale_xy)
    smallest, largest = rules.copy_paste.scale
    low = np.maximum(smallest, SMALLEST_PASTED / (np.maximum(_sides(boxes), 1e-9) * zoom))
    high = np.full(len(boxes), min(largest, LARGEST_ZOOM / zoom))
    for axis, origin in enumerate((donor.hw[1] / 2, horizon)):
        first, last = view.rect[axis] - origin, view.rect[axis + 2] - origin
        enters, leaves = _between(direction[:, axis], first, last)
        low, high = np.maximum(low, enters), np.minimum(high, leaves)
    which = np.flatnonzero(usable & (low < high))
    return Slides(which, low[which], high[which], direction[which])


def _between(
    speed: Float64[np.ndarray, " n"], first: float, last: float
) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """The sizes s at which first <= s speed <= last, as a lowest and a highest."""
    still = np.abs(speed) < 1e-9
    safe = np.where(still, 1.0, speed)
    a, b = first / safe, last / safe
    enters, leaves = np.minimum(a, b), np.maximum(a, b)
    inside = first <= 0 <= last
    enters = np.where(still, 0.0 if inside else np.inf, enters)
    return enters, np.where(still, np.inf if inside else 0.0, leaves)


def _whole_objects(frame: Frame) -> Bool[np.ndarray, " n"]:
    """Objects that are likely to be seen whole: none nearer, no ignore region, no frame's edge."""
    boxes = frame.instances.boxes
    height, width = frame.hw
    whole = (boxes[:, :2] > 1).all(axis=1) & (boxes[:, 2] < width - 1) & (boxes[:, 3] < height - 1)
    whole &= _sides(boxes) >= SMALLEST_SOURCE
    pairs = box_math.overlapping_pairs(boxes, boxes)
    covered = [i for i, j in zip(*pairs, strict=True) if boxes[j, 3] > boxes[i, 3]]
    whole[covered] = False
    whole[box_math.overlapping_pairs(boxes, frame.ignore.boxes)[0]] = False
    for i in np.flatnonzero(whole):
        whole[i] = _stands(frame.instances.masks.grid(int(i)))
    return whole


def _stands(grid: UInt8[np.ndarray, "h w"]) -> bool:
    """Whether a mask fills its box and reaches the ground over some width: what a pole or a fence
    that nobody labelled covers mostly does not."""
    filled = grid >= HALF
    foot = np.flatnonzero(filled[-max(len(grid) // 6, 1) :].any(axis=0))
    wide = len(foot) > 0 and foot[-1] + 1 - foot[0] >= LEAST_FOOT * grid.shape[1]
    return bool(filled.mean() >= LEAST_FILLED and wide)


def _sides(boxes: Float64[np.ndarray, "n 4"]) -> Float64[np.ndarray, " n"]:
    """The shorter side of each box."""
    return np.asarray(box_math.sizes(boxes).min(axis=1))


def _landing(
    piece: CutOut, view: View, foot: Float64[np.ndarray, " 2"], size: float
) -> tuple[int, int, int, int]:
    """The whole pixels of the view that the object lands on, its lower edge's middle at `foot`."""
    height, width = piece.grid.shape
    zoom_x, zoom_y = view.scale_xy
    out_w, out_h = max(round(width * size * zoom_x), 1), max(round(height * size * zoom_y), 1)
    x, y = (foot[0] - view.rect[0]) * zoom_x, (foot[1] - view.rect[1]) * zoom_y
    if view.flip:
        x = view.out_hw[1] - x
    x0, y0 = round(x - out_w / 2), round(y) - out_h
    return x0, y0, x0 + out_w, y0 + out_h
