"""Plain non-maximum suppression by class over boxes: what merging is measured against.

Of several boxes that overlap, the one with the highest score stays. Masks are carried along
untouched. Prediction merges by `tinyseg.merge`; merging.py beside this says what the two give.
"""

from collections.abc import Sequence

import torch
from torchvision.ops import batched_nms

from tinyseg.frame import Instances


def suppress(parts: Sequence[Instances], *, iou: float, keep: int) -> Instances:
    """The instances of all parts, in frame pixels, best first and at most `keep`.

    Left out is what overlaps a better one of its class by more than `iou`.
    """
    found = Instances.concatenate(list(parts))
    # batched_nms moves each class by more than the largest coordinate: that keeps classes apart
    # only where no coordinate is negative, and views may stick out of the frame.
    boxes = torch.from_numpy(found.boxes - found.boxes.min(initial=0.0))
    scores, labels = torch.from_numpy(found.scores), torch.from_numpy(found.labels)
    kept = batched_nms(boxes, scores, labels, iou)[:keep].numpy()
    return found.select(kept)
