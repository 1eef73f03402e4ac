"""Evidence: how many instances of which size are expected where, on a coarse grid of the frame.

A prior and the detections of a first pass both become such arrays, octaves x rows x columns, in
expected instances per cell; they add up. Octave o holds the sizes (square roots of box areas, in
frame pixels) from OCTAVES[o] to OCTAVES[o + 1].

What it is worth to look again follows from one curve, the share of instances of a size in view
pixels that is found: `found_share`. An instance of size s gains found(zoom s) - found(scale s).
"""

from dataclasses import dataclass
from math import inf

import cv2
import numpy as np
from jaxtyping import Float64, Int64

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
