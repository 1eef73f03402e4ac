"""A function of one picture, as other libraries' networks are called -> Network."""

import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import UInt8

from tinyseg.adapters.records import Names, ids_of, letterbox, read_record, unboxed
from tinyseg.frame import Instances
from tinyseg.network import Limits, Network

Image = UInt8[np.ndarray, "_h _w 3"]

UNNAMED = tuple(str(number) for number in range(100))
"""Class names where nobody says any: the ids."""


class Adapted(Network):
    """A function of a picture (height, width, 3) of uint8; `read_record` knows its answers.

    With `input_hw` it is given pictures of that size alone, others with bars beside them. With
    `bgr` blue comes first, as OpenCV and Ultralytics have it.
    """

    def __init__(
        self,
        call: Callable[[Image], Any],
        names: Names,
        *,
        input_hw: tuple[int, int] | None = None,
        bgr: bool = False,
    ) -> None:
        self._call, self._names, self._bgr = call, names, bgr
        self.classes = tuple(names[key] for key in ids_of(names))
        self.limits = Limits(input_hw)

    def detect(self, images: UInt8[np.ndarray, "_b _h _w 3"]) -> list[Instances]:
        """The instances of each picture, in its pixels."""
        hw = (images.shape[1], images.shape[2])
        inner = self.limits.input_hw or hw
        found = []
        for image in images:
            shown = image if inner == hw else letterbox(hw, inner).cut_image(image)
            given = np.ascontiguousarray(shown[:, :, ::-1]) if self._bgr else shown
            one = read_record(self._call(given), inner, self._names)
            found.append(one if inner == hw else unboxed(one, hw, inner))
        return found


def adapted(
    detect: Any,
    classes: Names | None = None,
    *,
    input_hw: tuple[int, int] | None = None,
    bgr: bool = False,
) -> Network:
    """A Network as it is; a torchvision detection module; or a function of a picture.

    Without `classes` those that `detect` itself names (`names` or `classes`), else the ids.
    """
    if isinstance(detect, Network):
        return detect
    own = getattr(detect, "names", None) or getattr(detect, "classes", None)
    fitting = own if isinstance(own, Mapping | list | tuple) else None
    torch = sys.modules.get("torch")  # where it was not imported, nothing is a module of it
    is_module = torch is not None and isinstance(detect, torch.nn.Module)
    call = _torchvision_call(detect) if is_module else detect
    return Adapted(call, classes or fitting or UNNAMED, input_hw=input_hw, bgr=bgr)


def _torchvision_call(module: Any) -> Callable[[Image], Any]:
    """Pictures go in as torchvision's detection networks take them: a list of tensors 0 ... 1."""
    import torch

    module.eval()
    device = next((p.device for p in module.parameters()), torch.device("cpu"))

    def call(image: Image) -> Any:
        pixels = torch.from_numpy(np.ascontiguousarray(image)).to(device).permute(2, 0, 1)
        with torch.inference_mode():
            return module([pixels.float() / 255])

    return call
