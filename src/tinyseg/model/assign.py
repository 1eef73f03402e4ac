"""Which reference boxes learn which object: matching by overlap or likeness, and sampling.

Matching is Faster R-CNN's (Ren et al. 2015, section 3.1.2). References that lie mostly on the
ignore region and match nothing are neither positive nor negative.

A box is learnt as a correction to its reference (Girshick et al. 2014, R-CNN, appendix C, eq. 6-9):
dx = wx (cx - cx_ref) / w_ref, dw = ww log(w / w_ref), likewise in y and h.
"""

import math

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torchvision.ops import box_iou

from tinyseg.model.similarity import Similarity

NEGATIVE = -1
UNUSED = -2

PAIRS = 2**21
"""Pairs of object and reference that are compared at once: about 50 MB of differences."""

LEAST = 1e-9
"""Overlap below which a reference is nobody's best."""


def match(
    references: Float[Tensor, "n 4"],
    truth: Float[Tensor, "m 4"],
    *,
    positive_iou: float,
    negative_iou: float,
    best_for_each: bool,
    similarity: Similarity = box_iou,
) -> Int64[Tensor, " n"]:
    """Index of the object that each reference learns, NEGATIVE, or UNUSED between the thresholds.

    With `best_for_each` the references that overlap an object most learn it whatever the overlap.
    Memory is bounded: references are compared in parts of PAIRS pairs.
    """
    if len(truth) == 0:
        return torch.full((len(references),), NEGATIVE, device=references.device)
    parts = torch.split(references, max(PAIRS // len(truth), 1))
    compared = [_compare(similarity(truth, part), best_for_each) for part in parts]
    best, index = (torch.cat([c[i] for c in compared]) for i in (0, 1))
    matched = torch.where(best >= positive_iou, index, UNUSED)
    matched = torch.where(best < negative_iou, NEGATIVE, matched)
    if best_for_each:
        chosen = _best_of_all(compared, [len(part) for part in parts])
        matched[chosen] = index[chosen]
    return matched


_Compared = tuple[
    Float[Tensor, " _k"], Int64[Tensor, " _k"], Float[Tensor, " m"], Int64[Tensor, "_c 2"]
]
"""Of a part: best value and object of each reference; best value of each object, and the pairs
(object, reference) that reach it."""


def _compare(overlap: Float[Tensor, "m k"], best_for_each: bool) -> _Compared:
    best, index = overlap.max(dim=0)
    highest = overlap.max(dim=1).values.clamp(min=LEAST)
    if not best_for_each:
        return best, index, highest, index.new_zeros((0, 2))
    return best, index, highest, (overlap >= highest[:, None]).nonzero()


def _best_of_all(compared: list[_Compared], lengths: list[int]) -> Int64[Tensor, " chosen"]:
    """References that reach the best value of an object over all parts."""
    highest = torch.stack([part_highest for _, _, part_highest, _ in compared])
    reached = highest == highest.max(dim=0).values
    chosen, first = [], 0
    for here, (_, _, _, pairs), length in zip(reached, compared, lengths, strict=True):
        chosen.append(pairs[here[pairs[:, 0]], 1] + first)
        first += length
    return torch.cat(chosen)


def drop_ignored_negatives(
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


CodeWeights = tuple[float, float, float, float]

MAX_LOG_RATIO = math.log(1000.0 / 16)
"""A decoded box is at most e^this = 62.5 times as wide or high as its reference."""


def encode_boxes(
    boxes: Float[Tensor, "n 4"], references: Float[Tensor, "n 4"], weights: CodeWeights
) -> Float[Tensor, "n 4"]:
    """Corrections that turn each reference into its box."""
    wh, ref_wh = boxes[:, 2:] - boxes[:, :2], references[:, 2:] - references[:, :2]
    centre = boxes[:, :2] + 0.5 * wh
    ref_centre = references[:, :2] + 0.5 * ref_wh
    code = torch.cat([(centre - ref_centre) / ref_wh, torch.log(wh / ref_wh)], dim=1)
    return code * code.new_tensor(weights)


def decode_boxes(
    code: Float[Tensor, "n 4"], references: Float[Tensor, "n 4"], weights: CodeWeights
) -> Float[Tensor, "n 4"]:
    """Boxes from corrections to their references; not cut to any image."""
    ref_wh = references[:, 2:] - references[:, :2]
    ref_centre = references[:, :2] + 0.5 * ref_wh
    plain = code / code.new_tensor(weights)
    shift, log_ratio = plain[:, :2], plain[:, 2:]
    centre = shift * ref_wh + ref_centre
    half = 0.5 * torch.exp(log_ratio.clamp(max=MAX_LOG_RATIO)) * ref_wh
    return torch.cat([centre - half, centre + half], dim=1)
