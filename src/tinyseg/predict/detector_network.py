"""Our own detector as a Network."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import UInt8

from tinyseg.frame import Instances
from tinyseg.model import Detector
from tinyseg.network import Device, Network
from tinyseg.networks import keep_as_predicted
from tinyseg.recipes import Recipe

FLOAT_BYTES = 4
MAPS = 2.0
"""Bytes that feature maps take, for each channel of the pyramid and each pixel of a view."""


class DetectorNetwork(Network):
    """A detector with its recipe's classes; set to keep what the recipe says prediction keeps."""

    def __init__(self, detector: Detector, recipe: Recipe) -> None:
        self.detector, self.classes = detector, recipe.classes
        self._channels = recipe.network.pyramid_channels
        self._device = torch.device("cpu")
        keep_as_predicted(detector, recipe)

    def detect(self, images: UInt8[np.ndarray, "_b _h _w 3"]) -> list[Instances]:
        """The instances of each picture, in its pixels."""
        pixels = torch.from_numpy(images).to(self._device).permute(0, 3, 1, 2)
        return self.detector.detect(pixels)

    def to(self, device: Device) -> None:
        """Ready to detect on this device."""
        self._device = device if isinstance(device, torch.device) else torch.device(device.type)
        self.detector.to(self._device).eval()

    def keep(self, detections: int) -> None:
        """At least so many instances of a picture."""
        head = self.detector.box_head
        most = max(head.rules.detections, detections)
        head.rules = replace(head.rules, detections=most)

    def view_bytes(self, hw: tuple[int, int]) -> float:
        """An estimate, on the safe side where it was tried: 697 MB for mask_rcnn_r50 on 1024 x 1024
        pixels with 100 detections, where 534 MB were measured on a CPU."""
        maps = MAPS * self._channels * hw[0] * hw[1]
        kept = self.detector.box_head.rules.detections
        return maps + kept * self._channels * 28 * 28 * 2 * FLOAT_BYTES
