"""The prediction section of a recipe: which views, and which instances are kept."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, model_validator

from tinyseg.recipes.section import Section
from tinyseg.views import LONGEST_SIDE, SHORT_SIDE, Focus, Plan

Side = Annotated[int, Field(ge=32)]


class Predict(Section):
    """Defaults of `predict` for weights with this recipe."""

    short_side: Side = SHORT_SIDE
    """A whole frame is scaled to this short side, in pixels ..."""
    longest_side: Side = LONGEST_SIDE
    """... unless its long side would be longer than this."""
    largest_zoom: PositiveFloat | None = None
    """A small frame is magnified at most this many times; none: without limit."""
    input_hw: tuple[Side, Side] | None = None
    """Height and width of the network's one input size, if it has only one. Tiles and closer views
    then have this size too, since scaling and padding would cost pixels."""
    min_score: float = Field(default=0.05, ge=0, le=1)
    """Instances with a lower score, as the network gives it, are dropped in each view, before their
    masks are drawn, which takes as long as all else where hundreds are kept."""
    detections: int = Field(default=300, ge=1)
    """Most instances of a view and of a frame."""
    plan: Literal["whole", "tiles", "focus"] | Plan = "whole"
    """Which views the network gets: a plan's name, or a plan as its file would hold it."""
    budget_mp: PositiveFloat = Focus().budget_mp
    """Millions of view pixels that the plan "focus" may spend on closer views."""

    @model_validator(mode="after")
    def _no_files(self) -> "Predict":
        parts = () if isinstance(self.plan, str) else self.plan.parts
        if any(part.focus is not None and part.focus.prior is not None for part in parts):
            raise ValueError("a recipe's plan names no prior: that is kept with the weights")
        return self
