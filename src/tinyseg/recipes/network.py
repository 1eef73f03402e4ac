"""The network section of a recipe; the rules of its parts are the parts' own records."""

from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from tinyseg.model.rules import BoxRules, InputRules, ProposalRules
from tinyseg.recipes.section import Section


class Network(Section):
    """The detector's parts; sizes in channels."""

    backbone: str = "resnet50"
    frozen_stages: int = Field(default=0, ge=0, le=4)
    """Stages of the backbone, counted from the picture, whose weights stay as they started: their
    maps are large and their backward pass costs as much as that of all others."""
    norm_eps: NonNegativeFloat | None = None
    pyramid_channels: int = Field(default=256, ge=8)
    norm: bool = False
    """Batch norm in pyramid and heads."""
    proposal_depth: int = Field(default=1, ge=1)
    box_trunk: Literal["mlp", "conv"] = "mlp"
    box_hidden: int = Field(default=1024, ge=8)
    context_attention: bool = False
    """CA (model/context.py)."""
    path_aggregation: bool = False
    """PA (model/path_aggregation.py): the bottom-up path, and RoIs pooled from every level."""
    level_layer: Literal["head", "small"] = "head"
    """What is each level's own before RoIs are fused: the box head's first layer, or a 1 x 1
    convolution in front of it, 200 times smaller. In the mask head it is the first convolution."""
    pyramid_pooling: bool = False
    """PSPNet's pooling of the backbone's top stage (model/pyramid_pooling.py)."""
    class_weights: dict[str, PositiveFloat] = Field(default_factory=dict)
    """What a proposal of a class counts in the class loss, by class name; 1 for all others."""
    mask_depth: int = Field(default=4, ge=1)
    input: InputRules = InputRules()
    proposals: ProposalRules = ProposalRules()
    boxes: BoxRules = BoxRules()

    @model_validator(mode="after")
    def _thresholds_in_order(self) -> "Network":
        if self.proposals.negative_iou > self.proposals.positive_iou:
            raise ValueError("proposals.negative_iou must not be above proposals.positive_iou")
        return self
