"""Predictor: a frame in, its instances out, through the views of a plan and a merger.

Views of one size go through the network together, a few at a time; only boxes and 28 x 28 grids
come back, so memory does not grow with the frame's pixels times its instances.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from tinyseg.build import load_detector
from tinyseg.frame import Instances
from tinyseg.merge import suppress
from tinyseg.model.detector import Detector
from tinyseg.recipes import Recipe
from tinyseg.views import FrameInfo, Plan, Planned, View, tiles, together, whole

TILE_OVERLAP = 0.25
"""Share of a tile's side that neighbouring tiles have in common."""

MERGE_IOU = 0.5
BATCH_PIXELS = 2**21
"""Views that go through the network together hold at most this many pixels, or are one."""


class Predictor:
    """A detector with a plan: call it with an RGB image, get Instances in the image's pixels."""

    def __init__(
        self, detector: Detector, plan: Plan, *, classes: tuple[str, ...], device: torch.device
    ) -> None:
        self.detector = detector.to(device).eval()
        self.plan, self.classes, self.device = plan, classes, device

    def __call__(
        self, image: UInt8[np.ndarray, "height width 3"], *, camera: str | None = None
    ) -> Instances:
        """The instances of one frame, best first."""
        info = FrameInfo((image.shape[0], image.shape[1]), camera)
        parts = self._pass(image, self.plan.first(info))
        parts += self._pass(image, self.plan.then(info, Instances.concatenate(parts)))
        return suppress(parts, iou=MERGE_IOU, keep=self.detector.box_head.rules.detections)

    def _pass(
        self, image: UInt8[np.ndarray, "height width 3"], plan: Sequence[Planned]
    ) -> list[Instances]:
        """What is found in the planned views, of the sizes that each answers for."""
        parts: list[Instances] = []
        for _, same in groupby((p.view for p in plan), key=lambda view: view.out_hw):
            views = list(same)
            at_once = max(BATCH_PIXELS // (views[0].out_hw[0] * views[0].out_hw[1]), 1)
            for start in range(0, len(views), at_once):
                parts += self._look(image, views[start : start + at_once])
        return parts

    def _look(
        self, image: UInt8[np.ndarray, "height width 3"], views: Sequence[View]
    ) -> list[Instances]:
        """What the detector finds in views of one size, in frame pixels."""
        pixels = np.stack([view.cut_image(image).transpose(2, 0, 1) for view in views])
        found = self.detector.detect(torch.from_numpy(pixels).to(self.device))
        lifted = [view.lift(seen) for view, seen in zip(views, found, strict=True)]
        pairs = zip(views, lifted, strict=True)
        return [seen.select(view.answers(seen.boxes)) for view, seen in pairs]


def default_plan(recipe: Recipe, *, tile: int | None = None) -> Plan:
    """The whole frame, and with `tile` also square tiles of that many native pixels."""
    once = whole(short_side=recipe.predict.short_side, longest_side=recipe.predict.longest_side)
    if tile is None:
        return once
    return together(once, tiles(size=tile, overlap=round(tile * TILE_OVERLAP)))


def load_predictor(weights: Path, *, device: torch.device, tile: int | None = None) -> Predictor:
    """A predictor from a weights file or a run's folder."""
    detector, recipe = load_detector(weights)
    limits = recipe.predict
    detector.box_head.rules = replace(
        detector.box_head.rules, min_score=limits.min_score, detections=limits.detections
    )
    plan = default_plan(recipe, tile=tile)
    return Predictor(detector, plan, classes=recipe.classes, device=device)
