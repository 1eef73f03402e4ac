"""RoIAlign (He et al. 2017, Mask R-CNN, section 3) over a pyramid's levels.

Each RoI is read from one level, chosen by its size (Lin et al. 2017, eq. 1). On a CPU torchvision's
kernel is one thread that walks channel by channel; here the same bilinear sums are one
`embedding_bag` over pixels whose channels lie side by side, forward and backward. Elsewhere
torchvision's kernel is taken.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional
from torchvision.ops import roi_align

SAMPLES = 2
"""Sampling points of a bin along each axis."""


def pool_levels(
    maps: list[Float[Tensor, "_b channels _h _w"]],
    rois: list[Float[Tensor, "_n 4"]],
    *,
    size: int,
    strides: list[float],
    aligned: bool,
) -> Float[Tensor, "total channels size size"]:
    """Features of all images' RoIs (one tensor of boxes an image), in order, each size x size.

    `aligned` puts feature centres at + 0.5 as boxes have them; torchvision's Mask R-CNN does not.
    """
    image = torch.cat(
        [torch.full((len(r), 1), float(i), device=r.device) for i, r in enumerate(rois)]
    )
    located = torch.cat([image, torch.cat(rois)], dim=1)
    level = choose_levels(located[:, 1:], count=len(maps))
    chosen = [(level == index).nonzero()[:, 0] for index in range(len(maps))]
    rows = []
    for features, stride, which in zip(maps, strides, chosen, strict=True):
        values = align(features, located[which], size=size, scale=1 / stride, aligned=aligned)
        rows.append(values.permute(0, 2, 3, 1).flatten(1))
    pooled = torch.cat(rows)[torch.cat(chosen).argsort()]
    return pooled.view(-1, size, size, maps[0].shape[1]).permute(0, 3, 1, 2)


def choose_levels(boxes: Float[Tensor, "n 4"], *, count: int) -> Int64[Tensor, " n"]:
    """Level 0 (stride 4) ... count - 1: a box of 224 x 224 pixels goes to level 2."""
    side = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sqrt()
    return (torch.floor(4 + torch.log2(side / 224) + 1e-6) - 2).clamp(0, count - 1).long()


def align(
    features: Float[Tensor, "b c h w"],
    located: Float[Tensor, "n 5"],
    *,
    size: int,
    scale: float,
    aligned: bool,
) -> Float[Tensor, "n c size size"]:
    """RoIAlign of boxes given as (image index, x0, y0, x1, y1), from one feature map."""
    if features.device.type != "cpu":
        return roi_align(features, located, size, scale, SAMPLES, aligned)
    count, channels = len(located), features.shape[1]
    height, width = features.shape[2:]
    corners = located[:, 1:] * scale - (0.5 if aligned else 0.0)
    x, weight_x = _samples(corners[:, 0], corners[:, 2], size=size, length=width, aligned=aligned)
    y, weight_y = _samples(corners[:, 1], corners[:, 3], size=size, length=height, aligned=aligned)
    row = located[:, 0].long().view(-1, 1, 1) * height + y
    pixels = row[:, :, None, :, None] * width + x[:, None, :, None, :]
    weights = weight_y[:, :, None, :, None] * weight_x[:, None, :, None, :]
    bins = functional.embedding_bag(
        pixels.flatten(3).flatten(0, 2),
        features.permute(0, 2, 3, 1).reshape(-1, channels),
        per_sample_weights=weights.flatten(3).flatten(0, 2),
        mode="sum",
    )
    return bins.view(count, size, size, channels).permute(0, 3, 1, 2)


def _samples(
    low: Float[Tensor, " n"], high: Float[Tensor, " n"], *, size: int, length: int, aligned: bool
) -> tuple[Int64[Tensor, "n size taps"], Float[Tensor, "n size taps"]]:
    """Feature rows (or columns) that each bin reads along one axis, and their weights."""
    extent = (high - low) if aligned else (high - low).clamp(min=1.0)
    bin_extent = extent / size
    step = (torch.arange(SAMPLES, device=low.device) + 0.5) / SAMPLES
    start = torch.arange(size, device=low.device)
    at = low[:, None, None] + bin_extent[:, None, None] * (start[:, None] + step)
    inside = ((at >= -1) & (at <= length)).to(at.dtype) / SAMPLES
    at = at.clamp(min=0, max=length - 1)
    below = at.floor().clamp(max=length - 1)
    fraction = at - below
    taps = torch.stack([below, (below + 1).clamp(max=length - 1)], dim=-1).long()
    weights = torch.stack([1 - fraction, fraction], dim=-1) * inside[..., None]
    return taps.flatten(2), weights.flatten(2)
