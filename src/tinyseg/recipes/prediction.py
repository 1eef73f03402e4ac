"""The prediction section of a recipe: what is looked at, and what is kept."""

from pydantic import Field

from tinyseg.recipes.section import Section


class Predict(Section):
    """What `predict` does unless told otherwise: the whole frame in one view."""

    short_side: int = Field(default=1800, ge=32)
    longest_side: int = Field(default=2400, ge=32)
    min_score: float = Field(default=0.01, ge=0, le=1)
    detections: int = Field(default=300, ge=1)
    """Lowest score and largest number of instances that are kept, of a view and of a frame."""
