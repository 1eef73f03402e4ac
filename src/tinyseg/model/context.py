"""Context attention (CA): each pyramid level gated channel by channel from global context.

The gate is the channel attention block of DFN (Yu et al. 2018, arXiv 1804.09337, section 3.2,
eq. 3): y = alpha x with alpha = sigmoid(W2 relu(W1 g)), where g is the globally pooled level beside
the globally pooled coarser one; the coarsest stands beside itself. Here alpha is twice the
sigmoid, a factor that the layers behind take up, so that a fresh gate lets everything pass and
weights trained without it stay what they are.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class ChannelGate(nn.Module):
    """The attention block of one level: factors in (0, 2) for each channel of an image."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(2 * channels, channels, 1)
        self.excite = nn.Conv2d(channels, channels, 1)
        nn.init.kaiming_normal_(self.squeeze.weight, nonlinearity="relu")
        nn.init.normal_(self.excite.weight, std=0.01)
        for layer in (self.squeeze, self.excite):
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(
        self, own: Float[Tensor, "b channels 1 1"], coarser: Float[Tensor, "b channels 1 1"]
    ) -> Float[Tensor, "b channels 1 1"]:
        """From the pooled level and the pooled coarser one."""
        context = torch.cat([own, coarser], dim=1)
        return 2 * torch.sigmoid(self.excite(torch.relu(self.squeeze(context))))


class ContextAttention(nn.Module):
    """A gate for each of `levels` maps."""

    def __init__(self, channels: int, levels: int) -> None:
        super().__init__()
        self.gates = nn.ModuleList(ChannelGate(channels) for _ in range(levels))

    def forward(
        self, maps: list[Float[Tensor, "b channels _h _w"]]
    ) -> list[Float[Tensor, "b channels _h _w"]]:
        """The maps, from fine to coarse, each times its gate."""
        pooled = [level.mean(dim=(2, 3), keepdim=True) for level in maps]
        coarser = [*pooled[1:], pooled[-1]]
        parts = zip(self.gates, maps, pooled, coarser, strict=True)
        return [level * gate(own, above) for gate, level, own, above in parts]
