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
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt8

from tinyseg import boxes as box_math
from tinyseg.frame import Frame
from tinyseg.masks import HALF
from tinyseg.recipes import Sampling
from tinyseg.training.cut_outs import CutOut, cut_out, paste
from tinyseg.views import View

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
