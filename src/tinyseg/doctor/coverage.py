"""Which instances have anchors, and which lie whole in a tile.

In: a Population, recipes, and the resolutions they look at. Out: shares. Anchors are the model's
own: each level's nearest centre and its shapes, judged by the recipe's similarity and threshold;
the anchor that every object gets as its nearest is left out, as in benchmarks/anchors.py. At most
SAMPLE instances are asked, evenly spaced through the set.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float64

from tinyseg.doctor.statistics import AnchorCover, Population, TileCover, trained_at
from tinyseg.model import ProposalRules
from tinyseg.recipes import Recipe
from tinyseg.views import FrameInfo, Tiles

SAMPLE = 2000
TINY = 16.0
STRIDES = (4, 8, 16, 32, 64)
TILE_SIZES = (640, 1024)
ZOOMS = (0.5, 1.0, 2.0)


def anchor_cover(people: Population, recipes: Sequence[Recipe]) -> tuple[AnchorCover, ...]:
    """For each recipe and each scale it trains at."""
    if len(people) == 0:
        return ()
    asked = people.sample(SAMPLE)
    boxes, hw = asked.objects.boxes, asked.frames_hw
    rows = []
    for recipe in recipes:
        for one in trained_at(recipe):
            seen = boxes * one.scale(hw)[:, None]
            covered = has_anchor(seen, recipe.network.proposals)
            tiny = np.sqrt((seen[:, 2:] - seen[:, :2]).prod(axis=1)) < TINY
            shares = _share(covered[tiny]), _share(covered)
            rows.append(AnchorCover(recipe.name, one.name.partition(": ")[2], *shares))
    return tuple(rows)


def _share(which: Bool[np.ndarray, " n"]) -> float | None:
    return float(which.mean()) if len(which) else None


def has_anchor(boxes: Float64[np.ndarray, "n 4"], rules: ProposalRules) -> Bool[np.ndarray, " n"]:
    """Which boxes, in view pixels, have an anchor of the pyramid's levels over the threshold.

    Of each level only the anchors at the centre nearest to a box's own count: none is more alike.
    """
    strides = np.array(STRIDES, np.float64)[:, None]
    centres = ((boxes[:, :2] + boxes[:, 2:]) / 2)[:, None]
    nearest = np.rint(centres / strides) * strides
    anchors = _shapes(rules) + np.tile(nearest, 2)[:, :, None]
    own = boxes[:, None, None]
    measures = {"iou": [_iou], "nwd": [_nwd], "larger": [_iou, _nwd]}[rules.similarity]
    likeness = np.max([alike(own, anchors, rules.nwd_scale) for alike in measures], axis=0)
    return np.asarray((likeness >= rules.positive_iou).any(axis=(1, 2)))


def _shapes(rules: ProposalRules) -> Float64[np.ndarray, "levels ratios 4"]:
    """The anchors of each level around (0, 0), as model/proposals.py has them."""
    sizes = np.array(rules.anchor_sizes)[:, None]
    root = np.sqrt(np.array(rules.aspect_ratios))[None]
    half = np.stack([sizes / root, sizes * root], axis=2) / 2
    return np.rint(np.concatenate([-half, half], axis=2))


def _iou(
    one: Float64[np.ndarray, "n 1 1 4"], other: Float64[np.ndarray, "n l r 4"], scale: float
) -> Float64[np.ndarray, "n l r"]:
    low, high = np.maximum(one, other)[..., :2], np.minimum(one, other)[..., 2:]
    shared = np.maximum(high - low, 0).prod(axis=-1)
    areas = [(boxes[..., 2:] - boxes[..., :2]).prod(axis=-1) for boxes in (one, other)]
    return np.asarray(shared / np.maximum(areas[0] + areas[1] - shared, 1e-12))


def _nwd(
    one: Float64[np.ndarray, "n 1 1 4"], other: Float64[np.ndarray, "n l r 4"], scale: float
) -> Float64[np.ndarray, "n l r"]:
    """Equations 4 to 8 of model/similarity.py: a box as a Gaussian around its centre."""
    mean = (one[..., :2] + one[..., 2:] - other[..., :2] - other[..., 2:]) / 2
    deviation = (one[..., 2:] - one[..., :2] - other[..., 2:] + other[..., :2]) / 2
    return np.asarray(np.exp(-np.sqrt((mean**2).sum(-1) + (deviation**2).sum(-1)) / scale))


def tile_cover(people: Population, band: tuple[float, float] | None) -> tuple[TileCover, ...]:
    """Tiles of the usual sizes and zooms, neighbours sharing a quarter; `band` is a range of rows
    as shares of the height."""
    if len(people) == 0:
        return ()
    asked = people.sample(SAMPLE)
    return tuple(_covered_by(asked, size, zoom, band) for size in TILE_SIZES for zoom in ZOOMS)


def _covered_by(
    people: Population, size: int, zoom: float, band: tuple[float, float] | None
) -> TileCover:
    whole = np.zeros(len(people), np.bool_)
    most = 0
    for hw in np.unique(people.frames_hw, axis=0):
        own = (people.frames_hw == hw).all(axis=1)
        views = _tiles_of(hw, size, zoom)
        most = max(most, len(views))
        for x0, y0, x1, y1 in views:
            low, high = people.objects.boxes[:, :2], people.objects.boxes[:, 2:]
            whole |= own & (low >= [x0, y0]).all(axis=1) & (high <= [x1, y1]).all(axis=1)
    below = float((people.sizes * zoom < TINY).mean())
    largest = people.frames_hw[people.frames_hw.prod(axis=1).argmax()]
    in_band = None if band is None else len(_tiles_of(largest, size, zoom, band))
    megapixels = most * size * size / 1e6
    return TileCover(size, zoom, most, in_band, megapixels, float(whole.mean()), below)


def _tiles_of(
    hw: Float64[np.ndarray, "2"],
    size: int,
    zoom: float,
    band: tuple[float, float] = (0.0, 1.0),
) -> list[tuple[float, float, float, float]]:
    """Rectangles of the tiles of a frame, or of a band of it."""
    height, width = (int(side) for side in hw)
    rows = int(band[0] * height), max(int(np.ceil(band[1] * height)), 1)
    plan = Tiles(size, int(size / zoom / 4), zoom, rows)
    return [planned.view.rect for planned in plan.first(FrameInfo((height, width)))]
