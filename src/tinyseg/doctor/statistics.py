"""How large the instances are, where they stand, and what is left of them at a resolution.

In: all objects of a set with their frames' sizes. Out: Statistics, plain numbers: counts by class,
size and row, and for each resolution the share of instances below 4, 8 and 16 pixels. A size is
the square root of a box's area, as everywhere in views and anchors.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import inf
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from tinyseg import boxes as box_math
from tinyseg.doctor.labels import Objects
from tinyseg.recipes import Recipe, Whole

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


def rows_of_small(people: Population, *, below: float = 32.0) -> tuple[float, float] | None:
    """Shares of the height between which 98 % of the instances under this size lie; None if few."""
    small = people.sizes < below
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
