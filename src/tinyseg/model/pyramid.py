"""Feature pyramid (Lin et al. 2017, FPN, section 3): torchvision's, over a list of maps.

    stages -> (pyramid pooling on the top) -> FPN -> (context attention) -> (path aggregation)

One level more than the backbone has, the coarsest subsampled: the largest anchors sit there.
"""

from collections import OrderedDict
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import FeaturePyramidNetwork


class Pyramid(nn.Module):
    """Maps of any channel counts in, maps of `channels` each and one coarser out."""

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int,
        *,
        norm: bool = False,
        top: nn.Module | None = None,
        attention: nn.Module | None = None,
        aggregation: nn.Module | None = None,
    ) -> None:
        """`in_channels` as the FPN gets them: behind `top`, where there is one."""
        super().__init__()
        self.top, self.attention, self.aggregation = top, attention, aggregation
        norm_layer = nn.BatchNorm2d if norm else None
        self.fpn = FeaturePyramidNetwork(list(in_channels), channels, norm_layer=norm_layer)

    def forward(
        self, maps: list[Float[Tensor, "b _c _h _w"]]
    ) -> list[Float[Tensor, "b channels _h2 _w2"]]:
        """From fine to coarse, strides 4, 8, 16, 32 and 64 for maps of strides 4 ... 32."""
        stages = maps if self.top is None else [*maps[:-1], self.top(maps[-1])]
        named = OrderedDict((str(i), level) for i, level in enumerate(stages))
        levels: list[Tensor] = list(self.fpn(named).values())
        for refine in (self.attention, self.aggregation):
            levels = levels if refine is None else refine(levels)
        return [*levels, functional.max_pool2d(levels[-1], 1, stride=2)]
