"""Views: a rectangle of the frame looked at with a zoom, and perhaps flipped.

    frame pixels                          view pixels
    +--------------------------+          +-----------+
    |      rect                |   cut    |           | out_hw
    |     +-------+            | -------> |           |
    |     |       |            | <------- |           |
    |     +-------+            |   lift   +-----------+
    +--------------------------+

Whole-frame inference is one view; tiles, scales, flips and training crops are lists of them.
Pixel centres lie at + 0.5, so moving a box or a mask between frame and view is one scale and one
shift, and exact.

Pixels of a view are averaged where the rectangle shrinks, interpolated where it grows, and grey
outside the image.
"""

from dataclasses import dataclass
from math import ceil, inf

import cv2
import numpy as np
from jaxtyping import Bool, Float64, UInt8

from tinyseg import boxes as box_math, masks as mask_ops
from tinyseg.errors import DataError
from tinyseg.frame import Frame, Instances
from tinyseg.masks import CropMasks

PADDING = (114, 114, 114)
"""Grey of view pixels that lie outside the frame."""


def resampled(
    image: UInt8[np.ndarray, "height width 3"],
    rect: tuple[float, float, float, float],
    out_hw: tuple[int, int],
) -> UInt8[np.ndarray, "h w 3"]:
    """The rectangle of the image at out_hw pixels, grey outside the image."""
    out_h, out_w = out_hw
    if all(float(edge).is_integer() for edge in rect):
        return _resize(_padded_crop(image, rect), out_hw)
    # Between pixels: sample at a step of at most one frame pixel, then average whole blocks.
    step_x, step_y = (rect[2] - rect[0]) / out_w, (rect[3] - rect[1]) / out_h
    fine_x, fine_y = ceil(step_x), ceil(step_y)
    step_x, step_y = step_x / fine_x, step_y / fine_y
    to_source = np.array(
        [
            [step_x, 0, rect[0] + step_x / 2 - 0.5],
            [0, step_y, rect[1] + step_y / 2 - 0.5],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (out_w * fine_x, out_h * fine_y)
    view = cv2.warpAffine(image, to_source, size, flags=flags, borderValue=PADDING)
    return _resize(view.astype(np.uint8, copy=False), out_hw)


def _resize(
    image: UInt8[np.ndarray, "height width 3"], out_hw: tuple[int, int]
) -> UInt8[np.ndarray, "h w 3"]:
    """A new image: averaged along an axis that shrinks, interpolated along one that grows.

    OpenCV averages only where no axis grows, so that the one that shrinks is brought down first.
    """
    height, width = image.shape[:2]
    smaller = min(height, out_hw[0]), min(width, out_hw[1])
    view = image
    if smaller != (height, width):
        size = (smaller[1], smaller[0])
        view = cv2.resize(view, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    if smaller != out_hw:
        size = (out_hw[1], out_hw[0])
        view = cv2.resize(view, size, interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
    return view.copy() if view is image else view


def _padded_crop(
    image: UInt8[np.ndarray, "height width 3"], rect: tuple[float, float, float, float]
) -> UInt8[np.ndarray, "h w 3"]:
    """The whole pixels of an integral rectangle, grey outside the image."""
    height, width = image.shape[:2]
    x0, y0, x1, y1 = (int(edge) for edge in rect)
    bounds = (0.0, 0.0, float(width), float(height))
    inner = box_math.clip(np.array([rect]), bounds)[0].astype(int).tolist()
    crop = image[inner[1] : inner[3], inner[0] : inner[2]]
    if crop.shape[:2] == (y1 - y0, x1 - x0):
        return crop
    if crop.size == 0:
        return np.full((y1 - y0, x1 - x0, 3), PADDING, np.uint8)
    margins = (inner[1] - y0, y1 - inner[3], inner[0] - x0, x1 - inner[2])
    padded = cv2.copyMakeBorder(crop, *margins, cv2.BORDER_CONSTANT, value=PADDING)
    return padded.astype(np.uint8, copy=False)


EVERY_SIZE = (0.0, inf)
"""The range of sizes of a view that answers for everything."""


@dataclass(frozen=True, slots=True)
class View:
    """A rectangle x0, y0, x1, y1 of the frame (it may stick out), shown at out_hw pixels.

    `answers_for` is the closed range of sizes, square roots of box areas in frame pixels, of the
    instances that are taken from this view: a large car is not reported from its bumper.
    """

    rect: tuple[float, float, float, float]
    out_hw: tuple[int, int]
    flip: bool = False
    answers_for: tuple[float, float] = EVERY_SIZE

    def __post_init__(self) -> None:
        x0, y0, x1, y1 = self.rect
        # An infinite or missing edge fails one of these comparisons too.
        if not (0 < x1 - x0 < np.inf and 0 < y1 - y0 < np.inf and min(self.out_hw) >= 1):
            raise DataError("a view needs an area", got=f"rect {self.rect}, out_hw {self.out_hw}")
        low, high = self.answers_for
        if not 0 <= low < high:
            raise DataError("a view answers for sizes low ... high", got=self.answers_for)

    @property
    def scale_xy(self) -> tuple[float, float]:
        """View pixels per frame pixel, along x and y."""
        x0, y0, x1, y1 = self.rect
        return self.out_hw[1] / (x1 - x0), self.out_hw[0] / (y1 - y0)

    def cut(self, frame: Frame) -> Frame:
        """What the view shows: image, instances and ignore region, in view pixels.

        Instances are cut to the view and their boxes tightened around what is visible; those of
        which no cell is visible are left out. A box without a mask is cut as a box.
        """
        whole, has_mask = frame.instances, frame.instances.has_mask
        seen = mask_ops.cut(whole.masks, self.rect)
        cut_boxes = box_math.clip(whole.boxes, self.rect)
        shown = np.where(has_mask, seen.grid_hw.prod(axis=1), box_math.areas(cut_boxes))
        visible = np.flatnonzero(shown > 0)
        masks, with_mask = self._masks_to_view(seen.select(visible)), has_mask[visible, None]
        boxes = np.where(with_mask, masks.boxes, self.boxes_to_view(cut_boxes[visible]))
        instances = Instances(boxes, masks, whole.labels[visible], whole.scores[visible])
        ignore = self._masks_to_view(mask_ops.cut(frame.ignore, self.rect))
        image = self.cut_image(frame.image)
        return Frame(frame.name, image, instances, ignore, frame.unlabelled)

    def cut_image(self, image: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "h w 3"]:
        """The pixels of the view: averaged where it shrinks, interpolated where it zooms."""
        view = resampled(image, self.rect, self.out_hw)
        return np.ascontiguousarray(view[:, ::-1]) if self.flip else view

    def lift(self, instances: Instances) -> Instances:
        """Instances from view pixels back into frame pixels; nothing is cut or rasterised."""
        sx, sy = self.scale_xy
        masks = instances.masks.flip(float(self.out_hw[1])) if self.flip else instances.masks
        masks = masks.scale(1 / sx, 1 / sy).shift(self.rect[0], self.rect[1])
        return Instances(
            self._boxes_to_frame(instances.boxes), masks, instances.labels, instances.scores
        )

    def answers(self, boxes: Float64[np.ndarray, "n 4"]) -> Bool[np.ndarray, " n"]:
        """Which boxes, in frame pixels, have a size that this view answers for."""
        low, high = self.answers_for
        size = np.sqrt(box_math.areas(boxes))
        return np.asarray((size >= low) & (size <= high))

    def boxes_to_view(self, boxes: Float64[np.ndarray, "n 4"]) -> Float64[np.ndarray, "n 4"]:
        """Boxes from frame pixels into view pixels, not cut."""
        x0, y0, _, _ = self.rect
        out = (boxes - np.array([x0, y0, x0, y0])) * np.array(self.scale_xy * 2)
        return _mirrored(out, float(self.out_hw[1])) if self.flip else out

    def _boxes_to_frame(self, boxes: Float64[np.ndarray, "n 4"]) -> Float64[np.ndarray, "n 4"]:
        x0, y0, _, _ = self.rect
        plain = _mirrored(boxes, float(self.out_hw[1])) if self.flip else boxes
        return plain / np.array(self.scale_xy * 2) + np.array([x0, y0, x0, y0])

    def _masks_to_view(self, masks: CropMasks) -> CropMasks:
        moved = masks.shift(-self.rect[0], -self.rect[1]).scale(*self.scale_xy)
        return moved.flip(float(self.out_hw[1])) if self.flip else moved


def _mirrored(boxes: Float64[np.ndarray, "n 4"], width: float) -> Float64[np.ndarray, "n 4"]:
    x0, y0, x1, y1 = boxes.T
    return np.stack([width - x1, y0, width - x0, y1], axis=1)
