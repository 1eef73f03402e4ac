"""What the doctor knows of a frame's labels, whatever format they are in.

LabelLook comes out of label_maps.py and sources.py; Objects are columns, so that those of a
whole data set are a few arrays.

Faults of a frame's instances: empty, of one pixel, in parts far apart, labelled twice, overlapping.
An instance behind a pole has parts too: far apart means a gap of more than GAP times the larger
part, and of more than FAR of the frame's width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
from jaxtyping import Float64, Int64, UInt8

from tinyseg import masks as mask_ops
from tinyseg.doctor import kinds
from tinyseg.doctor.kinds import Fault
from tinyseg.masks import HALF, CropMasks


@dataclass(frozen=True, slots=True)
class Objects:
    """n labelled instances: class indices, boxes and mask areas in frame pixels."""

    labels: Int64[np.ndarray, " n"]
    boxes: Float64[np.ndarray, "n 4"]
    areas: Int64[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.labels)

    @staticmethod
    def none() -> "Objects":
        """No instances."""
        return Objects(np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0, np.int64))

    @staticmethod
    def concatenate(parts: Sequence["Objects"]) -> "Objects":
        """All instances of all frames, in order."""
        every = [Objects.none(), *parts]
        return Objects(
            np.concatenate([part.labels for part in every]),
            np.concatenate([part.boxes for part in every]),
            np.concatenate([part.areas for part in every]),
        )


@dataclass(frozen=True, slots=True)
class LabelLook:
    """`hw` is None where the labels could not be read; `digest` is empty where there is nothing
    labelled that two frames could share by mistake. `ignored` counts crowds and other ignored
    regions, `left_out` has the class of each label outside the class list."""

    hw: tuple[int, int] | None
    objects: Objects
    faults: tuple[Fault, ...] = ()
    digest: bytes = b""
    ignored: int = 0
    left_out: tuple[str, ...] = ()

    @staticmethod
    def unreadable(*faults: Fault) -> "LabelLook":
        """Nothing but the faults that say why."""
        return LabelLook(None, Objects.none(), faults)


GAP, FAR = 3.0, 0.1
LEAST_PART = 0.1
"""Parts below this share of the instance's area are specks, not objects."""

FULL = 0.5
"""An instance that fills this share of its box has no parts far apart."""

MOST_PARTS = 1000

TWICE, MUCH = 0.8, 0.5
"""IoU from which two masks are one object, and from which they share much."""


def small_faults(areas: Int64[np.ndarray, " n"], place: str, names: Sequence[str]) -> list[Fault]:
    """Instances without a pixel, and of one."""
    return [
        Fault(kind, place, names[index])
        for area, kind in enumerate((kinds.INSTANCE_EMPTY, kinds.INSTANCE_PIXEL))
        for index in np.flatnonzero(areas == area).tolist()
    ]


def apart_faults(
    masks: CropMasks,
    areas: Int64[np.ndarray, " n"],
    place: str,
    names: Sequence[str],
    *,
    width: int,
) -> list[Fault]:
    """Instances whose parts are far from each other in a frame of this width."""
    faults = []
    for index, grid in enumerate(masks.grids()):
        if areas[index] == 0 or areas[index] >= FULL * grid.size or max(grid.shape) < FAR * width:
            continue
        gap = group_gap(grid)
        if gap > FAR * width:
            told = f"{names[index]}: {gap:.0f} px between its parts"
            faults.append(Fault(kinds.INSTANCE_APART, place, told))
    return faults


def group_gap(grid: UInt8[np.ndarray, "h w"]) -> float:
    """Pixels between the two groups of parts nearest to each other, 0 for one group.

    Parts are 8-connected; between two is the distance of their boxes. Parts are of one group where
    steps of at most GAP times the larger part lead from one to the other.
    """
    bits = (grid >= HALF).astype(np.uint8)
    count, _, rows, _ = cv2.connectedComponentsWithStats(bits, connectivity=8)
    if not 2 < count <= MOST_PARTS:
        return 0.0
    stats = np.asarray(rows, np.float64)[1:]
    parts = stats[stats[:, 4] >= LEAST_PART * stats[:, 4].sum()]
    if len(parts) < 2:
        return 0.0
    low, high = parts[:, :2], parts[:, :2] + parts[:, 2:4]
    between = np.maximum(low[:, None] - high[None], low[None] - high[:, None])
    gaps = np.hypot(*np.moveaxis(np.maximum(between, 0.0), 2, 0))
    sizes = np.maximum(parts[:, 2], parts[:, 3])
    near = gaps <= GAP * np.maximum(sizes[:, None], sizes[None])
    joined = np.linalg.matrix_power(near.astype(np.float64), len(parts)) > 0
    return 0.0 if joined.all() else float(gaps[~joined].min())


def overlap_faults(
    masks: CropMasks, labels: Int64[np.ndarray, " n"], place: str, names: Sequence[str]
) -> list[Fault]:
    """Pairs of instances that are one, or share much; for formats where masks can overlap."""
    shared: Float64[np.ndarray, "n n"] = mask_ops.iou(masks, masks)
    faults = []
    for i, j in combinations(range(len(masks)), 2):
        if shared[i, j] >= MUCH:
            told = f"{names[i]} and {names[j]}: IoU {shared[i, j]:.2f}"
            kind = kinds.INSTANCE_TWICE if labels[i] == labels[j] else kinds.INSTANCE_CLASSES
            kind = kind if shared[i, j] >= TWICE else kinds.INSTANCES_OVERLAP
            faults.append(Fault(kind, place, told))
    return faults
