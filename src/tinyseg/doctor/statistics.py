"""How large the instances are, where they stand, what is left of them at a resolution; which of
them have anchors, and which lie whole in a tile.

In: all objects of a set with their frames' sizes. Out: Statistics, plain numbers: counts by class,
size and row, and for each resolution the share of instances below 4, 8 and 16 pixels. A size is
the square root of a box's area, as everywhere in views and anchors.

Of anchors and tiles the shares are asked at the resolutions that recipes look at. Anchors are the
model's own: each level's nearest centre and its shapes, judged by the recipe's similarity and
threshold; the anchor that every object gets as its nearest is left out, as in
benchmarks/anchors.py. At most SAMPLE instances are asked, evenly spaced through the set.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from math import inf
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from tinyseg import boxes as box_math
from tinyseg.doctor.labels import Objects
from tinyseg.model import ProposalRules
from tinyseg.recipes import Recipe, Whole
from tinyseg.views import FrameInfo, Tiles

SIZES = (0.0, 4.0, 8.0, 16.0, 32.0, 96.0, inf)
"""Edges of the histogram's bins of size, in frame pixels."""

ROWS = 20
"""Bins of rows: twentieths of the frame's height, by the middle of the box."""

SMALL_SIZES = (4.0, 8.0, 16.0)

Scale = Callable[[Float64[np.ndarray, "_n 2"]], Float64[np.ndarray, " _n"]]
"""Frames' heights and widths -> view pixels a frame pixel."""


@dataclass(frozen=True, slots=True)
class Population:
    """All instances of a set: columns of Objects, and each one's frame's height and width."""

    objects: Objects
    frames_hw: Float64[np.ndarray, "n 2"]

    @property
    def sizes(self) -> Float64[np.ndarray, " n"]:
        """Square roots of the boxes' areas in frame pixels."""
        return np.sqrt(box_math.areas(self.objects.boxes))

    def __len__(self) -> int:
        return len(self.objects)

    def sample(self, most: int) -> "Population":
        """At most so many instances, evenly spaced through the set."""
        kept = np.unique(np.linspace(0, len(self) - 1, min(most, len(self))).astype(np.int64))
        own = self.objects
        objects = Objects(own.labels[kept], own.boxes[kept], own.areas[kept])
        return Population(objects, self.frames_hw[kept])


@dataclass(frozen=True, slots=True)
class Resolution:
    """A way in which frames come to a network."""

    name: str
    scale: Scale


@dataclass(frozen=True, slots=True)
class Shrunk:
    """Shares of the instances that are below 4, 8 and 16 view pixels at a resolution."""

    resolution: str
    below: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class AnchorCover:
    """Shares of instances with an anchor over the threshold, under 16 view pixels and in all;
    None where there is no such instance."""

    recipe: str
    resolution: str
    tiny: float | None
    all: float | None


@dataclass(frozen=True, slots=True)
class TileCover:
    """Tiles of `size` view pixels: their number and millions of pixels on the largest frame, the
    share of instances that lie whole in one, and that below 16 view pixels; and the number of
    those in the band of rows where the small ones are, None without a band."""

    size: int
    zoom: float
    tiles: int
    in_band: int | None
    megapixels: float
    whole: float
    below_16: float


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """Instances by class, size and row; shares are empty where there is no instance."""

    classes: tuple[str, ...]
    counts: Int64[np.ndarray, "classes sizes rows"]
    shrunk: tuple[Shrunk, ...] = ()
    anchors: tuple[AnchorCover, ...] = ()
    tiles: tuple[TileCover, ...] = ()
    small_rows: tuple[float, float] | None = None
    """The rows, as shares of the height, between which 98 % of the small ones (< 32) lie."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types, with the bins' edges; the last size has no upper edge (null)."""
        edges = [None if edge == inf else edge for edge in SIZES]
        plain = {**asdict(self), "counts": self.counts.tolist()}
        return {**plain, "size_edges": edges, "row_bins": ROWS}


def count_up(people: Population, classes: tuple[str, ...]) -> Int64[np.ndarray, "c s r"]:
    """The histogram class x size x row."""
    counts = np.zeros((len(classes), len(SIZES) - 1, ROWS), np.int64)
    size = np.searchsorted(SIZES, people.sizes, side="right") - 1
    middle = people.objects.boxes[:, [1, 3]].mean(axis=1) / people.frames_hw[:, 0]
    row = np.clip((middle * ROWS).astype(np.int64), 0, ROWS - 1)
    np.add.at(counts, (people.objects.labels, size, row), 1)
    return counts


def shrunk_at(people: Population, resolutions: Sequence[Resolution]) -> tuple[Shrunk, ...]:
    """Shares below 4, 8, 16 pixels at each resolution; nothing without an instance."""
    if len(people) == 0:
        return ()
    rows = []
    for one in resolutions:
        seen = people.sizes * one.scale(people.frames_hw)
        four, eight, sixteen = (float((seen < size).mean()) for size in SMALL_SIZES)
        rows.append(Shrunk(one.name, (four, eight, sixteen)))
    return tuple(rows)


def rows_of_small(people: Population) -> tuple[float, float] | None:
    """Shares of the height between which 98 % of the instances under 32 pixels lie; None if few."""
    small = people.sizes < 32
    if small.sum() < 20:
        return None
    edges = people.objects.boxes[small][:, [1, 3]] / people.frames_hw[small, :1]
    return float(np.quantile(edges[:, 0], 0.01)), float(np.quantile(edges[:, 1], 0.99))


def resolutions_of(recipe: Recipe | None) -> list[Resolution]:
    """The slides' two scales, native pixels, and the recipe's own."""
    common = [
        Resolution("1500 / 1800", fitted(1500, 1800)),
        Resolution("1800 / 2400", fitted(1800, 2400)),
        Resolution("native", zoomed(1.0)),
    ]
    return common if recipe is None else [*common, *trained_at(recipe)]


def trained_at(recipe: Recipe) -> list[Resolution]:
    """The smallest and largest scale of each of the recipe's sources."""
    found: dict[str, Resolution] = {}
    for source in recipe.sampling.sources:
        if isinstance(source, Whole):
            for side in source.short_side:
                name = f"{recipe.name}: {side} / {source.longest_side or 'any'}"
                found[name] = Resolution(name, fitted(side, source.longest_side))
        else:
            for zoom in source.zoom or recipe.sampling.zoom:
                name = f"{recipe.name}: zoom {zoom:g}"
                found[name] = Resolution(name, zoomed(zoom))
    return list(found.values())


def fitted(short_side: int, longest_side: int | None) -> Scale:
    """Whole frames: the short side at its length, unless the long one were over its own."""

    def scale(hw: Float64[np.ndarray, "n 2"]) -> Float64[np.ndarray, " n"]:
        by_short = short_side / hw.min(axis=1)
        longest = inf if longest_side is None else longest_side
        return np.minimum(by_short, longest / hw.max(axis=1))

    return scale


def zoomed(zoom: float) -> Scale:
    """The same scale for every frame."""
    return lambda hw: np.full(len(hw), zoom)


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
    # The anchors of each level around (0, 0), as model/proposals.py has them.
    sizes = np.array(rules.anchor_sizes)[:, None]
    root = np.sqrt(np.array(rules.aspect_ratios))[None]
    half = np.stack([sizes / root, sizes * root], axis=2) / 2
    anchors = np.rint(np.concatenate([-half, half], axis=2)) + np.tile(nearest, 2)[:, :, None]
    own = boxes[:, None, None]
    measures = {"iou": [_iou], "nwd": [_nwd], "larger": [_iou, _nwd]}[rules.similarity]
    likeness = np.max([alike(own, anchors, rules.nwd_scale) for alike in measures], axis=0)
    return np.asarray((likeness >= rules.positive_iou).any(axis=(1, 2)))


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
    low, high = asked.objects.boxes[:, :2], asked.objects.boxes[:, 2:]
    largest = asked.frames_hw[asked.frames_hw.prod(axis=1).argmax()]
    covers = []
    for size, zoom in product(TILE_SIZES, ZOOMS):
        whole, most = np.zeros(len(asked), np.bool_), 0
        for hw in np.unique(asked.frames_hw, axis=0):
            own = (asked.frames_hw == hw).all(axis=1)
            views = _tiles_of(hw, size, zoom)
            most = max(most, len(views))
            for x0, y0, x1, y1 in views:
                whole |= own & (low >= [x0, y0]).all(axis=1) & (high <= [x1, y1]).all(axis=1)
        in_band = None if band is None else len(_tiles_of(largest, size, zoom, band))
        shares = float(whole.mean()), float((asked.sizes * zoom < TINY).mean())
        covers.append(TileCover(size, zoom, most, in_band, most * size * size / 1e6, *shares))
    return tuple(covers)


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
