"""Which reference boxes learn which object: matching by overlap or likeness, and sampling.

Matching is Faster R-CNN's (Ren et al. 2015, section 3.1.2). References that lie mostly on the
ignore region and match nothing are neither positive nor negative.
"""

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
