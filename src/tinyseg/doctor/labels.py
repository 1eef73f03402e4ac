"""What the doctor knows of a frame's labels, whatever format they are in.

LabelLook comes out of label_maps.py and readers.py; Objects are columns, so that those of a
whole data set are a few arrays.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from tinyseg.doctor.kinds import Fault


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
