"""Instances of several views -> the frame's.

For now plain non-maximum suppression by class over the boxes: of several that overlap, the one
with the highest score stays. Masks are carried along untouched.
"""

from collections.abc import Sequence

import torch
from torchvision.ops import batched_nms

from tinyseg.frame import Instances


def suppress(parts: Sequence[Instances], *, iou: float, keep: int) -> Instances:
    """The instances of all parts, in frame pixels, without duplicates: best first, at most `keep`."""
    found = Instances.concatenate(list(parts))
    boxes, scores, labels = (torch.from_numpy(a) for a in (found.boxes, found.scores, found.labels))
    kept = batched_nms(boxes, scores, labels, iou)[:keep].numpy()
    return found.select(kept)
