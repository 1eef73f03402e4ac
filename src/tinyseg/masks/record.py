"""CropMasks: n masks, each a small grid of coverage stretched over a float box.

    coverage 0 ... 255 of each cell        box in pixels, half open (boxes.py)
    +----+----+----+
    |  0 |200 |255 |   stretched over     (x0, y0) +---------+
    +----+----+----+   ------------->              |         |
    | 90 |255 |255 |                               +---------+ (x1, y1)
    +----+----+----+

A bitmap is the case of an integral box with cells of one pixel ("pixel form"). Moving a mask
between a view and its frame moves the box and leaves the cells, so it is exact; cells become
pixels once, in `raster.rasterise`. Memory is the grids' area, never n x H x W.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt8

from tinyseg.errors import MaskError

HALF = 128
"""A cell or pixel of at least this coverage belongs to the mask."""

MAX_COVERAGE_BYTES = 2**31
"""Most mask cells, a byte each, that one call makes from run lengths or by rasterising."""

MAX_COORDINATE = 2.0**31
"""Pixels from the origin within which mask boxes lie, so that they convert to integers."""


@dataclass(frozen=True, slots=True)
class CropMasks:
    """n masks: boxes in pixels, grid heights and widths, and all cells in one row after the other.

    A mask without a cell (grid 0 x 0) is the empty mask. Raises MaskError where the parts do not
    fit each other, or a box is not finite, inside out or beyond MAX_COORDINATE.
    """

    boxes: Float64[np.ndarray, "n 4"]
    grid_hw: Int64[np.ndarray, "n 2"]
    coverage: UInt8[np.ndarray, " total"]

    def __post_init__(self) -> None:
        shapes = self.boxes.shape, self.grid_hw.shape, self.coverage.ndim
        if shapes != ((len(self.boxes), 4), (len(self.boxes), 2), 1):
            raise MaskError("boxes are n x 4, grids n x 2, cells in one row", got=shapes)
        cells = self.grid_hw[:, 0] * self.grid_hw[:, 1]
        # Large sides could wrap around in their product, and large grids in their sum.
        sides = self.grid_hw.min(initial=0), self.grid_hw.max(initial=0), cells.max(initial=0)
        bad = sides[0] < 0 or sides[1] > MAX_COORDINATE or sides[2] > self.coverage.size
        if bad or cells.sum() != self.coverage.size:
            raise MaskError(
                "cells must fill the grids", expected=cells.sum(), got=self.coverage.size
            )
        self._refuse(~(np.abs(self.boxes) <= MAX_COORDINATE), "mask boxes must be finite, to 2^31")
        turned = self.boxes[:, 2:] < self.boxes[:, :2]
        self._refuse(turned, "mask boxes must have x0 <= x1 and y0 <= y1")

    def _refuse(self, bad: Bool[np.ndarray, "n edges"], rule: str) -> None:
        """MaskError for the first box with a true entry."""
        if bad.any():
            at = int(np.flatnonzero(bad.any(axis=1))[0])
            raise MaskError(rule, where=f"mask {at}", got=self.boxes[at].tolist())

    def __len__(self) -> int:
        return len(self.boxes)

    def offsets(self) -> Int64[np.ndarray, " n_plus_1"]:
        """Where each mask's cells begin in `coverage`; the last entry is its length."""
        return np.concatenate([[0], np.cumsum(self.grid_hw.prod(axis=1))]).astype(np.int64)

    def grid(self, index: int) -> UInt8[np.ndarray, "h w"]:
        """The cells of one mask: a window on `coverage`, not a copy."""
        start = int(self.grid_hw[:index].prod(axis=1).sum())
        h, w = self.grid_hw[index].tolist()
        return self.coverage[start : start + h * w].reshape(h, w)

    def grids(self) -> Iterator[UInt8[np.ndarray, "h w"]]:
        """The cells of each mask in turn: windows on `coverage`."""
        start = 0
        for h, w in self.grid_hw.tolist():
            yield self.coverage[start : start + h * w].reshape(h, w)
            start += h * w

    def select(self, which: Int64[np.ndarray, " k"] | Bool[np.ndarray, " n"]) -> "CropMasks":
        """The masks at these indices, in this order, or those where a boolean array is true."""
        index = np.flatnonzero(which) if which.dtype == np.bool_ else which
        offsets = self.offsets()
        parts = [self.coverage[offsets[i] : offsets[i + 1]] for i in index.tolist()]
        return CropMasks(self.boxes[index], self.grid_hw[index], _joined(parts))

    def shift(self, dx: float, dy: float) -> "CropMasks":
        """Moved right by dx and down by dy pixels."""
        return CropMasks(self.boxes + np.array([dx, dy, dx, dy]), self.grid_hw, self.coverage)

    def scale(self, sx: float, sy: float) -> "CropMasks":
        """All coordinates multiplied: x by sx, y by sy; both positive."""
        return CropMasks(self.boxes * np.array([sx, sy, sx, sy]), self.grid_hw, self.coverage)

    def flip(self, width: float) -> "CropMasks":
        """Mirrored left to right within a frame of this width in pixels."""
        x0, y0, x1, y1 = self.boxes.T
        boxes = np.stack([width - x1, y0, width - x0, y1], axis=1)
        return CropMasks(boxes, self.grid_hw, _joined([g[:, ::-1].ravel() for g in self.grids()]))

    def in_pixel_form(self) -> Bool[np.ndarray, " n"]:
        """Which masks have an integral box with cells of one pixel."""
        integral = (self.boxes == np.rint(self.boxes)).all(axis=1)
        sizes_hw = (self.boxes[:, 2:] - self.boxes[:, :2])[:, ::-1]
        return np.asarray(integral & (sizes_hw == self.grid_hw).all(axis=1))

    @staticmethod
    def empty() -> "CropMasks":
        """No masks at all."""
        return CropMasks(np.zeros((0, 4)), np.zeros((0, 2), np.int64), np.zeros(0, np.uint8))

    @staticmethod
    def pack(
        boxes: Float64[np.ndarray, "n 4"], grids: Sequence[UInt8[np.ndarray, "_h _w"]]
    ) -> "CropMasks":
        """One mask for each box and its grid of cells (copied)."""
        grid_hw = np.array([g.shape for g in grids], np.int64).reshape(len(grids), 2)
        return CropMasks(boxes, grid_hw, _joined([g.ravel() for g in grids]))

    @staticmethod
    def pack_pixels(
        origins_xy: Sequence[tuple[int, int]], grids: Sequence[UInt8[np.ndarray, "_h _w"]]
    ) -> "CropMasks":
        """Masks in pixel form: each grid with its top-left pixel's (x, y)."""
        rows = [
            (x, y, x + g.shape[1], y + g.shape[0])
            for (x, y), g in zip(origins_xy, grids, strict=True)
        ]
        return CropMasks.pack(np.array(rows, np.float64).reshape(len(rows), 4), grids)

    @staticmethod
    def concatenate(parts: Sequence["CropMasks"]) -> "CropMasks":
        """All masks of all parts, in order."""
        if not parts:
            return CropMasks.empty()
        return CropMasks(
            np.concatenate([p.boxes for p in parts]),
            np.concatenate([p.grid_hw for p in parts]),
            np.concatenate([p.coverage for p in parts]),
        )


def _joined(rows: Sequence[UInt8[np.ndarray, " _cells"]]) -> UInt8[np.ndarray, " total"]:
    return np.concatenate(rows) if rows else np.zeros(0, np.uint8)
