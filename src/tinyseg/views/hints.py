"""Hints: what the instances of a first pass, low scores included, say about where to look again.

Each speaks for its own place, and for its row band: on level ground everything far away stands
at the horizon, whatever the camera. For a small instance that is its own middle; for a larger
one, the nearer it is the less sure, a row a little below its top, since a camera looks from about
the height of a car's roof or a person's head.
"""

import numpy as np
from jaxtyping import Float64

from tinyseg import boxes as box_math
from tinyseg.frame import Instances
from tinyseg.views.evidence import COUNT, Evidence, Grid, octaves_of

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
