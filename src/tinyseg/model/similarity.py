"""How alike two boxes are, for assignment: IoU, and a measure that tiny boxes need.

Two boxes of 6 pixels that lie 3 apart have an IoU of .33, two of 60 pixels one of .9: thresholds
on IoU give tiny objects hardly a reference. NWD (Wang et al. 2021, arXiv 2110.13389, eq. 4-8)
takes a box as a Gaussian around its centre and compares by the Wasserstein distance, in pixels:
exp(-W2 / C), C near the size of the objects that matter.
"""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor
from torchvision.ops import box_iou

from tinyseg.model.rules import Measure

Similarity = Callable[[Float[Tensor, "m 4"], Float[Tensor, "n 4"]], Float[Tensor, "m n"]]
"""Of each box of the first list to each of the second, 0 ... 1."""


def wasserstein(
    one: Float[Tensor, "m 4"], other: Float[Tensor, "n 4"], *, scale: float
) -> Float[Tensor, "m n"]:
    """NWD: W2^2 = |(cx, cy, w/2, h/2) - (cx', cy', w'/2, h'/2)|^2; `scale` is C in pixels."""
    # Exact differences: the product form that cdist takes for many boxes loses tiny ones' digits.
    mode = "donot_use_mm_for_euclid_dist"
    return torch.exp(-torch.cdist(_gaussian(one), _gaussian(other), compute_mode=mode) / scale)


def larger(
    one: Float[Tensor, "m 4"], other: Float[Tensor, "n 4"], *, scale: float
) -> Float[Tensor, "m n"]:
    """The larger of IoU and NWD: NWD for boxes near C in size, IoU for those far above it, to
    which NWD, in pixels, is too strict. Ours, not the paper's."""
    return torch.maximum(box_iou(one, other), wasserstein(one, other, scale=scale))


def similarity(measure: Measure, scale: float) -> Similarity:
    """The measure of this name; `scale` is NWD's C in view pixels."""
    measures: dict[Measure, Similarity] = {
        "iou": box_iou,
        "nwd": partial(wasserstein, scale=scale),
        "larger": partial(larger, scale=scale),
    }
    return measures[measure]


def _gaussian(boxes: Float[Tensor, "n 4"]) -> Float[Tensor, "n 4"]:
    """Mean and deviation along x and y: centre and half sides."""
    low, high = boxes[:, :2], boxes[:, 2:]
    return torch.cat([(low + high) / 2, (high - low) / 2], dim=1)
