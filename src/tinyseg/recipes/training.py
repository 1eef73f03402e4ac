"""The training section of a recipe: how the weights are moved."""

from typing import Annotated, Literal

from pydantic import Field

from tinyseg.recipes.section import Section


class Train(Section):
    """The run: `batch` x `accumulate` x processes views a step."""

    steps: int = Field(default=2000, ge=1)
    """Optimizer steps of the run."""
    batch: int = Field(default=2, ge=1)
    """Views that go through the network together, in each process."""
    accumulate: int = Field(default=1, ge=1)
    """Batches whose gradients are averaged before a step is taken."""
    learning_rate: float = Field(default=4e-4, gt=0)
    """Highest learning rate of AdamW."""
    weight_decay: float = Field(default=0.02, ge=0)
    """Weight decay of AdamW."""
    warm_up: int = Field(default=100, ge=0)
    """Steps over which the learning rate rises to its highest value."""
    schedule: Literal["cosine", "steps"] = "cosine"
    """How the learning rate falls afterwards."""
    drops: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.67, 0.89)
    """Fractions of the run at which the schedule "steps" divides the learning rate by ten."""
    ema: float = Field(default=0.0, ge=0, lt=1)
    """Decay of the exponential moving average of the weights, which becomes the run's result;
    0: the result is the last weights."""
    clip_norm: float = Field(default=5.0, gt=0)
    """Gradients with a larger norm are scaled down to it."""
    mixed: bool | Literal["auto"] = "auto"
    """Backbone, pyramid and mask head compute in bfloat16, the rest in float32 (on a CPU depthwise
    convolutions too). "auto": `tinyseg train` measures before the first step which is faster."""
    save_every: int = Field(default=250, ge=1)
    """Steps between checkpoints."""
    keep: int = Field(default=3, ge=1)
    """Checkpoints that are kept. A run resumes from the one before if the newest is damaged."""
    evaluate_every: int = Field(default=1000, ge=1)
    """Steps between evaluations, where validation frames are given."""
    picture_every: int = Field(default=250, ge=0)
    """Steps between TensorBoard's pictures; 0: none."""
    seed: int = Field(default=0, ge=0)
    """Seed of all random choices; the same seed, machine and threads give the same run."""
