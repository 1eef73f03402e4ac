"""What is looked at, and what is kept: the prediction section of a recipe."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, model_validator

from tinyseg.recipes.section import Section
from tinyseg.views import LONGEST_SIDE, SHORT_SIDE, Focus, Plan

Side = Annotated[int, Field(ge=32)]


class Predict(Section):
    """What `predict` does unless told otherwise; weights carry it with their recipe."""

    short_side: Side = SHORT_SIDE
    longest_side: Side = LONGEST_SIDE
    largest_zoom: PositiveFloat | None = None
    """Sides of a whole frame's view, and how much a small frame is magnified at most."""
    input_hw: tuple[Side, Side] | None = None
    """The one input size of the network that looks, if it has one: tiles and closer looks have it
    too, natively, since bars and scaling would cost pixels."""
    min_score: float = Field(default=0.01, ge=0, le=1)
    detections: int = Field(default=300, ge=1)
    """Lowest score and largest number of instances that are kept, of a view and of a frame."""
    plan: Literal["whole", "tiles", "focus"] | Plan = "whole"
    """Where it looks: a plan's name, at the sides above, or a plan as in a file."""
    budget_mp: PositiveFloat = Focus().budget_mp
    """Millions of view pixels that the plan focus spends on closer looks."""

    @model_validator(mode="after")
    def _no_files(self) -> "Predict":
        parts = () if isinstance(self.plan, str) else self.plan.parts
        if any(part.focus is not None and part.focus.prior is not None for part in parts):
            raise ValueError("a recipe's plan names no prior: that is kept with the weights")
        return self
