"""Network: what finds instances in pictures, whoever made it.

The plans, the merger and the streams of `tinyseg.predict` need no more of a network than this. Ours
follows it (`tinyseg.predict.DetectorNetwork`), so do files in ONNX, OpenVINO and LiteRT form and,
by `tinyseg.adapters`, the callables of other libraries; a new kind is a subclass with `classes` and
`detect`.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from tinyseg.frame import Instances

Pictures = UInt8[np.ndarray, "_b _h _w 3"]


@runtime_checkable
class Device(Protocol):
    """Where a network works, as torch names it: a torch.device, or PROCESSOR where torch is not
    needed."""

    @property
    def type(self) -> str:
        """cpu, cuda ..."""


@dataclass(frozen=True, slots=True)
class Processor:
    """The processor, without torch."""

    type: str = "cpu"


PROCESSOR = Processor()


@dataclass(frozen=True, slots=True)
class Limits:
    """What a network takes, and how well it sees.

    `input_hw` is the height and width that each picture is brought to on its way in, for a network
    of one input size; None where a picture goes in as it is. Views of that size are seen pixel for
    pixel, others lose some to scaling and to the bars beside them.
    """

    input_hw: tuple[int, int] | None = None


@runtime_checkable
class Network(Protocol):
    """Finds the instances of pictures, several of one size at a time."""

    classes: tuple[str, ...]
    """The class names that labels are places in."""
    limits: Limits = Limits()

    def detect(self, images: Pictures) -> list[Instances]:
        """The instances of each picture (RGB), in that picture's own pixels, best first.

        Low scores included: what is kept is decided later. It raises torch.OutOfMemoryError for
        more pictures than a device holds, and is called again with half of them.
        """

    def to(self, device: Device) -> None:
        """Work on this device from now on; a network that chose its own stays where it is."""
        return  # so that a subclass need not say it

    def keep(self, detections: int) -> None:
        """From now on at least so many instances of a picture; raises DataError where that cannot
        be. A network without a limit has nothing to do."""
        return

    def view_bytes(self, hw: tuple[int, int]) -> float:
        """About how much memory one picture of this height and width takes on its way through."""
        return 400.0 * hw[0] * hw[1]
