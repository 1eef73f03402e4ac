"""Feature pyramid (Lin et al. 2017, FPN, section 3): torchvision's, over a list of maps.

One level more than the backbone has, the coarsest subsampled: the largest anchors sit there.
"""

from collections import OrderedDict
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool


class Pyramid(nn.Module):
    """Maps of any channel counts in, maps of `channels` each and one coarser out."""

    def __init__(self, in_channels: Sequence[int], channels: int, *, norm: bool = False) -> None:
        super().__init__()
        self.fpn = FeaturePyramidNetwork(
            list(in_channels),
            channels,
            extra_blocks=LastLevelMaxPool(),
            norm_layer=nn.BatchNorm2d if norm else None,
        )

    def forward(
        self, maps: list[Float[Tensor, "b _c _h _w"]]
    ) -> list[Float[Tensor, "b channels _h2 _w2"]]:
        """From fine to coarse, strides 4, 8, 16, 32 and 64 for maps of strides 4 ... 32."""
        named = OrderedDict((str(i), level) for i, level in enumerate(maps))
        return list(self.fpn(named).values())
