"""Mosaics: square views of n x n cells, each a view of its own frame (Bochkovskiy et al. 2020 join
four frames; here the number of cells decides how small the objects become).

    +-----+-----+     In: a sample's index, and the frames of its cells. Out: the cells, a view of
    |  a  |  b  |     each cell's frame that leaves nothing of the cell empty, and the mosaic as one
    +-----+-----+     frame in its own pixels: objects end at their cell, by the rules of every
    |  c  |  d  |     view's edge; ignore regions come along.
    +-----+-----+

As in training/sampler.py nothing has a state: cell j of sample i is cell i x (most cells) + j of
the run, and its frame, place, zoom, flip and colours follow from that number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np

from tinyseg.frame import Frame, Instances
from tinyseg.masks import CropMasks
from tinyseg.recipes import Mosaic, Sampling
from tinyseg.training.balance import Draws, draws_from
from tinyseg.training.chance import rng
from tinyseg.training.sampler import draw_zoom, group_frame, place_window
from tinyseg.views import View


@dataclass(frozen=True, slots=True)
class Cell:
    """Its number in the run, and the view pixels that it fills: from `at_xy` on, `out_hw` many."""

    index: int
    at_xy: tuple[int, int]
    out_hw: tuple[int, int]


def cells_of(index: int, source: Mosaic, out_hw: tuple[int, int], seed: int) -> list[Cell]:
    """The cells of sample `index`, row by row; together they are the view."""
    low, high = source.grid
    weights = np.array(source.weights or [1.0] * (high - low + 1))
    generator = rng(seed, index, "grid")
    across = low + int(generator.choice(len(weights), p=weights / weights.sum()))
    # 0 ... length in so many parts that are alike to a pixel.
    rows, columns = (
        list(pairwise(round(length * i / across) for i in range(across + 1))) for length in out_hw
    )
    return [
        Cell(index * source.most_cells + place, (x0, y0), (y1 - y0, x1 - x0))
        for place, ((y0, y1), (x0, x1)) in enumerate(product(rows, columns))
    ]


def cell_frame(cell: Cell, source: Mosaic, *, draws: Draws, seed: int) -> int:
    """Which of the frames the cell shows."""
    return group_frame(cell.index, draws=draws_from(draws, source.data), seed=seed)


def draw_cell(
    frame: Frame, cell: Cell, source: Mosaic, rules: Sampling, *, seed: int, factor: float = 1.0
) -> View:
    """The cell's view of its frame; `factor` is that of the frame's data set on any zoom, but the
    frame fills the cell in any case."""
    generator = rng(seed, cell.index, "cell")
    (height, width), (cell_h, cell_w) = frame.hw, cell.out_hw
    filling = max(cell_h / height, cell_w / width)
    if min(frame.hw) < source.large:
        zoom = factor * filling * draw_zoom(source.cover, generator)
    else:
        zoom = factor * draw_zoom(source.zoom or rules.zoom, generator)
    zoom = max(zoom, filling)
    # The limits are for rounding alone.
    window = min(max(round(cell_h / zoom), 1), height), min(max(round(cell_w / zoom), 1), width)
    rect = place_window(frame, window, source.near_share, rules, generator)
    return View(rect, cell.out_hw, rules.flip and bool(generator.random() < 0.5))


def join_cells(parts: Sequence[Frame], cells: Sequence[Cell], out_hw: tuple[int, int]) -> Frame:
    """What the cells show, each in its own pixels, as one frame of size `out_hw`."""
    placed = list(zip(parts, cells, strict=True))
    image = np.empty((*out_hw, 3), np.uint8)
    for part, cell in placed:
        (x0, y0), (height, width) = cell.at_xy, cell.out_hw
        image[y0 : y0 + height, x0 : x0 + width] = part.image
    instances = Instances.concatenate([_moved(part.instances, cell) for part, cell in placed])
    ignore = CropMasks.concatenate([_shifted(part.ignore, cell) for part, cell in placed])
    unlabelled = frozenset().union(*(part.unlabelled for part in parts))
    return Frame("+".join(part.name for part in parts), image, instances, ignore, unlabelled)


def _moved(instances: Instances, cell: Cell) -> Instances:
    boxes = instances.boxes + np.array(cell.at_xy * 2, np.float64)
    masks = _shifted(instances.masks, cell)
    return Instances(boxes, masks, instances.labels, instances.scores)


def _shifted(masks: CropMasks, cell: Cell) -> CropMasks:
    return masks.shift(float(cell.at_xy[0]), float(cell.at_xy[1]))
