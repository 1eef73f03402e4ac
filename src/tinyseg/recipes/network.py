"""The network section of a recipe; the rules of its parts are the parts' own records."""

from typing import Literal

from pydantic import Field, NonNegativeFloat, model_validator

from tinyseg.model.box_head import BoxRules
from tinyseg.model.detector import InputRules
from tinyseg.model.proposals import ProposalRules
from tinyseg.recipes.section import Section


class Network(Section):
    """The detector's parts; sizes in channels."""

    backbone: str = "resnet50"
    norm_eps: NonNegativeFloat | None = None
    pyramid_channels: int = Field(default=256, ge=8)
    norm: bool = False
    """Batch norm in pyramid and heads."""
    proposal_depth: int = Field(default=1, ge=1)
    box_trunk: Literal["mlp", "conv"] = "mlp"
    box_hidden: int = Field(default=1024, ge=8)
    mask_depth: int = Field(default=4, ge=1)
    input: InputRules = InputRules()
    proposals: ProposalRules = ProposalRules()
    boxes: BoxRules = BoxRules()

    @model_validator(mode="after")
    def _thresholds_in_order(self) -> "Network":
        if self.proposals.negative_iou > self.proposals.positive_iou:
            raise ValueError("proposals.negative_iou must not be above proposals.positive_iou")
        return self
