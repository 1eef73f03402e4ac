"""The rules of the detector's parts: plain records, which recipes hold and pydantic reads.

Nothing here needs torch, so that a recipe can be read without it.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt

Measure = Literal["iou", "nwd", "larger"]
"""How alike two boxes are (model/similarity.py)."""

RecomputeChoice = Literal["off", "sqrt", "all"]
"""What a training step runs a second time instead of keeping it (model/fast/planning.py)."""

READING = ConfigDict(extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)
"""How pydantic reads the rules of the detector's parts from a recipe."""

Share = Annotated[float, Field(ge=0, le=1)]
FiveSizes = tuple[PositiveFloat, PositiveFloat, PositiveFloat, PositiveFloat, PositiveFloat]


@dataclass(frozen=True, slots=True)
class ProposalRules:
    """Anchors, assignment and selection; sizes in view pixels, counts for each image."""

    __pydantic_config__ = READING

    anchor_sizes: FiveSizes = (32.0, 64.0, 128.0, 256.0, 512.0)
    """Side of the anchor boxes on each level of the pyramid, from fine to coarse."""
    aspect_ratios: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (0.5, 1.0, 2.0)
    """Height / width of the anchor boxes of a place."""
    similarity: Measure = "iou"
    """How anchors are compared with objects: IoU, NWD (normalised Wasserstein distance, Wang et al.
    2021), or the larger of the two. The two thresholds are on this measure."""
    nwd_scale: PositiveFloat = 12.8
    """NWD's constant C, in view pixels."""
    positive_iou: Share = 0.7
    """An anchor this similar to an object is a positive example."""
    negative_iou: Share = 0.3
    """An anchor less similar than this to every object is a negative example."""
    sampled: PositiveInt = 256
    """Anchors that the loss is computed on."""
    positive_share: Share = 0.5
    """At most this share of them is positive."""
    nms_iou: Share = 0.7
    """Non-maximum suppression drops a proposal that overlaps a better one by more than this."""
    kept_before_nms: tuple[PositiveInt, PositiveInt] = (2000, 1000)
    """Best proposals of each pyramid level that enter it, in training and in detection."""
    kept: tuple[PositiveInt, PositiveInt] = (2000, 1000)
    """Proposals that leave it, in training and in detection."""


@dataclass(frozen=True, slots=True)
class BoxRules:
    """Sampling of proposals in training, selection of detections; counts for each image."""

    __pydantic_config__ = READING

    sampled: PositiveInt = 512
    """Proposals that the loss is computed on."""
    positive_share: Share = 0.25
    """At most this share of them is positive."""
    similarity: Measure = "iou"
    """How proposals are compared with objects; see `network.proposals.similarity`."""
    nwd_scale: PositiveFloat = 12.8
    """NWD's constant C, in view pixels."""
    positive_iou: Share = 0.5
    """A proposal this similar to an object is a positive example, else a negative one."""
    min_score: NonNegativeFloat = 0.05
    """Detections with a lower score are dropped."""
    nms_iou: Share = 0.5
    """Non-maximum suppression drops a box that overlaps a better one of its class by more."""
    detections: PositiveInt = 100
    """Most detections of a view."""


@dataclass(frozen=True, slots=True)
class InputRules:
    """How pixels 0 ... 255 enter the network, and how its maps lie on the image."""

    __pydantic_config__ = READING

    mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    """Subtracted from red, green and blue."""
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (58.395, 57.12, 57.375)
    """Then red, green and blue are divided by this."""
    pad_to: PositiveInt = 32
    """Sides are padded to a multiple of this many pixels."""
    aligned: bool = False
    """True: regions read the feature maps at pixel centres. torchvision's networks were trained
    with features shifted by half a cell (false)."""
