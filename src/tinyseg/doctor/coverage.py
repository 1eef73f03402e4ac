"""Which instances have anchors, and which lie whole in a tile.

In: a Population, recipes, and the resolutions they look at. Out: shares. Anchors are the model's
own: each level's nearest centre and its shapes, judged by the recipe's similarity and threshold;
the anchor that every object gets as its nearest is left out, as in benchmarks/anchors.py. At most
SAMPLE instances are asked, evenly spaced through the set.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from tinyseg.doctor.statistics import AnchorCover, Population, TileCover, trained_at
from tinyseg.model.proposals import ProposalRules, anchor_boxes
from tinyseg.model.similarity import similarity
from tinyseg.recipes import Recipe
from tinyseg.views import FrameInfo, Tiles

SAMPLE = 2000
TINY = 16.0
STRIDES = (4, 8, 16, 32, 64)
TILE_SIZES = (640, 1024)
ZOOMS = (0.5, 1.0, 2.0)

_TOGETHER = 16
"""Boxes that are compared at once: few calls, little waste."""


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
    """Which boxes, in view pixels, have an anchor of the pyramid's levels over the threshold."""
    alike = similarity(rules.similarity, rules.nwd_scale)
    shapes, covered = _shapes(rules), [np.zeros(0, np.bool_)]
    for some in torch.split(torch.from_numpy(boxes).float(), _TOGETHER) if len(boxes) else ():
        anchors = _near_anchors(some, shapes)
        # Every box with every box's anchors; its own are on the diagonal.
        likeness = alike(some, anchors.flatten(0, 1)).reshape(len(some), len(some), -1)
        own = likeness.diagonal(dim1=0, dim2=1)
        covered.append((own >= rules.positive_iou).any(dim=0).numpy())
    return np.concatenate(covered)


def _shapes(rules: ProposalRules) -> Float[Tensor, "levels ratios 4"]:
    """The anchors of each level around (0, 0)."""
    grids, cpu = ((1, 1),) * len(STRIDES), torch.device("cpu")
    sizes, ratios = tuple(rules.anchor_sizes), tuple(rules.aspect_ratios)
    return torch.stack(anchor_boxes(grids, (1, 1), sizes, ratios, cpu))


def _near_anchors(
    boxes: Float[Tensor, "k 4"], shapes: Float[Tensor, "levels ratios 4"]
) -> Float[Tensor, "k m 4"]:
    """For each box, of each level, the anchors at the centre nearest to its own: none is more
    alike."""
    strides = torch.tensor(STRIDES)[:, None]
    centres = ((boxes[:, :2] + boxes[:, 2:]) / 2)[:, None]
    nearest = (centres / strides).round() * strides
    return (shapes + nearest.repeat(1, 1, 2)[:, :, None]).flatten(1, 2)


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
