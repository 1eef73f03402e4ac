"""What every section of a recipe has in common: unknown keys are refused, values are frozen."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of a recipe."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
