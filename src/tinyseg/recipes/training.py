"""The training section of a recipe: how the weights are moved."""

from typing import Annotated, Literal

from pydantic import Field

from tinyseg.recipes.section import Section


class Train(Section):
    """The run: `batch` x `accumulate` x processes views a step."""

    steps: int = Field(default=2000, ge=1)
    batch: int = Field(default=2, ge=1)
    """Views that go through the network together, in each process."""
    accumulate: int = Field(default=1, ge=1)
    """Batches whose gradients are averaged before a step is taken."""
    learning_rate: float = Field(default=4e-4, gt=0)
    weight_decay: float = Field(default=0.02, ge=0)
    warm_up: int = Field(default=100, ge=0)
    schedule: Literal["cosine", "steps"] = "cosine"
    drops: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.67, 0.89)
    """Shares of the run after which "steps" divides the learning rate by ten."""
    ema: float = Field(default=0.0, ge=0, lt=1)
    """Decay of the averaged weights that are the run's result; 0: the last weights are."""
    clip_norm: float = Field(default=5.0, gt=0)
    mixed: bool | Literal["auto"] = "auto"
    """Backbone, pyramid and mask head in bfloat16, the rest in float32; on a CPU depthwise
    convolutions too. "auto": `tinyseg train` measures before the first step which is faster."""
    save_every: int = Field(default=250, ge=1)
    keep: int = Field(default=3, ge=1)
    """Checkpoints that are kept; a run goes on from the one before if the newest is damaged."""
    evaluate_every: int = Field(default=1000, ge=1)
    """Steps between evaluations, where validation frames are given."""
    picture_every: int = Field(default=250, ge=0)
    """Steps between TensorBoard's pictures; 0: none."""
    seed: int = Field(default=0, ge=0)
