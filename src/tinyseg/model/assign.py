"""Which reference boxes learn which object: matching by overlap, and sampling.

Matching is Faster R-CNN's (Ren et al. 2015, section 3.1.2). References that lie mostly on the
ignore region and match nothing are neither positive nor negative.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torchvision.ops import box_iou

NEGATIVE = -1
UNUSED = -2


def match(
    references: Float[Tensor, "n 4"],
    truth: Float[Tensor, "m 4"],
    *,
    positive_iou: float,
    negative_iou: float,
    best_for_each: bool,
) -> Int64[Tensor, " n"]:
    """Index of the object that each reference learns, NEGATIVE, or UNUSED between the thresholds.

    With `best_for_each` the references that overlap an object most learn it whatever the overlap.
    """
    if len(truth) == 0:
        return torch.full((len(references),), NEGATIVE, device=references.device)
    overlap = box_iou(truth, references)
    best, index = overlap.max(dim=0)
    matched = torch.where(best >= positive_iou, index, UNUSED)
    matched = torch.where(best < negative_iou, NEGATIVE, matched)
    if best_for_each:
        highest = overlap.max(dim=1, keepdim=True).values.clamp(min=1e-9)
        chosen = (overlap >= highest).nonzero()[:, 1]
        matched[chosen] = index[chosen]
    return matched


def leave_out(
    matched: Int64[Tensor, " n"], ignored_share: Float[Tensor, " n"], *, limit: float = 0.5
) -> Int64[Tensor, " n"]:
    """The same matches; negatives that lie by more than `limit` on the ignore region are UNUSED."""
    return torch.where((matched == NEGATIVE) & (ignored_share > limit), UNUSED, matched)


def sample(
    matched: Int64[Tensor, " n"],
    *,
    count: int,
    positive_share: float,
    generator: torch.Generator | None = None,
) -> tuple[Int64[Tensor, " p"], Int64[Tensor, " q"]]:
    """Random positives (at most their share of `count`) and negatives that fill up to `count`."""
    positive = _choose(matched >= 0, int(count * positive_share), generator)
    return positive, _choose(matched == NEGATIVE, count - len(positive), generator)


def _choose(
    allowed: Bool[Tensor, " n"], count: int, generator: torch.Generator | None
) -> Int64[Tensor, " k"]:
    """Up to `count` of the allowed indices at random; without a generator, by torch's own."""
    index = allowed.nonzero()[:, 0]
    if len(index) <= count:
        return index
    order = torch.randperm(len(index), device=index.device, generator=generator)
    return index[order[:count]]
