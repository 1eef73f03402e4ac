"""The memory section of a recipe: what a training step keeps, and what it computes twice."""

from pydantic import PositiveFloat, field_validator, model_validator

from tinyseg.model import RecomputeChoice
from tinyseg.recipes.section import Section


class Memory(Section):
    """Recomputation of activations in the backward pass; `train --dry-run` prints the bytes."""

    recompute: RecomputeChoice = "off"
    """off: everything is kept. sqrt: segments with the least peak. all: every block by itself."""
    budget_gb: PositiveFloat | None = None
    """Instead: the fewest operations run twice such that what a step needs at once, with weights,
    gradients and AdamW's moments, fits this many GB (10^9 bytes). The process itself, about 1 GB,
    and a GPU's library come on top."""

    @field_validator("recompute", mode="before")
    @classmethod
    def _off_is_a_word(cls, value: object) -> object:
        return "off" if value is False else value  # YAML reads a bare off as false

    @model_validator(mode="after")
    def _one_of_both(self) -> "Memory":
        if self.budget_gb is not None and self.recompute != "off":
            raise ValueError("either recompute or budget_gb says what is kept, not both")
        return self
