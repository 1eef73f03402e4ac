"""The mask head (He et al. 2017, Mask R-CNN, section 3): a 28 x 28 mask a class for each box."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import Conv2dNormActivation

from tinyseg.model.box_head import SampledBoxes
from tinyseg.model.path_aggregation import fuse_after
from tinyseg.model.targets import Normalise, Target, divide, own_count

MASK_POOL_SIZE = 14
MASK_SIZE = 28


class MaskHead(nn.Module):
    """Convolutions, one doubling of the grid, logits; `classes` counts the background."""

    def __init__(
        self,
        channels: int,
        classes: int,
        *,
        depth: int = 4,
        norm: bool = False,
        fused_levels: int = 0,
    ) -> None:
        """With `fused_levels` it takes RoIs pooled from so many levels (path_aggregation.py)."""
        super().__init__()
        norm_layer = nn.BatchNorm2d if norm else None
        layers = [
            Conv2dNormActivation(channels, channels, 3, norm_layer=norm_layer) for _ in range(depth)
        ]
        self.convs: nn.Module = nn.Sequential(*layers)
        self.upsample = nn.ConvTranspose2d(channels, channels, 2, stride=2)
        self.logits = nn.Conv2d(channels, classes, 1)
        for layer in (*self.convs.modules(), self.upsample, self.logits):
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        nn.init.normal_(self.logits.weight, std=0.001)  # starts undecided: a loss of log 2
        if fused_levels:
            self.convs = fuse_after(nn.Sequential(*layers), 1, count=fused_levels)

    def forward(
        self, pooled: Float[Tensor, "*levels n c 14 14"], labels: Int64[Tensor, " n"]
    ) -> Float[Tensor, "n 28 28"]:
        """Logits of each box's own class."""
        grids = self.logits(torch.relu(self.upsample(self.convs(pooled))))
        return grids[torch.arange(len(grids), device=grids.device), labels]


def mask_loss(
    logits: Float[Tensor, "n 28 28"],
    drawn: list[SampledBoxes],
    targets: list[Target],
    *,
    normalise: Normalise = own_count,
) -> Float[Tensor, ""]:
    """Binary cross-entropy against the share of each cell that the object covers."""
    wanted = [
        t.masks.mean_coverage(d.objects, d.boxes, size=MASK_SIZE)
        for d, t in zip(drawn, targets, strict=True)
    ]
    loss = functional.binary_cross_entropy_with_logits(
        logits, torch.cat(wanted).to(logits.dtype), reduction="sum"
    )
    return divide(loss, logits.numel(), normalise)
