"""Step -> views, without a state: sample i of a run follows from (seed, i) alone.

A group of `views_per_frame` samples shares one frame, so that a decoded frame serves several
views; frames go by in a fresh random order every epoch. A view is a square of the native frame at
a random zoom, placed around a random instance or, in a stated share and on empty frames, anywhere.
"""

import zlib

import numpy as np
from jaxtyping import Float64, Int64

from tinyseg import masks as mask_ops
from tinyseg.frame import Frame, Instances
from tinyseg.masks import CropMasks
from tinyseg.recipes import Train
from tinyseg.views import View

SMALLEST_SIDE = 3.0
"""Objects less than this wide or high in view pixels are ignored: no anchor could learn them."""


def rng(seed: int, index: int, purpose: str) -> np.random.Generator:
    """The generator of one decision: the same for the same three, and independent of all others."""
    return np.random.default_rng([seed, index, zlib.crc32(purpose.encode())])


def frame_of(index: int, *, count: int, rules: Train) -> int:
    """Which of `count` frames sample `index` is cut from."""
    group = index // rules.views_per_frame
    epoch, place = divmod(group, count)
    return int(rng(rules.seed, epoch, "order").permutation(count)[place])


def draw_view(frame: Frame, index: int, rules: Train) -> View:
    """The view of sample `index` on its frame."""
    generator = rng(rules.seed, index, "view")
    low, high = rules.zoom
    zoom = float(np.exp(generator.uniform(np.log(low), np.log(high))))
    side = max(round(rules.view / zoom), 1)
    near = generator.random() < rules.near_share and len(frame.instances) > 0
    centre = _near_instance(frame, side, generator) if near else _anywhere(frame, generator)
    x0, y0 = (_start(c, side, length) for c, length in zip(centre, frame.hw[::-1], strict=True))
    flip = rules.flip and bool(generator.random() < 0.5)
    return View((x0, y0, x0 + side, y0 + side), (rules.view, rules.view), flip)


def _near_instance(frame: Frame, side: int, generator: np.random.Generator) -> tuple[float, float]:
    box = frame.instances.boxes[generator.integers(len(frame.instances))]
    offset = generator.uniform(-0.4, 0.4, 2) * side
    return float((box[0] + box[2]) / 2 + offset[0]), float((box[1] + box[3]) / 2 + offset[1])


def _anywhere(frame: Frame, generator: np.random.Generator) -> tuple[float, float]:
    height, width = frame.hw
    return float(generator.uniform(0, width)), float(generator.uniform(0, height))


def _start(centre: float, side: int, length: int) -> float:
    """Whole-pixel start of a window around the centre, inside the frame where it fits."""
    start = float(np.round(centre - side / 2))
    if side > length:
        return float((length - side) // 2)
    return min(max(start, 0.0), float(length - side))


def learnable(frame: Frame, view: View, rules: Train) -> Frame:
    """The frame with the objects that this view shows too little of moved to the ignore region."""
    masks = frame.instances.masks
    share = _visible_share(masks, view.rect)
    boxes = view.boxes_to_view(frame.instances.boxes)
    sides = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    kept = (share >= rules.min_visible) & (sides >= SMALLEST_SIDE)
    ignored: Int64[np.ndarray, " k"] = np.flatnonzero(~kept & (share > 0))
    instances: Instances = frame.instances.select(np.flatnonzero(kept))
    ignore = CropMasks.concatenate([frame.ignore, masks.select(ignored)])
    return Frame(frame.name, frame.image, instances, ignore)


def _visible_share(
    masks: CropMasks, rect: tuple[float, float, float, float]
) -> Float64[np.ndarray, " n"]:
    """Share of each mask's coverage that lies inside the rectangle."""
    seen = [int(g.sum(dtype=np.int64)) for g in mask_ops.cut(masks, rect).grids()]
    whole = [max(int(g.sum(dtype=np.int64)), 1) for g in masks.grids()]
    return np.array(seen, np.float64) / np.array(whole, np.float64)
