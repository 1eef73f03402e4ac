"""Path aggregation (PA; PANet, Liu et al. 2018, arXiv 1803.01534).

Bottom-up path (section 3.1): N2 = P2, N(i+1) = conv(down(N(i)) + P(i+1)), `down` a 3 x 3
convolution of stride 2, each with a ReLU. Adaptive feature pooling (section 3.2): a RoI is pooled
from every level, goes through one layer of each level's own, and the element-wise max goes on
through the rest of the head.
"""

import copy
import re
from functools import reduce

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.ops import Conv2dNormActivation

from tinyseg.model.roi_pool import align


class PathAggregation(nn.Module):
    """`levels` maps of equal channels in, as many of the same sizes out."""

    def __init__(self, channels: int, levels: int, *, norm: bool = False) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            _convolution(channels, stride=2, norm=norm) for _ in range(levels - 1)
        )
        self.mix = nn.ModuleList(_convolution(channels, norm=norm) for _ in range(levels - 1))
        for block in self.mix:
            _pass_through(block)

    def forward(
        self, maps: list[Float[Tensor, "b channels _h _w"]]
    ) -> list[Float[Tensor, "b channels _h _w"]]:
        """From fine to coarse; the finest is the one that came. A map is half as high and wide,
        rounded up, as the one before it."""
        path = [maps[0]]
        for down, mix, level in zip(self.down, self.mix, maps[1:], strict=True):
            path.append(mix(down(path[-1]) + level))
        return path


def _convolution(
    channels: int, *, kernel: int = 3, stride: int = 1, norm: bool = False
) -> Conv2dNormActivation:
    norm_layer = nn.BatchNorm2d if norm else None
    block = Conv2dNormActivation(channels, channels, kernel, stride, norm_layer=norm_layer)
    nn.init.normal_(block[0].weight, std=0.01)
    if block[0].bias is not None:
        nn.init.zeros_(block[0].bias)
    return block


@torch.no_grad()
def _pass_through(block: Conv2dNormActivation) -> None:
    """Add the identity to a fresh convolution: a pyramid trained without this path is kept."""
    weight = block[0].weight
    weight += nn.init.dirac_(torch.empty_like(weight))


def pool_all_levels(
    maps: list[Float[Tensor, "_b channels _h _w"]],
    rois: list[Float[Tensor, "_n 4"]],
    *,
    size: int,
    strides: list[float],
    aligned: bool,
) -> Float[Tensor, "levels total channels size size"]:
    """Features of all images' RoIs (one tensor of boxes an image), from every level."""
    image = torch.cat(
        [torch.full((len(r), 1), float(i), device=r.device) for i, r in enumerate(rois)]
    )
    located = torch.cat([image.to(rois[0]), torch.cat(rois)], dim=1)
    levels = zip(maps, strides, strict=True)
    return torch.stack(
        [
            align(level, located, size=size, scale=1 / stride, aligned=aligned)
            for level, stride in levels
        ]
    )


class FusedLevels(nn.Module):
    """The layers of a head over RoIs pooled from every level: the first ones once a level."""

    def __init__(self, first: nn.Sequential, rest: nn.Sequential, *, count: int) -> None:
        """`first` is copied `count` times; all start with the same weights."""
        super().__init__()
        self.levels = nn.ModuleList(copy.deepcopy(first) for _ in range(count))
        self.rest = rest

    def forward(self, pooled: Float[Tensor, "levels n c size size"]) -> Float[Tensor, "n *rest"]:
        """The element-wise max over levels, through the rest."""
        seen = [layer(level) for layer, level in zip(self.levels, pooled, strict=True)]
        return self.rest(reduce(torch.maximum, seen))


def fuse_after(layers: nn.Sequential, split: int, *, count: int) -> FusedLevels:
    """A plain head's layers, the first `split` of them once a level."""
    return FusedLevels(layers[:split], layers[split:], count=count)


def fuse_before(layers: nn.Sequential, channels: int, *, count: int) -> FusedLevels:
    """A plain head's layers behind a 1 x 1 convolution of each level's own, which is small."""
    block = _convolution(channels, kernel=1)
    _pass_through(block)
    return FusedLevels(nn.Sequential(block), layers, count=count)


def unfused_name(name: str) -> str:
    """The name that a tensor of FusedLevels has in the plain head."""
    return re.sub(r"\.(levels\.\d+|rest)\.", ".", name)
