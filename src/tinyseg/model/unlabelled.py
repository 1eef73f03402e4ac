"""Classes that a data set does not label (Cermelli et al. 2020, arXiv 2002.00718, eq. 5-6).

An object of such a class may stand in a picture without a label, so a region without a label is
background or one of these classes: its loss is -log of their summed probability. What the network
takes for one of them is no negative example for the proposals either.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor


def join_background(
    logits: Float[Tensor, "n classes"], labels: Int64[Tensor, " n"], unlabelled: Int64[Tensor, " u"]
) -> Float[Tensor, "n classes"]:
    """Logits whose cross-entropy is that of eq. 5-6: in the rows of label 0, the background has the
    joint logit of background and unlabelled classes, which themselves have none."""
    if len(unlabelled) == 0:
        return logits
    group = torch.cat([unlabelled.new_zeros(1), unlabelled])
    joint = torch.logsumexp(logits[:, group], dim=1)
    joined = logits.index_fill(1, group, -torch.inf).index_copy(
        1, unlabelled.new_zeros(1), joint[:, None]
    )
    return torch.where((labels == 0)[:, None], joined, logits)


@torch.no_grad()
def taken_for_unlabelled(
    logits: Sequence[Float[Tensor, "_n classes"]],
    boxes: Sequence[Float[Tensor, "_n 4"]],
    labels: Sequence[Int64[Tensor, " _n"]],
    unlabelled: Sequence[Int64[Tensor, " _u"]],
) -> list[Float[Tensor, "_k 4"]]:
    """For each image the boxes without an object that look most like an unlabelled class."""
    return [
        box[(label == 0) & torch.isin(score.argmax(dim=1), hidden)] if len(hidden) else box[:0]
        for score, box, label, hidden in zip(logits, boxes, labels, unlabelled, strict=True)
    ]
