"""Step -> views, without a state: sample i of a run follows from (seed, i) and its step alone.

A step draws a source of the recipe and a size, so that its batch has one size on every rank and no
file has to be read to know it. A group of `views_per_frame` samples shares one frame, so that a
decoded frame serves several views; frames go by in a fresh random order every epoch. A tile is a
square of the native frame at a random zoom, placed around a random instance or, in a stated share
and on empty frames, anywhere; a whole frame lies in the middle of its canvas. The cells of a mosaic
are drawn in training/mosaic.py.
"""

from dataclasses import dataclass
from itertools import repeat

import numpy as np
from jaxtyping import Float64, Int64

from tinyseg import boxes as box_math, masks as mask_ops
from tinyseg.frame import Frame, Instances
from tinyseg.masks import CropMasks
from tinyseg.recipes import AnySource, Sampling, Tile, Whole
from tinyseg.training.balance import Draws, draws_from, epoch_order
from tinyseg.training.chance import rng
from tinyseg.views import View

SMALLEST_SIDE = 3.0
"""Objects less than this wide or high in view pixels are ignored: no anchor could learn them."""


@dataclass(frozen=True, slots=True)
class StepShape:
    """What all views of one step have in common."""

    source: AnySource
    out_hw: tuple[int, int]


def shape_of(step: int, rules: Sampling, seed: int) -> StepShape:
    """The source and the size of a step's views."""
    generator = rng(seed, step, "shape")
    shares = np.array([source.share for source in rules.sources])
    source = rules.sources[int(generator.choice(len(shares), p=shares / shares.sum()))]
    low, high = source.short_side if isinstance(source, Whole) else (0, 0)
    return _of_source(source, rules, int(generator.integers(low, high + 1)))


def largest_shape(rules: Sampling) -> StepShape:
    """That of the largest views that a step may have."""
    highest = [s.short_side[1] if isinstance(s, Whole) else 0 for s in rules.sources]
    shapes = map(_of_source, rules.sources, repeat(rules), highest)
    return max(shapes, key=lambda shape: shape.out_hw[0] * shape.out_hw[1])


def _of_source(source: AnySource, rules: Sampling, short: int) -> StepShape:
    """The shape of a source's views; `short` is the short side of whole frames."""
    if not isinstance(source, Whole):
        return StepShape(source, source.view or rules.view)
    long = short * max(source.aspect, 1 / source.aspect)
    scale = min((source.longest_side or long) / long, 1.0)
    sides = round(short * scale), round(long * scale)
    return StepShape(source, sides if source.aspect >= 1 else sides[::-1])


def frame_of(index: int, *, draws: Draws, shape: StepShape, rules: Sampling, seed: int) -> int:
    """Which of the frames sample `index` is cut from."""
    own = draws_from(draws, shape.source.data)
    return group_frame(index // group_size(shape, rules), draws=own, seed=seed)


def group_size(shape: StepShape, rules: Sampling) -> int:
    """How many samples in a row are cut from one frame."""
    return rules.views_per_frame if isinstance(shape.source, Tile) else 1


def group_frame(group: int, *, draws: Draws, seed: int) -> int:
    """The frame of a group of samples."""
    epoch, place = divmod(group, draws.length)
    return int(epoch_order(draws, seed, epoch)[place])


def draw_view(
    frame: Frame, index: int, shape: StepShape, rules: Sampling, *, seed: int, zoom: float = 1.0
) -> View:
    """The view of sample `index` on its frame; `zoom` is the factor of the frame's data set."""
    generator = rng(seed, index, "view")
    if isinstance(shape.source, Tile):
        rect = _tile(frame, shape.source, shape.out_hw, rules, generator, factor=zoom)
    else:
        rect = _letterbox(frame.hw, shape.out_hw, factor=zoom)
    flip = rules.flip and bool(generator.random() < 0.5)
    return View(rect, shape.out_hw, flip)


def _tile(
    frame: Frame,
    source: Tile,
    out_hw: tuple[int, int],
    rules: Sampling,
    generator: np.random.Generator,
    *,
    factor: float,
) -> tuple[float, float, float, float]:
    """A rectangle of native pixels, inside the frame where it fits."""
    zoom = factor * draw_zoom(source.zoom or rules.zoom, generator)
    height, width = (max(round(side / zoom), 1) for side in out_hw)
    return place_window(frame, (height, width), source.near_share, rules, generator)


def draw_zoom(bounds: tuple[float, float], generator: np.random.Generator) -> float:
    """Between the bounds, evenly in its logarithm."""
    low, high = bounds
    return float(np.exp(generator.uniform(np.log(low), np.log(high))))


def place_window(
    frame: Frame,
    window_hw: tuple[int, int],
    near_share: float | None,
    rules: Sampling,
    generator: np.random.Generator,
) -> tuple[float, float, float, float]:
    """A window of whole native pixels: near an instance in that share, else anywhere; inside the
    frame where it fits. The share is the section's if it is None."""
    share = rules.near_share if near_share is None else near_share
    near = generator.random() < share and len(frame.instances) > 0
    height, width = window_hw
    if near:
        candidates = np.arange(len(frame.instances))
        if rules.near == "class":
            wanted = generator.choice(np.unique(frame.instances.labels))
            candidates = np.flatnonzero(frame.instances.labels == wanted)
        box = frame.instances.boxes[candidates[generator.integers(len(candidates))]]
        offset = generator.uniform(-0.4, 0.4, 2) * window_hw[::-1]
        centre = (
            float((box[0] + box[2]) / 2 + offset[0]),
            float((box[1] + box[3]) / 2 + offset[1]),
        )
    else:
        centre = (
            float(generator.uniform(0, frame.hw[1])),
            float(generator.uniform(0, frame.hw[0])),
        )
    x0, y0 = _start(centre[0], width, frame.hw[1]), _start(centre[1], height, frame.hw[0])
    return x0, y0, x0 + width, y0 + height


def _letterbox(
    frame_hw: tuple[int, int], out_hw: tuple[int, int], *, factor: float
) -> tuple[float, float, float, float]:
    """The rectangle of the canvas' shape with the whole frame in its middle, in whole pixels.

    A factor below 1 leaves the frame that much smaller on the canvas; one above 1 has no effect.
    """
    scale = min(out_hw[0] / frame_hw[0], out_hw[1] / frame_hw[1]) * min(factor, 1.0)
    height, width = (max(round(out / scale), 1) for out in out_hw)
    x0, y0 = float((frame_hw[1] - width) // 2), float((frame_hw[0] - height) // 2)
    return x0, y0, x0 + width, y0 + height


def _start(centre: float, side: int, length: int) -> float:
    """Whole-pixel start of a window around the centre, inside the frame where it fits."""
    start = float(np.round(centre - side / 2))
    if side > length:
        return float((length - side) // 2)
    return min(max(start, 0.0), float(length - side))


def ignore_unlearnable(frame: Frame, view: View, rules: Sampling) -> Frame:
    """The frame with the objects that this view shows too little of moved to the ignore region, and
    those that it shows next to nothing of left out."""
    masks = frame.instances.masks
    share = _visible_share(frame.instances, view.rect)
    boxes = view.boxes_to_view(frame.instances.boxes)
    sides = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    kept = (share >= rules.min_visible) & (sides >= SMALLEST_SIDE)
    seen = (share > 0) & (share >= rules.drop_visible)
    ignored: Int64[np.ndarray, " k"] = np.flatnonzero(~kept & seen)
    instances: Instances = frame.instances.select(np.flatnonzero(kept))
    boxes_alone = frame.instances.boxes[ignored[~frame.instances.has_mask[ignored]]]
    hidden = [masks.select(ignored), mask_ops.filled(boxes_alone)]
    ignore = CropMasks.concatenate([frame.ignore, *hidden])
    return Frame(frame.name, frame.image, instances, ignore, frame.unlabelled)


def _visible_share(
    instances: Instances, rect: tuple[float, float, float, float]
) -> Float64[np.ndarray, " n"]:
    """Share of each mask's coverage, or of each box without a mask, inside the rectangle."""
    masks, boxes = instances.masks, instances.boxes
    seen = [int(g.sum(dtype=np.int64)) for g in mask_ops.cut(masks, rect).grids()]
    whole = [max(int(g.sum(dtype=np.int64)), 1) for g in masks.grids()]
    of_masks = np.array(seen, np.float64) / np.array(whole, np.float64)
    areas = np.maximum(box_math.areas(boxes), 1e-9)
    of_boxes = box_math.areas(box_math.clip(boxes, rect)) / areas
    return np.where(instances.has_mask, of_masks, of_boxes)
