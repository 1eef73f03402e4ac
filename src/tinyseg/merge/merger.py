"""Instances of many views and models -> the frame's."""

from collections.abc import Sequence

from tinyseg import masks as mask_ops
from tinyseg.frame import Instances
from tinyseg.merge.rules import MergeRules, Seen
from tinyseg.merge.suppress import suppress


def merge(seen: Sequence[Seen], frame_hw: tuple[int, int], rules: MergeRules) -> Instances:
    """The frame's instances, best first, masks in pixel form; none where nothing was seen."""
    parts = [s.instances.select(s.view.answers(s.instances.boxes)) for s in seen]
    kept = suppress(parts, iou=rules.same_iou, keep=rules.keep)
    masks = mask_ops.rasterise(kept.masks, frame_hw)
    return Instances(kept.boxes, masks, kept.labels, kept.scores)
