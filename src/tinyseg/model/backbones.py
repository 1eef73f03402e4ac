"""Backbones: any timm network that gives features, images in, one map for each stride out.

Batch norms keep their stored statistics in training too (batches of two high-resolution views are
too small to renew them); `Detector.train` sees to it.
"""

import timm
from jaxtyping import Float
from torch import Tensor, nn


STRIDES = (4, 8, 16, 32)


class TimmBackbone(nn.Module):
    """A timm network cut down to its feature maps at the strides 4, 8, 16 and 32."""

    def __init__(self, name: str, *, norm_eps: float | None = None) -> None:
        """`name` is timm's; `norm_eps` replaces the batch norms' own (torchvision's COCO_V1 needs 0)."""
        super().__init__()
        reductions = timm.create_model(name, features_only=True).feature_info.reduction()
        kept = [i for i, stride in enumerate(reductions) if stride in STRIDES]
        body = timm.create_model(name, pretrained=False, features_only=True, out_indices=kept)
        self.channels: list[int] = body.feature_info.channels()
        self.body = body
        if norm_eps is not None:
            set_norm_eps(self, norm_eps)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _c _h _w"]]:
        """Feature maps from fine to coarse."""
        return list(self.body(images))


def set_norm_eps(module: nn.Module, eps: float) -> None:
    """Set eps of every batch norm inside `module`."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eps = eps


def keep_norm_statistics(module: nn.Module) -> None:
    """Put every batch norm inside `module` into evaluation mode: statistics stay as stored."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eval()
