"""Batch norms whose statistics stay, folded into the convolutions before them.

norm(conv(x, w)) = conv(x, w s) + (b - m s) with s = g / sqrt(v + eps): the factors are computed
anew in every forward pass, so w, g and b learn as before, while the norm's own passes over large
maps, forward and backward, are gone. Blocks keep the names of their tensors. A norm that is in
training mode renews its statistics and is not folded.
"""

import torch
from jaxtyping import Float
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.norm_act import BatchNormAct2d
from timm.layers.padding import pad_same
from timm.models._efficientnet_blocks import DepthwiseSeparableConv, InvertedResidual
from timm.models.efficientnet import EfficientNetFeatures
from torch import Tensor, nn
from torch.nn import functional

PAIRS: dict[type[nn.Module], tuple[tuple[str, str], ...]] = {
    EfficientNetFeatures: (("conv_stem", "bn1"),),
    DepthwiseSeparableConv: (("conv_dw", "bn1"), ("conv_pw", "bn2")),
    InvertedResidual: (("conv_pw", "bn1"), ("conv_dw", "bn2"), ("conv_pwl", "bn3")),
}
"""Convolution and the norm that follows it, in the blocks that are known to run so."""


class NormedConv(nn.Conv2d):
    """A convolution with the norm after it, and timm's padding where the original had it."""

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
        channels, groups = (conv.in_channels, conv.out_channels), conv.groups
        # On "meta" no random number is drawn for a weight that is replaced.
        super().__init__(*channels, 1, groups=groups, bias=False, device="meta")
        self.kernel_size, self.stride = conv.kernel_size, conv.stride
        self.padding, self.dilation = conv.padding, conv.dilation
        self.weight = conv.weight
        self.same = isinstance(conv, Conv2dSame)
        self.norm = (norm,)  # in a tuple, since it is the block's part, not this one's

    def forward(self, input: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d _h _w"]:
        """The normed map, or the plain one if the norm renews its statistics."""
        weight, bias = self._folded()
        # bfloat16 slows the backward pass of depthwise convolutions on a CPU.
        exact = self.groups > 1 and input.device.type == "cpu"
        if exact:
            input = input.to(weight.dtype)
        if self.same:
            input = pad_same(input, list(self.kernel_size), list(self.stride), list(self.dilation))
        # Where shapes alone are computed ("meta") there is no autocast; any device's will do
        device = "cpu" if input.is_meta else input.device.type
        mixed = torch.is_autocast_enabled(device) and not exact
        with torch.autocast(device, enabled=mixed):
            return functional.conv2d(
                input, weight, bias, self.stride, self.padding, self.dilation, self.groups
            )

    def _folded(self) -> tuple[Tensor, Tensor | None]:
        normed = self.scale_and_shift()
        if normed is None:
            return self.weight, None
        scale, shift = normed
        return self.weight * scale.view(-1, 1, 1, 1), shift

    def scale_and_shift(self) -> tuple[Float[Tensor, " d"], Float[Tensor, " d"]] | None:
        """What the norm does with each channel; None where it renews its statistics."""
        (norm,) = self.norm
        if norm.training or norm.running_mean is None or norm.running_var is None:
            return None
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        return scale, norm.bias - norm.running_mean * scale


class FoldedNorm(nn.BatchNorm2d):
    """What is left of a norm with an activation, once a NormedConv does its arithmetic."""

    def __init__(self, norm: BatchNormAct2d) -> None:
        super().__init__(norm.num_features, eps=norm.eps, momentum=norm.momentum)
        self.load_state_dict(norm.state_dict(), assign=True)
        self.act = norm.act

    def forward(self, input: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The activation; in training mode after the norm."""
        return self.act(super().forward(input) if self.training else input)


def fold_norms(body: nn.Module) -> None:
    """Replace the pairs of `body` that are known, in place; other networks stay as they are."""
    for block in list(body.modules()):
        for conv_name, norm_name in PAIRS.get(type(block), ()):
            conv, norm = block.get_submodule(conv_name), block.get_submodule(norm_name)
            if isinstance(conv, nn.Conv2d) and isinstance(norm, BatchNormAct2d):
                folded = FoldedNorm(norm)
                block.set_submodule(norm_name, folded)
                block.set_submodule(conv_name, NormedConv(conv, folded))
