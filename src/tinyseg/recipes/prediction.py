"""What is looked at, and what is kept: the prediction section of a recipe, and plans in a file.

A plan in a file (YAML or JSON) is a list of parts, each one kind of views for all networks of an
ensemble or for some:

    parts:
      - whole: {short_side: 1800, longest_side: 2400}
      - tiles: {size: 640, overlap: 160, zoom: 1.0, answers_for: [0, 320]}
        models: [1]
      - focus: {budget_mp: 12, prior: prior.json}
    flip: true
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, model_validator

from tinyseg.recipes.section import Section
from tinyseg.views.focus import Zoomed

Side = Annotated[int, Field(ge=32)]

Range = tuple[Annotated[float, Field(ge=0)], float] | None
"""Square roots of box areas in frame pixels, low and high; None for every size."""


class WholeViews(Section):
    """The whole frame in one view; see `views.whole`."""

    short_side: Side = 1800
    longest_side: Side | None = 2400
    largest_zoom: PositiveFloat | None = None
    answers_for: Range = None


class TileViews(Section):
    """Square tiles; see `views.tiles`. Without an overlap it is a quarter of a tile."""

    size: Side = 640
    overlap: Annotated[int, Field(ge=0)] | None = None
    zoom: PositiveFloat = 1.0
    band: tuple[int, int] | None = None
    answers_for: Range = None


CLOSER = Zoomed()
"""What closer looks are unless told otherwise."""


class FocusViews(Section):
    """A first look at the whole frame, then closer looks where tiny instances may be, for a budget
    of millions of view pixels; see `views.focus`."""

    budget_mp: PositiveFloat = CLOSER.budget_mp
    zoom: PositiveFloat = CLOSER.zoom
    view: tuple[Side, Side] = CLOSER.out_hw
    """Height and width of a closer look in view pixels."""
    answers_for: Range = CLOSER.answers_for
    """Sizes that the closer looks answer for."""
    source: Literal["prior", "first", "both"] = "both"
    prior: Path | None = None
    short_side: Side = 1800
    longest_side: Side = 2400
    largest_zoom: PositiveFloat | None = None


class PlanPart(Section):
    """Views of one kind, for the networks at these places of the ensemble; None is all."""

    whole: WholeViews | None = None
    tiles: TileViews | None = None
    focus: FocusViews | None = None
    models: tuple[Annotated[int, Field(ge=0)], ...] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> "PlanPart":
        if sum(kind is not None for kind in (self.whole, self.tiles, self.focus)) != 1:
            raise ValueError("a part of a plan is one of whole, tiles and focus")
        return self


class PlanChoice(Section):
    """Parts of a plan, and whether each view is looked at in the mirror too."""

    parts: Annotated[tuple[PlanPart, ...], Field(min_length=1)]
    flip: bool = False


class Predict(Section):
    """What `predict` does unless told otherwise; weights carry it with their recipe."""

    short_side: Side = 1800
    longest_side: Side = 2400
    largest_zoom: PositiveFloat | None = None
    """Sides of a whole frame's view, and how much a small frame is magnified at most."""
    min_score: float = Field(default=0.01, ge=0, le=1)
    detections: int = Field(default=300, ge=1)
    """Lowest score and largest number of instances that are kept, of a view and of a frame."""
    plan: Literal["whole", "tiles", "focus"] | PlanChoice = "whole"
    """Where it looks: a plan's name, at the sides above, or parts as in a plan's file."""
    budget_mp: PositiveFloat = 12.0
    """Millions of view pixels that the plan focus spends on closer looks."""

    @model_validator(mode="after")
    def _no_files(self) -> "Predict":
        parts = () if isinstance(self.plan, str) else self.plan.parts
        if any(part.focus is not None and part.focus.prior is not None for part in parts):
            raise ValueError("a recipe's plan names no prior: that is kept with the weights")
        return self
