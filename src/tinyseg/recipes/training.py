"""The training section of a recipe: which views are drawn, how the weights are moved."""

from pydantic import Field, PositiveFloat, model_validator

from tinyseg.recipes.section import Section


class Train(Section):
    """The run: views are square, `view` pixels wide, cut from native frames."""

    steps: int = Field(default=2000, ge=1)
    batch: int = Field(default=2, ge=1)
    view: int = Field(default=640, ge=64, multiple_of=32)
    zoom: tuple[PositiveFloat, PositiveFloat] = (0.5, 2.0)
    """Each view draws its zoom from this range, evenly in its logarithm."""
    near_share: float = Field(default=0.8, ge=0, le=1)
    """Share of views placed around an instance; the others lie anywhere in the frame."""
    views_per_frame: int = Field(default=4, ge=1)
    """Views cut from a frame once it is decoded."""
    min_visible: float = Field(default=0.25, ge=0, le=1)
    """Objects cut by the view's edge below this share of their area are ignored, not learnt."""
    flip: bool = True
    colour: float = Field(default=0.3, ge=0, le=1)
    learning_rate: float = Field(default=4e-4, gt=0)
    weight_decay: float = Field(default=0.02, ge=0)
    warm_up: int = Field(default=100, ge=0)
    clip_norm: float = Field(default=5.0, gt=0)
    mixed: bool = False
    """Backbone and pyramid in bfloat16, the rest in float32. On a CPU the backward pass of
    depthwise convolutions is slower in bfloat16 than in float32 (benchmarks/train_step.py)."""
    save_every: int = Field(default=250, ge=1)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _zoom_in_order(self) -> "Train":
        if self.zoom[0] > self.zoom[1]:
            raise ValueError("zoom must be (lowest, highest)")
        return self
