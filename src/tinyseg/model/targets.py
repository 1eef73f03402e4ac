"""What the detector learns from: one Target a view, on the detector's device; and the five losses.

Masks are kept as integral images of their cells, packed in one row (CropMasks' form, summed), so
that the mean coverage over any rectangle of any mask is four look-ups: mask targets of RoIs and
the share of an anchor that lies on the ignore region are the same question.

Mask R-CNN's five losses are tensors, not weighted, not logged. Each is a sum over the samples of
this process, divided by a count that `Normalise` may take over all processes, so that the mean of
their losses is the loss of their batches taken as one.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from tinyseg import masks as mask_ops
from tinyseg.frame import Instances
from tinyseg.masks import CropMasks


@dataclass(frozen=True, slots=True)
class SummedMasks:
    """Masks as integral images of their coverage 0 ... 1: (h + 1) x (w + 1) sums each, packed."""

    boxes: Float[Tensor, "n 4"]
    grid_hw: Int64[Tensor, "n 2"]
    offsets: Int64[Tensor, " n"]
    sums: Float64[Tensor, " total"]

    @staticmethod
    def of(masks: CropMasks, device: torch.device) -> "SummedMasks":
        """The masks' sums, moved to the device."""
        rows = [_integral(grid) for grid in masks.grids()]
        starts = np.cumsum([0, *(len(r) for r in rows)])[: len(rows)].astype(np.int64)
        return SummedMasks(
            torch.from_numpy(masks.boxes.astype(np.float32)).to(device),
            torch.from_numpy(masks.grid_hw.clip(min=1)).to(device),
            torch.from_numpy(starts).to(device),
            torch.from_numpy(np.concatenate(rows) if rows else np.zeros(0)).to(device),
        )

    def mean_coverage(
        self, which: Int64[Tensor, " k"], rects: Float[Tensor, "k 4"], *, size: int
    ) -> Float[Tensor, "k size size"]:
        """Mean coverage of mask `which[i]` in each cell of a size x size grid over `rects[i]`."""
        grid_hw, box, rects = self.grid_hw[which], self.boxes[which].double(), rects.double()
        cell = ((box[:, 2:] - box[:, :2]) / grid_hw.flip(1)).clamp(min=1e-9)
        edges = torch.linspace(0, 1, size + 1, device=rects.device, dtype=torch.float64)
        low, extent = (rects[:, :2] - box[:, :2]) / cell, (rects[:, 2:] - rects[:, :2]) / cell
        x, y = (low[:, i, None] + extent[:, i, None] * edges for i in (0, 1))
        summed = self._at(which, y.clamp(min=0), x.clamp(min=0))
        inside = summed.diff(dim=1).diff(dim=2)
        cell_area = (extent.prod(dim=1) / size**2).clamp(min=1e-9)
        return (inside / cell_area[:, None, None]).float().clamp(0, 1)

    def _at(
        self, which: Int64[Tensor, " k"], y: Float64[Tensor, "k e"], x: Float64[Tensor, "k e"]
    ) -> Float64[Tensor, "k e e"]:
        """Sums up to each (y, x) in cells, interpolated: exact, since a cell is of one value."""
        height, width = (self.grid_hw[which, i, None] for i in (0, 1))
        y, x = torch.minimum(y, height.double()), torch.minimum(x, width.double())
        row, column = torch.minimum(y.long(), height - 1), torch.minimum(x.long(), width - 1)
        first = self.offsets[which, None] + row * (width + 1)
        corner = first[:, :, None] + column[:, None, :]
        below = corner + (width + 1)[:, :, None]
        fy, fx = (y - row)[:, :, None], (x - column)[:, None, :]
        top = self.sums[corner] * (1 - fx) + self.sums[corner + 1] * fx
        bottom = self.sums[below] * (1 - fx) + self.sums[below + 1] * fx
        return top * (1 - fy) + bottom * fy


@dataclass(frozen=True, slots=True)
class Target:
    """One view's objects in view pixels; labels count from 1, since 0 is the background."""

    boxes: Float[Tensor, "n 4"]
    labels: Int64[Tensor, " n"]
    masks: SummedMasks
    has_mask: Bool[Tensor, " n"]
    """False for objects that are labelled by a box alone."""
    ignore: SummedMasks
    unlabelled: Int64[Tensor, " u"]
    """Labels of the classes of which objects may be in the view without a label."""
    seed: int = 0
    """What this view's random choices follow from, whatever stands beside it in a batch."""

    @staticmethod
    def of(
        instances: Instances,
        ignore: CropMasks,
        device: torch.device,
        *,
        seed: int = 0,
        unlabelled: frozenset[int] = frozenset(),
    ) -> "Target":
        """From a view's instances, its ignore region, and the class indices nobody labelled."""
        region = mask_ops.union(ignore)
        return Target(
            torch.from_numpy(instances.boxes.astype(np.float32)).to(device),
            torch.from_numpy(instances.labels + 1).to(device),
            SummedMasks.of(instances.masks, device),
            torch.from_numpy(instances.has_mask).to(device),
            SummedMasks.of(region if region.coverage.size else CropMasks.empty(), device),
            torch.tensor(sorted(unlabelled), dtype=torch.int64, device=device) + 1,
            seed,
        )

    def generator(self, purpose: str) -> torch.Generator:
        """A generator on the target's device: the same for one seed and purpose, every time."""
        mixed = self.seed ^ zlib.crc32(purpose.encode())
        return torch.Generator(self.boxes.device).manual_seed(mixed)

    def ignored_share(self, boxes: Float[Tensor, "n 4"]) -> Float[Tensor, " n"]:
        """Share of each box that lies on the ignore region."""
        if len(self.ignore.offsets) == 0:
            return boxes.new_zeros(len(boxes))
        only = torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device)
        return self.ignore.mean_coverage(only, boxes, size=1)[:, 0, 0]


def _integral(grid: np.ndarray) -> Float64[np.ndarray, " sums"]:
    if grid.size == 0:
        return np.zeros(4)  # an empty mask is one cell that covers nothing
    h, w = grid.shape
    sums = np.zeros((h + 1, w + 1))
    np.cumsum(np.cumsum(grid / 255.0, axis=0), axis=1, out=sums[1:, 1:])
    return sums.ravel()


Normalise = Callable[[Float[Tensor, ""]], Float[Tensor, ""]]
"""This process's count -> the count to divide by: the mean over processes, where there are more."""


def own_count(count: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """One process: its own count."""
    return count


def divide(total: Float[Tensor, ""], count: int, normalise: Normalise) -> Float[Tensor, ""]:
    """A summed loss by its count; 0 where there is nothing to count in any process."""
    shared = normalise(total.new_tensor(float(count)))
    return total / torch.where(shared > 0, shared, 1.0)


@dataclass(frozen=True, slots=True)
class Losses:
    """Mean loss of each part over the batch, scalars with gradients."""

    objectness: Float[Tensor, ""]
    proposal_box: Float[Tensor, ""]
    box_class: Float[Tensor, ""]
    box: Float[Tensor, ""]
    mask: Float[Tensor, ""]

    def total(self) -> Float[Tensor, ""]:
        """The sum that is minimised."""
        return torch.stack(list(self.parts().values())).sum()

    def parts(self) -> dict[str, Float[Tensor, ""]]:
        """Each loss by its name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
