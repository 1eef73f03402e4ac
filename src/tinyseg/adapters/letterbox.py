"""A picture of any size in a network's one input size, with grey bars beside it, and back."""

import numpy as np
from jaxtyping import UInt8

from tinyseg import boxes as box_math, masks as mask_ops
from tinyseg.frame import Instances
from tinyseg.views import View

Image = UInt8[np.ndarray, "_h _w 3"]


def letterbox(hw: tuple[int, int], input_hw: tuple[int, int]) -> View:
    """The view that shows all of a picture of height and width `hw`, in the middle of the input."""
    (height, width), scale = hw, min(input_hw[0] / hw[0], input_hw[1] / hw[1])
    over_x, over_y = (input_hw[1] / scale - width) / 2, (input_hw[0] / scale - height) / 2
    return View((-over_x, -over_y, width + over_x, height + over_y), input_hw)


def unboxed(found: Instances, hw: tuple[int, int], input_hw: tuple[int, int]) -> Instances:
    """Instances from the input's pixels into the picture's, without what lies in the bars."""
    lifted = letterbox(hw, input_hw).lift(found)
    frame = (0.0, 0.0, float(hw[1]), float(hw[0]))
    boxes, masks = box_math.clip(lifted.boxes, frame), mask_ops.cut(lifted.masks, frame)
    inside = Instances(boxes, masks, lifted.labels, lifted.scores)
    return inside.select((box_math.areas(boxes) > 0) & inside.has_mask)
