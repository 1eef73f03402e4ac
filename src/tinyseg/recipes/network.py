"""The network section of a recipe; the rules of its parts are the parts' own records."""

from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from tinyseg.model import BoxRules, InputRules, ProposalRules
from tinyseg.recipes.section import Section


class Network(Section):
    """The detector's parts; sizes in channels."""

    backbone: str = "resnet50"
    """Any timm model that gives feature maps at the strides 4, 8, 16 and 32."""
    frozen_stages: int = Field(default=0, ge=0, le=4)
    """The first stages of the backbone keep the weights they start with. Their feature maps are
    large, and their backward pass costs as much as that of all other stages together."""
    norm_eps: NonNegativeFloat | None = None
    """Epsilon of the backbone's batch norms; none: timm's."""
    pyramid_channels: int = Field(default=256, ge=8)
    """Channels of every pyramid level."""
    norm: bool = False
    """Batch norm in pyramid and heads."""
    proposal_depth: int = Field(default=1, ge=1)
    """Convolutions of the proposal head."""
    box_trunk: Literal["mlp", "conv"] = "mlp"
    """The box head in front of its outputs: two linear layers, or convolutions and one linear."""
    box_hidden: int = Field(default=1024, ge=8)
    """Width of the box head's linear layers."""
    context_attention: bool = False
    """CA: each pyramid level is weighted by global context (model/context.py)."""
    path_aggregation: bool = False
    """PA: a bottom-up path after the pyramid, and regions pooled from all levels
    (model/path_aggregation.py)."""
    level_layer: Literal["head", "small"] = "head"
    """With PA, the layer that each level has for itself before regions are fused: the box head's
    first layer, or a 1 x 1 convolution in front of it, which is 200 times smaller. In the mask head
    it is the first convolution."""
    pyramid_pooling: bool = False
    """PSPNet's pooling of the backbone's last stage (model/pyramid_pooling.py)."""
    class_weights: dict[str, PositiveFloat] = Field(default_factory=dict)
    """Weight of each class in the classification loss, by class name; 1 for all others."""
    mask_depth: int = Field(default=4, ge=1)
    """Convolutions of the mask head."""
    input: InputRules = InputRules()
    """How pixels enter the network."""
    proposals: ProposalRules = ProposalRules()
    """Anchors and proposals."""
    boxes: BoxRules = BoxRules()
    """The box head's sampling and selection."""

    @model_validator(mode="after")
    def _thresholds_in_order(self) -> "Network":
        if self.proposals.negative_iou > self.proposals.positive_iou:
            raise ValueError("proposals.negative_iou must not be above proposals.positive_iou")
        return self
