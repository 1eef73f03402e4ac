"""Backbones: any timm network that gives features, images in, one map for each stride out.

Batch norms keep their stored statistics in training too (batches of two high-resolution views are
too small to renew them); `Detector.train` sees to it.
"""

from typing import Any

import timm
from jaxtyping import Float
from torch import Tensor, nn

from tinyseg.errors import RecipeError
from tinyseg.model.fast.folding import fold_norms

STRIDES = (4, 8, 16, 32)


class TimmBackbone(nn.Module):
    """A timm network cut down to its feature maps at the strides 4, 8, 16 and 32."""

    def __init__(self, name: str, *, norm_eps: float | None = None) -> None:
        """`name` is timm's; `norm_eps` replaces the batch norms' own (torchvision's COCO_V1
        needs 0). Raises RecipeError for a network that timm lacks or that has other strides."""
        super().__init__()
        if not timm.is_model(name):
            raise RecipeError("timm has no network of this name", where="backbone", got=name)
        info = _features(name).feature_info
        kept = [i for i, stride in enumerate(info.reduction()) if stride in STRIDES]
        if len(kept) != len(STRIDES):
            rule = "a backbone gives one map for each stride"
            raise RecipeError(rule, where=name, expected=STRIDES, got=info.reduction())
        self.body = _features(name, out_indices=kept)
        fold_norms(self.body)
        self.channels: list[int] = self.body.feature_info.channels()
        if norm_eps is not None:
            set_norm_eps(self, norm_eps)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _c _h _w"]]:
        """Feature maps from fine to coarse."""
        return list(self.body(images))


def freeze_stages(backbone: TimmBackbone, count: int) -> None:
    """Keep all weights up to the first `count` feature maps as they are."""
    if count == 0:
        return
    last = backbone.body.feature_info.module_name()[count - 1]
    parameters = list(backbone.body.named_parameters())
    of_last = [place for place, (name, _) in enumerate(parameters) if name.startswith(f"{last}.")]
    for _, parameter in parameters[: of_last[-1] + 1]:
        parameter.requires_grad_(False)


def _features(name: str, **options: Any) -> Any:
    """timm's network with fresh weights, as a list of feature maps."""
    return timm.create_model(name, pretrained=False, features_only=True, **options)


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
