"""What a merger is given and what it goes by: Seen, and MergeRules."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt

from tinyseg.frame import Instances
from tinyseg.views import View

Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class Seen:
    """What one model found in one view: instances in frame pixels, not rasterised.

    The same view and model together are a look; two objects of one look are two objects.
    """

    view: View
    instances: Instances
    model: int = 0


@dataclass(frozen=True, slots=True)
class MergeRules:
    """How instances of many looks become the frame's; shares and IoU are of mask pixels."""

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)

    link_iou: Share = 0.4
    """Two looks show one object where their masks agree by so much in what both look at."""
    same_iou: Share = 0.5
    """An instance that overlaps a better one of its class by more is left out."""
    inside: Share = 0.6
    """So is one that lies by more than this share in a better one of its class."""
    conflict_iou: Share = 0.6
    """And one that overlaps a better one of another class by more than this."""
    unseen: NonNegativeFloat = 0.5
    """An object has its surest look's score, times (looks that found it / looks that could have) to
    this power."""
    cut: Share = 0.5
    """Scores of what only looks found whose border cuts it are multiplied by this."""
    model_weights: tuple[PositiveFloat, ...] = ()
    """Weight of each model in masks and among the looks that could have; 1 where there is none."""
    exclusive: bool = False
    """A pixel belongs to one instance, the better one."""
    keep: PositiveInt = 300
    """Most instances of a frame of up to `keep_pixels`; a larger one has more in proportion."""
    keep_pixels: PositiveInt | None = 2710 * 3384
    """The WAD's frame, on which 300 were chosen; None for `keep` on frames of any size."""

    def most(self, hw: tuple[int, int]) -> int:
        """Most instances of a frame of this height and width."""
        if self.keep_pixels is None:
            return self.keep
        return self.keep * max(hw[0] * hw[1], self.keep_pixels) // self.keep_pixels
