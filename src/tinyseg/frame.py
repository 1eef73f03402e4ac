"""The records that cross the rooms: Instances and Frame, frozen and checked once.

Everything here is in native frame pixels, on the host, in numpy; only a detector holds tensors.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt8

from tinyseg.errors import DataError, TinysegError
from tinyseg.masks import CropMasks


@dataclass(frozen=True, slots=True)
class Instances:
    """n objects: boxes x0, y0, x1, y1 in pixels, masks, class indices, and scores 0 ... 1.

    A label from a file has no uncertainty: its score is 1. Boxes are what a detector or an
    annotator says, and need not be tight around the mask; a label that is a box alone has the empty
    mask. Raises DataError where counts differ or a score lies outside 0 ... 1.
    """

    boxes: Float64[np.ndarray, "_n 4"]
    masks: CropMasks
    labels: Int64[np.ndarray, " _n"]
    scores: Float64[np.ndarray, " _n"]

    def __post_init__(self) -> None:
        counts = {len(self.boxes), len(self.masks), len(self.labels), len(self.scores)}
        if len(counts) != 1:
            raise DataError("boxes, masks, labels and scores need one count", got=sorted(counts))
        if not ((self.scores >= 0) & (self.scores <= 1)).all():
            raise DataError("scores lie in 0 ... 1", got=self.scores.tolist()[:8])

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def has_mask(self) -> Bool[np.ndarray, " n"]:
        """False for the instances of which only a box is known."""
        return np.asarray(self.masks.grid_hw.prod(axis=1) > 0)

    def select(self, which: Int64[np.ndarray, " k"] | Bool[np.ndarray, " n"]) -> "Instances":
        """The instances at these indices, in this order, or those where a boolean array is true."""
        chosen = self.boxes[which], self.masks.select(which), self.labels[which], self.scores[which]
        return Instances(*chosen)

    @staticmethod
    def from_labels(masks: CropMasks, labels: Int64[np.ndarray, " n"]) -> "Instances":
        """Labelled objects: boxes are the masks' own, scores 1."""
        return Instances(masks.boxes, masks, labels, np.ones(len(labels)))

    @staticmethod
    def empty() -> "Instances":
        """No instances at all."""
        return Instances.from_labels(CropMasks.empty(), np.zeros(0, np.int64))

    @staticmethod
    def concatenate(parts: list["Instances"]) -> "Instances":
        """All instances of all parts, in order."""
        if not parts:
            return Instances.empty()
        return Instances(
            np.concatenate([p.boxes for p in parts]),
            CropMasks.concatenate([p.masks for p in parts]),
            np.concatenate([p.labels for p in parts]),
            np.concatenate([p.scores for p in parts]),
        )


@dataclass(frozen=True, slots=True)
class FrameLabels:
    """What is labelled on a frame of height and width `hw`, without its picture.

    `ignore` is the union of its masks: riders, groups, crowds, and pixels nobody labelled; what
    lies there is not scored. `unlabelled` are the class indices that the data set does not label,
    so that objects of these classes may be in the picture without a label. `left_out` has the class
    name of every label outside the class list, one for each object. `faults` are broken objects,
    which are in none of these, each with its reason; `doubts` are objects that were read and are
    suspicious, for the doctor. `places` names each instance as its file does ("annotation 17"),
    where the reader says so.
    """

    name: str
    hw: tuple[int, int]
    instances: Instances
    ignore: CropMasks
    unlabelled: frozenset[int] = frozenset()
    left_out: tuple[str, ...] = ()
    faults: tuple[TinysegError, ...] = ()
    doubts: tuple[TinysegError, ...] = ()
    places: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture, RGB, with its labelled instances and the region that is not scored.

    `unlabelled` are the class indices of which the picture may show objects without a label.
    """

    name: str
    image: UInt8[np.ndarray, "height width 3"]
    instances: Instances
    ignore: CropMasks
    unlabelled: frozenset[int] = frozenset()

    @property
    def hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.image.shape[0], self.image.shape[1]

    @staticmethod
    def of(image: UInt8[np.ndarray, "height width 3"], labels: FrameLabels) -> "Frame":
        """A picture with its labels; raises DataError where their sizes differ."""
        if image.shape[:2] != labels.hw:
            rule = "image and label need one size (height, width)"
            raise DataError(rule, where=labels.name, expected=image.shape[:2], got=labels.hw)
        return Frame(labels.name, image, labels.instances, labels.ignore, labels.unlabelled)
