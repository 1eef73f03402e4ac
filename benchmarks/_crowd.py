"""A crowd of objects of the sizes, places and classes of WAD's frames, and what tiles see of it.

Nothing is rendered: the frame is a label map, painted from far to near, so that objects hide each
other as they do on a road. A tile's predictions are the objects' own masks cut to it, perfect, or
with jittered boundaries, noisy scores, misses and inventions.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt8, UInt16

from tinyseg import masks as mask_ops
from tinyseg.frame import Instances
from tinyseg.masks import CropMasks
from tinyseg.merge import Seen
from tinyseg.views import FrameInfo, Tiles, View

FRAME_HW = (2710, 3384)
TILE, OVERLAP = 1024, 256

AREA_QUANTILES = ((0.0, 60), (0.25, 256), (0.5, 584), (0.62, 1024), (0.9, 6000), (1.0, 60_000))
"""Areas of WAD's instances in pixels; the first and the last two are set so that
300 objects find room: a real frame has 99 at most."""

CLASS_COUNTS = (394_902, 15_047, 17_531, 124_199, 21_062, 30_522, 10_687)
HORIZON_ROWS = (1681, 1792)
"""Rows of the centres of small instances."""

SMALL = 32.0
LEAST_SHOWN = 0.3
LEAST_PIXELS = 30
"""Share of an object, and number of its pixels, that must show for it to be one."""

BACKGROUND = 65535


@dataclass(frozen=True, slots=True)
class Noise:
    """What is wrong with a tile's predictions: pixels, standard deviation, shares."""

    boundary: tuple[float, float] = (1.0, 2.0)
    score: float = 0.15
    dropped: float = 0.05
    false: float = 0.05


def crowd(rng: np.random.Generator, count: int) -> Instances:
    """Exactly `count` objects with what is visible of each, in pixel form."""
    label = np.empty(FRAME_HW, np.uint16)
    shapes = _shapes(rng, count)
    boxes = [_place(rng, shape.shape) for shape in shapes]
    while True:
        label[:] = BACKGROUND
        for i in sorted(range(count), key=lambda i: boxes[i][3]):
            _paint(label, boxes[i], shapes[i], i)
        values, masks = mask_ops.from_label_map(label, background=BACKGROUND)
        shown = np.zeros(count, np.int64)
        shown[values] = mask_ops.area(masks)
        whole = np.array([np.count_nonzero(shape) for shape in shapes])
        least = np.minimum(np.maximum(LEAST_SHOWN * whole, LEAST_PIXELS), whole)
        hidden = np.flatnonzero(shown < least)
        if not hidden.size:
            share = np.array(CLASS_COUNTS) / sum(CLASS_COUNTS)
            labels = rng.choice(len(share), count, p=share).astype(np.int64)
            return Instances.from_labels(masks, labels)
        for i in hidden.tolist():
            boxes[i] = _place(rng, shapes[i].shape)


Shape = Bool[np.ndarray, "h w"]
Box = tuple[int, int, int, int]


def _shapes(rng: np.random.Generator, count: int) -> list[Shape]:
    """Bitmaps of objects, with WAD's areas."""
    share, area = np.array(AREA_QUANTILES).T
    logs = np.interp(rng.uniform(0, 1, count), share, np.log(area))
    return [blob(rng, float(a)) for a in np.exp(logs)]


def blob(rng: np.random.Generator, area: float) -> Shape:
    """A rounded shape with a wavy rim, about as large."""
    slim = float(np.exp(rng.normal(0.15, 0.4)))
    height = max(round(np.sqrt(area / 0.8 * slim)), 3)
    width = max(round(area / 0.8 / height), 3)
    y, x = np.mgrid[0:height, 0:width]
    y, x = (y + 0.5) / height * 2 - 1, (x + 0.5) / width * 2 - 1
    waves = int(rng.integers(2, 6))
    rim = 0.93 + 0.07 * np.sin(waves * np.arctan2(y, x) + rng.uniform(0, 6))
    return np.asarray((np.abs(x) ** 3 + np.abs(y) ** 3) ** (1 / 3) <= rim)


def _place(rng: np.random.Generator, shape: tuple[int, ...]) -> Box:
    """The small around the horizon, the large lower down, as a camera on a car sees them."""
    height, width = shape
    middle = rng.uniform(*HORIZON_ROWS) + max(height - SMALL, 0) * rng.uniform(0.5, 1.4)
    top = round(min(middle - height / 2, FRAME_HW[0] - height))
    left = round(rng.uniform(0, FRAME_HW[1] - width))
    return left, top, left + width, top + height


def _paint(label: UInt16[np.ndarray, "h w"], box: Box, shape: Shape, value: int) -> None:
    x0, y0, x1, y1 = box
    label[y0:y1, x0:x1][shape] = value


def tile_views() -> list[View]:
    """The tiles of the frame."""
    plan = Tiles(TILE, OVERLAP)
    return [planned.view for planned in plan.first(FrameInfo(FRAME_HW, None))]


def perfect(rng: np.random.Generator, truth: Instances) -> list[Seen]:
    """Each tile's part of every object that shows in it, with any score above one half."""
    seen = []
    for view in tile_views():
        masks = mask_ops.cut(truth.masks, view.rect)
        shown = np.flatnonzero(masks.grid_hw.prod(axis=1))
        masks, labels = masks.select(shown), truth.labels[shown]
        scores = rng.uniform(0.5, 1.0, len(labels))
        seen.append(Seen(view, Instances(masks.boxes, masks, labels, scores)))
    return seen


def noisy(rng: np.random.Generator, truth: Instances, noise: Noise) -> list[Seen]:
    """The same with noise: each tile's predictions err on their own."""
    return [Seen(s.view, _spoilt(rng, s.view, s.instances, noise)) for s in perfect(rng, truth)]


def _spoilt(rng: np.random.Generator, view: View, instances: Instances, noise: Noise) -> Instances:
    kept = np.flatnonzero(rng.uniform(0, 1, len(instances)) >= noise.dropped)
    found = instances.select(kept)
    invented = rng.binomial(len(instances), noise.false)
    shapes = _shapes(rng, invented * 8)
    boxes = [_place(rng, shape.shape) for shape in shapes]
    in_view = [k for k, box in enumerate(boxes) if _within(box, view)][:invented]
    grids = [*found.masks.grids(), *(shapes[k].view(np.uint8) * np.uint8(255) for k in in_view)]
    corners = [*found.masks.boxes.astype(int).tolist(), *(boxes[k] for k in in_view)]
    pixels = [
        jittered(rng, grid, (c[0], c[1]), rng.uniform(*noise.boundary))
        for grid, c in zip(grids, corners, strict=True)
    ]
    masks = mask_ops.tighten(CropMasks.pack_pixels([o for o, _ in pixels], [g for _, g in pixels]))
    masks = mask_ops.cut(masks, view.rect)
    labels = np.concatenate([found.labels, rng.integers(0, len(CLASS_COUNTS), len(in_view))])
    middle = np.repeat([0.75, 0.4], [len(found), len(in_view)])
    scores = np.clip(rng.normal(middle, noise.score), 0.01, 1.0)
    shown = np.flatnonzero(masks.grid_hw.prod(axis=1))
    return Instances(masks.boxes, masks, labels.astype(np.int64), scores).select(shown)


def _within(box: Box, view: View) -> bool:
    x0, y0, x1, y1 = view.rect
    return x0 <= box[0] and y0 <= box[1] and box[2] <= x1 and box[3] <= y1


def jittered(
    rng: np.random.Generator,
    grid: UInt8[np.ndarray, "h w"],
    origin: tuple[int, int],
    most: float,
) -> tuple[tuple[int, int], UInt8[np.ndarray, "h2 w2"]]:
    """The mask with its boundary moved in and out by at most so many pixels, smoothly."""
    margin = 3
    inside = np.pad((grid >= 128).astype(np.uint8), margin)
    outward = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    inward = cv2.distanceTransform(inside, cv2.DIST_L2, 5)
    distance = np.where(inside > 0, inward - 0.5, 0.5 - outward)
    coarse = rng.normal(0, 1, (4, 4)).astype(np.float32)
    field = cv2.resize(coarse, inside.shape[::-1], interpolation=cv2.INTER_CUBIC)
    push: Float64[np.ndarray, "h2 w2"] = field / max(float(np.abs(field).max()), 1e-6) * most
    bits = distance + push > 0
    return (origin[0] - margin, origin[1] - margin), bits.astype(np.uint8) * np.uint8(255)


def detections(seen: list[Seen]) -> Instances:
    """All tiles' predictions in a row."""
    return Instances.concatenate([s.instances for s in seen])


def matches(
    found: Instances, truth: Instances, least_iou: float
) -> tuple[Bool[np.ndarray, " n"], Int64[np.ndarray, " n"]]:
    """Which of the found, best first, are the first to be an object of the truth; and the order."""
    order = np.argsort(-found.scores, kind="stable")
    iou = mask_ops.iou(found.masks, truth.masks)
    iou[found.labels[:, None] != truth.labels[None]] = 0
    taken = np.zeros(len(truth), np.bool_)
    hit = np.zeros(len(found), np.bool_)
    for rank, i in enumerate(order.tolist()):
        free = np.where(taken, 0, iou[i])
        best = int(free.argmax()) if len(free) else -1
        if best >= 0 and free[best] >= least_iou:
            taken[best] = hit[rank] = True
    return hit, order.astype(np.int64)
