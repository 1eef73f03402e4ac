"""One table: the names in torchvision's Mask R-CNN checkpoints -> ours.

Takes v1 and v2 and the older names of files made before torchvision 0.13 (`inner_blocks.N.weight`,
`rpn.head.conv.weight`, `mask_fcnN`). A key that no row knows is refused by the caller.
"""

import re

from torch import Tensor

_ROWS: tuple[tuple[str, str], ...] = (
    (r"backbone\.body\.(.+)", r"backbone.body.\1"),
    (r"backbone\.fpn\.(inner|layer)_blocks\.(\d)\.(weight|bias)", r"pyramid.fpn.\1_blocks.\2.0.\3"),
    (r"backbone\.fpn\.(.+)", r"pyramid.fpn.\1"),
    (r"rpn\.head\.conv\.(weight|bias)", r"proposals.head.convs.0.0.\1"),
    (r"rpn\.head\.conv\.(.+)", r"proposals.head.convs.\1"),
    (r"rpn\.head\.cls_logits\.(.+)", r"proposals.head.objectness.\1"),
    (r"rpn\.head\.bbox_pred\.(.+)", r"proposals.head.deltas.\1"),
    (r"roi_heads\.box_head\.fc6\.(.+)", r"box_head.trunk.1.\1"),
    (r"roi_heads\.box_head\.fc7\.(.+)", r"box_head.trunk.3.\1"),
    (r"roi_heads\.box_head\.(\d.+)", r"box_head.trunk.\1"),
    (r"roi_heads\.box_predictor\.cls_score\.(.+)", r"box_head.classes.\1"),
    (r"roi_heads\.box_predictor\.bbox_pred\.(.+)", r"box_head.deltas.\1"),
    (r"roi_heads\.mask_head\.mask_fcn1\.(.+)", r"mask_head.convs.0.0.\1"),
    (r"roi_heads\.mask_head\.mask_fcn2\.(.+)", r"mask_head.convs.1.0.\1"),
    (r"roi_heads\.mask_head\.mask_fcn3\.(.+)", r"mask_head.convs.2.0.\1"),
    (r"roi_heads\.mask_head\.mask_fcn4\.(.+)", r"mask_head.convs.3.0.\1"),
    (r"roi_heads\.mask_head\.(\d.+)", r"mask_head.convs.\1"),
    (r"roi_heads\.mask_predictor\.conv5_mask\.(.+)", r"mask_head.upsample.\1"),
    (r"roi_heads\.mask_predictor\.mask_fcn_logits\.(.+)", r"mask_head.logits.\1"),
)


def looks_like_torchvision(names: list[str]) -> bool:
    """Whether a checkpoint with these names is one of torchvision's detectors."""
    return any(name.startswith("roi_heads.") for name in names)


def our_name(name: str) -> str | None:
    """Our name of a tensor of torchvision's; None where the table has none."""
    for pattern, ours in _ROWS:
        if found := re.fullmatch(pattern, name):
            return found.expand(ours)
    return None


def translate(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """The state under our names, and the names that no row knows."""
    renamed = {name: our_name(name) for name in state}
    unknown = [name for name, ours in renamed.items() if ours is None]
    return {ours: state[name] for name, ours in renamed.items() if ours is not None}, unknown
