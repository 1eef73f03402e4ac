"""The pixels of a rectangle of an image at another size: averaged where it shrinks, interpolated
where it grows, grey outside the image."""

from math import ceil

import cv2
import numpy as np
from jaxtyping import UInt8

from tinyseg import boxes as box_math

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
