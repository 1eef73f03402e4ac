"""Evidence: how many instances of which size are expected where, on a coarse grid of the frame.

A prior and the detections of a first pass both become such arrays, octaves x rows x columns, in
expected instances per cell; they add up. Octave o holds the sizes (square roots of box areas, in
frame pixels) from OCTAVES[o] to OCTAVES[o + 1].

What it is worth to look again follows from one curve, the share of instances of a size in view
pixels that is found: `found_share`. An instance of size s gains found(zoom s) - found(scale s).

Hints: what the instances of a first pass, low scores included, say about where to look again.

Each speaks for its own place, and for its row band: on level ground everything far away stands
at the horizon, whatever the camera. For a small instance that is its own middle; for a larger
one, the nearer it is the less sure, a row a little below its top, since a camera looks from about
the height of a car's roof or a person's head.
"""

from dataclasses import dataclass
from math import inf

import cv2
import numpy as np
from jaxtyping import Float64, Int64

from tinyseg import boxes as box_math
from tinyseg.frame import Instances

OCTAVES = (0.0, 8.0, 16.0, 32.0, 64.0, 128.0, inf)
"""Edges of the size octaves in frame pixels."""

COUNT = len(OCTAVES) - 1

_CELLS_ACROSS = 212
"""Cells along the frame's longer side: 16 pixels of a 3384-pixel frame."""

_CURVE = ((0.0, 0.0), (8.0, 0.0), (16.0, 0.5), (40.0, 0.9))
"""Size in view pixels, and the share of such instances that a detector finds: an assumption."""

Evidence = Float64[np.ndarray, "octaves rows columns"]


@dataclass(frozen=True, slots=True)
class Grid:
    """Square cells over a frame of this height and width; the last ones may stick out."""

    hw: tuple[int, int]
    cell: int

    @staticmethod
    def of(hw: tuple[int, int]) -> "Grid":
        """The grid that all evidence on frames of this size is on."""
        return Grid(hw, max(round(max(hw) / _CELLS_ACROSS), 4))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Octaves, rows and columns."""
        rows, columns = (-(-length // self.cell) for length in self.hw)
        return COUNT, rows, columns

    def centres(self, axis: int) -> Float64[np.ndarray, " cells"]:
        """Where the cells' middles are along y (axis 0) or x (axis 1), in frame pixels."""
        return (np.arange(self.shape[axis + 1]) + 0.5) * self.cell


def octaves_of(sizes: Float64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    """The octave that each size falls in."""
    return np.searchsorted(np.array(OCTAVES[1:-1]), sizes, side="right").astype(np.int64)


def found_share(sizes: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """The share of instances that a detector finds, by their size in view pixels."""
    at, share = zip(*_CURVE, strict=True)
    return np.asarray(np.interp(sizes, at, share))


def gain_of_zoom(*, zoom: float, scale: float) -> Float64[np.ndarray, " octaves"]:
    """What seeing an instance of each octave at `zoom` adds to having seen it at `scale`."""
    middles = np.array([low * 2**0.5 for low in (4.0, *OCTAVES[1:-1])])
    return np.maximum(found_share(middles * zoom) - found_share(middles * scale), 0.0)


def blurred(
    counts: Float64[np.ndarray, "rows columns"], *, rows: float, columns: float
) -> Float64[np.ndarray, "rows columns"]:
    """Smoothed by a Gaussian of these standard deviations in cells; the sum stays the same."""
    smooth = cv2.GaussianBlur(
        counts, (0, 0), sigmaX=columns, sigmaY=rows, borderType=cv2.BORDER_REFLECT
    )
    return np.asarray(smooth, np.float64)


BELOW_TOP = 0.25
"""The horizon's row in an instance, as a share of its height below its top."""

BAND_FRAC = 0.010
"""How far, over the frame's height, tiny instances stand from the row that one tells (a standard
deviation); a larger instance adds a quarter of its height."""

NEAR_FRAC = 0.06
"""How far, over the frame's width, company stands from an instance (a standard deviation)."""

OTHERS = (0.3, 0.6, 0.6, 0.3, 0.0, 0.0)
"""Expected unseen instances of each octave for one that is seen, half of them near it in its row
band, half anywhere along it."""


def hints(found: Instances, hw: tuple[int, int]) -> Evidence:
    """Expected instances per cell on Grid.of(hw), from instances in frame pixels."""
    grid = Grid.of(hw)
    evidence = np.zeros(grid.shape)
    if len(found) == 0:
        return evidence
    height, width = hw
    boxes = found.boxes
    size = np.sqrt(box_math.areas(boxes))
    middle_x, middle_y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    tall = boxes[:, 3] - boxes[:, 1]
    small = size < 32
    row = np.where(small, middle_y, boxes[:, 1] + BELOW_TOP * tall)
    band = _bells(grid.centres(0), row, BAND_FRAC * height + 0.25 * np.where(small, 0, tall))
    near = _bells(grid.centres(1), middle_x, np.full(len(found), NEAR_FRAC * width))
    along = (near + 1 / near.shape[1]) / 2
    company = np.einsum("n,nr,nc->rc", found.scores, band, along)
    evidence += np.array(OTHERS)[:, None, None] * company
    spot_y = _bells(grid.centres(0), middle_y, np.maximum(size / 2, grid.cell))
    spot_x = _bells(grid.centres(1), middle_x, np.maximum(size / 2, grid.cell))
    octave = octaves_of(size)
    for index in range(COUNT):
        own = octave == index
        evidence[index] += np.einsum("n,nr,nc->rc", found.scores[own], spot_y[own], spot_x[own])
    return evidence


def _bells(
    at: Float64[np.ndarray, " cells"],
    middle: Float64[np.ndarray, " n"],
    width: Float64[np.ndarray, " n"],
) -> Float64[np.ndarray, "n cells"]:
    """A Gaussian for each middle over the cells, summing to 1 where any of it is in the frame."""
    away = (at[None] - middle[:, None]) / width[:, None]
    # What lies far outside the frame weighs 0 in all cells: a little everywhere keeps it a number.
    weight = np.exp(-0.5 * away**2) + 1e-12
    return weight / weight.sum(axis=1, keepdims=True)
