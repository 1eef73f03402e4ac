"""Convolutions whose output learns at few places: the backward pass visits only these.

The proposal head runs over every pixel of the pyramid, but its losses are of a few hundred sampled
anchors (Ren et al. 2015, section 3.1.3), so all but a percent of the gradient's pixels are zero.
Same results as an ordinary convolution; where the gradient is dense, torch's own backward is taken.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional

MOST_FRAC = 0.05
"""Share of pixels with a gradient up to which gathering them is faster (they are ~ 1 %)."""


def sparse_conv(
    maps: Float[Tensor, "b c h w"], weight: Float[Tensor, "d c k k"], bias: Float[Tensor, " d"]
) -> Float[Tensor, "b d h w"]:
    """The convolution with a square, odd kernel, of stride 1, that keeps the map's size.

    Elsewhere than on a CPU the ordinary one: there, finding the pixels means waiting for them.
    """
    if maps.device.type != "cpu":
        return functional.conv2d(maps, weight, bias, padding=weight.shape[2] // 2)
    return _SparseConv.apply(maps, weight, bias)


class _SparseConv(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(maps, weight)
        return functional.conv2d(maps, weight, bias, padding=weight.shape[2] // 2)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        maps, weight = ctx.saved_tensors
        rows = gradient.permute(0, 2, 3, 1)
        place = (rows != 0).any(dim=3).nonzero()
        if len(place) > MOST_FRAC * rows[..., 0].numel():
            return _dense(gradient, maps, weight)
        return _gathered(rows[tuple(place.T)], place, maps, weight)


def _dense(gradient: Tensor, maps: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    around = [weight.shape[2] // 2] * 2
    given, rule = (gradient, maps, weight, [len(weight)], [1, 1], around), (False, [0, 0], 1)
    return torch.ops.aten.convolution_backward(*given, [1, 1], *rule, [True, True, True])


def _gathered(
    gradient: Float[Tensor, "n d"],
    place: Int64[Tensor, "n 3"],
    maps: Float[Tensor, "b c h w"],
    weight: Float[Tensor, "d c k k"],
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of maps, weight and bias from those of the pixels at (image, row, column)."""
    pixel, inside = _patches(place, (maps.shape[2], maps.shape[3]), size=weight.shape[2])
    flat = maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])
    seen = flat[pixel.flatten()] * inside.view(-1, 1)
    taps = weight.permute(0, 2, 3, 1)  # d k k c
    of_weight = (
        (gradient.T @ seen.view(len(place), weight[0].numel())).view(taps.shape).permute(0, 3, 1, 2)
    )
    spread = (gradient @ taps.reshape(len(weight), -1)).view(-1, maps.shape[1])
    of_flat = torch.zeros_like(flat).index_add_(0, pixel.flatten(), spread * inside.view(-1, 1))
    of_maps = of_flat.view(maps.permute(0, 2, 3, 1).shape).permute(0, 3, 1, 2)
    return of_maps, of_weight, gradient.sum(dim=0)


def _patches(
    place: Int64[Tensor, "n 3"], hw: tuple[int, int], *, size: int
) -> tuple[Int64[Tensor, "n _taps"], Bool[Tensor, "n _taps"]]:
    """Index of every pixel that each place's kernel covers, and whether it lies on the map."""
    offset = torch.arange(size) - size // 2
    row = (place[:, 1, None] + offset)[:, :, None].expand(-1, -1, size)
    column = (place[:, 2, None] + offset)[:, None, :].expand(-1, size, -1)
    inside = (row >= 0) & (row < hw[0]) & (column >= 0) & (column < hw[1])
    pixel = (place[:, 0, None, None] * hw[0] + row) * hw[1] + column
    return torch.where(inside, pixel, 0).flatten(1), inside.flatten(1)
