"""A small frame with small objects in a row, for the tests of plans."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tinyseg.frame import FrameLabels, Instances
from tinyseg.masks import CropMasks
from tinyseg.views import (
    Focus,
    FrameInfo,
    PlanLike,
    Planned,
    View,
)

HW = (270, 340)
INFO = FrameInfo(HW, "5")
SMALL = Focus(0.05, zoom=2.0, view=(64, 128), short_side=180, longest_side=None)
"""Six views of 32 x 64 frame pixels, and a first pass that shrinks these frames, as large frames
are shrunk."""


def instances(*boxes: tuple[float, float, float, float], scores: float = 0.9) -> Instances:
    grids = [np.full((int(y1 - y0), int(x1 - x0)), 255, np.uint8) for x0, y0, x1, y1 in boxes]
    masks = CropMasks.pack_pixels([(int(box[0]), int(box[1])) for box in boxes], grids)
    plain = Instances.from_labels(masks, np.zeros(len(boxes), np.int64))
    return replace(plain, scores=np.full(len(boxes), scores))


def street(name: str = "a_Camera_5", row: int = 150, hw: tuple[int, int] = HW) -> FrameLabels:
    """Five small objects side by side in a row, and a large one below."""
    small = [(x, row, x + 8, row + 6) for x in range(20, 320, 65)]
    return FrameLabels(name, hw, instances(*small, (50, 170, 150, 260)), CropMasks.empty())


class Made(PlanLike):
    """A plan of these views, and in a second pass of those that `then` makes."""

    def __init__(
        self,
        first: Callable[[FrameInfo], list[Planned]],
        then: Callable[[FrameInfo, Instances], list[Planned]] = lambda info, found: [],
    ) -> None:
        self._first, self._then = first, then

    def first(self, info: FrameInfo) -> list[Planned]:
        return self._first(info)

    def then(self, info: FrameInfo, found: Instances) -> list[Planned]:
        return self._then(info, found)


def views_of(planned: list[Planned]) -> list[View]:
    return [one.view for one in planned]


def inside(box: tuple[float, ...], view: View) -> bool:
    low = zip(view.rect[:2], box[:2], strict=True)
    high = zip(view.rect[2:], box[2:], strict=True)
    return all(edge <= at for edge, at in low) and all(edge >= at for edge, at in high)
