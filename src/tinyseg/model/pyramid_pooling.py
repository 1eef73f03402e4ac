"""Pyramid pooling on the backbone's top stage (PSPNet, Zhao et al. 2017, arXiv 1612.01105,
section 3.2, figure 3c): context at four scales beside the stage's own features.

The stage is averaged into n x n parts for each bin count n; each is brought to a quarter of the
channels, spread back over the stage, and all are concatenated and mixed by a 3 x 3 convolution.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import Conv2dNormActivation

BINS = (1, 2, 3, 6)


class PyramidPooling(nn.Module):
    """`channels` in, `out` channels out, same height and width."""

    def __init__(
        self, channels: int, out: int, *, bins: Sequence[int] = BINS, norm: bool = False
    ) -> None:
        super().__init__()
        self.bins = tuple(bins)
        norm_layer = nn.BatchNorm2d if norm else None
        part = channels // len(self.bins)
        self.parts = nn.ModuleList(
            Conv2dNormActivation(channels, part, 1, norm_layer=norm_layer) for _ in self.bins
        )
        mixed = channels + part * len(self.bins)
        self.mix = Conv2dNormActivation(mixed, out, 3, norm_layer=norm_layer)

    def forward(self, stage: Float[Tensor, "b channels h w"]) -> Float[Tensor, "b out h w"]:
        """The stage with its surroundings; maps smaller than the bins repeat their cells."""
        spread = [stage]
        for bins, reduce in zip(self.bins, self.parts, strict=True):
            pooled = reduce(functional.adaptive_avg_pool2d(stage, bins))
            spread.append(
                functional.interpolate(
                    pooled, size=stage.shape[2:], mode="bilinear", align_corners=False
                )
            )
        return self.mix(torch.cat(spread, dim=1))
