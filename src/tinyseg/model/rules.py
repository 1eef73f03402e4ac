"""The rules of the detector's parts: plain records, which recipes hold and pydantic reads.

Nothing here needs torch, so that a recipe can be read without it.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt

Measure = Literal["iou", "nwd", "larger"]
"""How alike two boxes are (model/similarity.py)."""

RecomputeChoice = Literal["off", "sqrt", "all"]
"""What a training step runs a second time instead of keeping it (model/planning.py)."""

READING = ConfigDict(extra="forbid", allow_inf_nan=False)
"""How pydantic reads the rules of the detector's parts from a recipe."""

Share = Annotated[float, Field(ge=0, le=1)]
FiveSizes = tuple[PositiveFloat, PositiveFloat, PositiveFloat, PositiveFloat, PositiveFloat]


@dataclass(frozen=True, slots=True)
class ProposalRules:
    """Anchors, assignment and selection; sizes in view pixels, counts for each image."""

    __pydantic_config__ = READING

    anchor_sizes: FiveSizes = (32.0, 64.0, 128.0, 256.0, 512.0)
    """One for each level of the pyramid, from fine to coarse."""
    aspect_ratios: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (0.5, 1.0, 2.0)
    """Height / width."""
    similarity: Measure = "iou"
    nwd_scale: PositiveFloat = 12.8
    """What assignment compares by, and NWD's C; the thresholds are on this measure."""
    positive_iou: Share = 0.7
    negative_iou: Share = 0.3
    sampled: PositiveInt = 256
    positive_share: Share = 0.5
    nms_iou: Share = 0.7
    kept_before_nms: tuple[PositiveInt, PositiveInt] = (2000, 1000)
    """For each level, in training and in detection."""
    kept: tuple[PositiveInt, PositiveInt] = (2000, 1000)


@dataclass(frozen=True, slots=True)
class BoxRules:
    """Sampling of proposals in training, selection of detections; counts for each image."""

    __pydantic_config__ = READING

    sampled: PositiveInt = 512
    positive_share: Share = 0.25
    similarity: Measure = "iou"
    nwd_scale: PositiveFloat = 12.8
    """What assignment compares by, and NWD's C; the threshold is on this measure."""
    positive_iou: Share = 0.5
    min_score: NonNegativeFloat = 0.05
    nms_iou: Share = 0.5
    detections: PositiveInt = 100


@dataclass(frozen=True, slots=True)
class InputRules:
    """How pixels 0 ... 255 enter the network, and how its maps lie on the image."""

    __pydantic_config__ = READING

    mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (58.395, 57.12, 57.375)
    pad_to: PositiveInt = 32
    aligned: bool = False
    """RoIs read features at their centres; torchvision's networks were trained half a cell off."""
